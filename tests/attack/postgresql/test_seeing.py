import asyncpg
import pytest

from tests.attack.postgresql.conftest import Pair
from tests.engines.agent.postgresql.tenants import Connection

WORDS = ("the victim", "victimquery", "victimchannel", "precious", "theirtable", "their comment", "their setting")
STATED = {"pg_database", "pg_roles", "pg_user", "pg_group", "pg_stat_database", "pg_stat_database_conflicts"}
NAMES_STATED_TOO = STATED | {"pg_auth_members", "pg_shdepend", "pg_db_role_setting", "pg_shdescription"}
RELATIONS = """
SELECT format('%I.%I', nspname, relname) AS name, relname AS bare
FROM pg_class JOIN pg_namespace AS within ON within.oid = relnamespace
WHERE nspname IN ('pg_catalog', 'information_schema') AND relkind IN ('r', 'v')
"""
FUNCTIONS = """
SELECT format('%I.%I()', nspname, proname) AS call
FROM pg_proc JOIN pg_namespace AS within ON within.oid = pronamespace
WHERE nspname = 'pg_catalog' AND pronargs = pronargdefaults AND proretset AND prokind = 'f'
"""


async def at_work(pair: Pair) -> None:
    for statement in (
        "SET application_name = 'the victim at work'",
        "CREATE TABLE theirtable (n integer)",
        "COMMENT ON TABLE theirtable IS 'their comment'",
        "LISTEN victimchannel",
        "PREPARE victimquery AS SELECT 'victimquery'",
        "BEGIN",
        "SELECT 'victimquery', word FROM kept FOR UPDATE",
        "LOCK TABLE theirtable",
    ):
        await pair.victim_session.execute(statement)


async def shown(session: Connection, source: str) -> str:
    try:
        return str([record[0] for record in await session.fetch(f"SELECT told::text FROM {source} AS told")])
    except asyncpg.PostgresError:
        return ""


@pytest.mark.parametrize("kind", ["relations", "functions"])
async def test_no_catalogue_and_no_function_shows_another_tenants_objects_queries_or_words(
    pair: Pair, kind: str
) -> None:
    await at_work(pair)
    session = pair.session
    if kind == "relations":
        sources = {record["bare"]: record["name"] for record in await session.fetch(RELATIONS)}
    else:
        sources = {record["call"]: record["call"] for record in await session.fetch(FUNCTIONS)}
    assert len(sources) > 20
    leaks = {}
    for bare, source in sources.items():
        told = await shown(session, source)
        names = [] if bare in NAMES_STATED_TOO else [pair.victim.username, pair.victim.database]
        if found := [word for word in (*WORDS, *names) if word in told]:
            leaks[bare] = found
    assert leaks == {}


async def test_only_names_that_the_agent_chose_are_seen_of_others(pair: Pair) -> None:
    await at_work(pair)
    told = "".join([await shown(pair.session, name) for name in sorted(STATED)])
    assert pair.victim.database in told
    assert pair.victim.username in told
    assert not [word for word in WORDS if word in told]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE PUBLICATION everything FOR ALL TABLES",
        "CREATE SUBSCRIPTION theirs CONNECTION 'dbname={other}' PUBLICATION p WITH (connect = false, slot_name = NONE)",
        "ALTER ROLE {them} IN DATABASE {own} SET search_path = evil",
        "ALTER ROLE ALL SET search_path = evil",
        "CREATE EXTENSION pg_prewarm",
        "SELECT pg_stat_reset_shared('bgwriter')",
        "SELECT pg_stat_force_next_flush(), pg_stat_reset_single_table_counters(1262)",
        "SELECT pg_logical_emit_message(true, 'x', 'y'), pg_logical_slot_get_changes('s', NULL, NULL)",
        "SELECT pg_wal_replay_pause()",
        "SELECT pg_export_snapshot(), pg_read_file('postmaster.pid')",
        "SELECT pg_ls_archive_statusdir()",
        "SELECT * FROM pg_ls_logicalsnapdir()",
        "SELECT lo_get(lo_import('/etc/hostname'))",
        "COPY pg_authid TO STDOUT",
        "TABLE pg_subscription",
        "TABLE pg_user_mapping",
        "SELECT pg_reload_conf(), pg_sleep(0)",
        "CREATE EXTENSION pg_buffercache",
        "CREATE EXTENSION pageinspect",
        "CREATE EXTENSION pg_walinspect",
        "CREATE EXTENSION pgrowlocks",
        "CREATE EXTENSION amcheck",
        "CREATE EXTENSION pg_visibility",
        "CREATE EXTENSION pg_freespacemap",
        "CREATE EXTENSION pgstattuple",
        "CREATE CAST (integer AS boolean) WITHOUT FUNCTION",
        "CREATE TRANSFORM FOR integer LANGUAGE sql (FROM SQL WITH FUNCTION pg_catalog.textin(internal))",
        "ALTER TABLE pg_catalog.pg_class OWNER TO {me}",
        "CLUSTER pg_catalog.pg_database",
        "REINDEX SYSTEM {own}",
        "REINDEX TABLE pg_catalog.pg_authid",
        "BEGIN; LOCK TABLE pg_catalog.pg_authid",
        "BEGIN; LOCK TABLE pg_catalog.pg_database IN ACCESS EXCLUSIVE MODE",
        "TRUNCATE pg_catalog.pg_shdepend",
    ],
)
async def test_no_other_way_in_is_open(lasting_pair: Pair, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await lasting_pair.session.execute(lasting_pair.fill(statement))
    await lasting_pair.session.execute("ROLLBACK")
    assert await lasting_pair.victim_session.fetchval("SELECT word FROM kept") == "precious"
