import asyncio

import asyncpg
import pytest

from syneudp.engines.contract import State
from tests.attack.postgresql.conftest import CUT, Pair
from tests.engines.agent.postgresql.tenants import NewTenant

DOORS = ["{other}", "postgres", "template1", "template0", "syneudpagent", "syneudptemplate1"]


@pytest.mark.parametrize("door", DOORS)
async def test_no_other_database_lets_a_tenant_in(pair: Pair, door: str) -> None:
    with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.ObjectNotInPrerequisiteStateError)):
        await pair.attacker.connect(database=pair.fill(door))


async def test_a_replication_connection_is_refused(pair: Pair) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(
            pair.attacker.server.url(
                user=pair.attacker.username, password=pair.attacker.password, database=pair.attacker.database
            ),
            server_settings={"replication": "database"},
        )


async def test_another_tenants_session_shows_nothing_not_even_its_application_name(pair: Pair) -> None:
    shown = await pair.session.fetch("SELECT * FROM pg_stat_activity")
    assert [row["usename"] for row in shown] == [pair.attacker.username]
    for source in ("pg_stat_activity", "syneudp_stat_get_activity(NULL)", "pg_stat_ssl", "pg_stat_gssapi"):
        assert "the victim" not in str(await pair.session.fetch(f"SELECT * FROM {source}"))
    pid = pair.victim_session.get_server_pid()
    told = await pair.session.fetchval(
        "SELECT pg_stat_get_backend_activity(id) FROM pg_stat_get_backend_idset() AS id"
        " WHERE pg_stat_get_backend_pid(id) = $1",
        pid,
    )
    assert told in {None, "<insufficient privilege>"}


async def test_a_tenant_sees_its_own_sessions_whole(pair: Pair) -> None:
    own = await pair.attacker.connect()
    await own.execute("SET application_name = 'mine'")
    row = await pair.session.fetchrow("SELECT * FROM pg_stat_activity WHERE pid = $1", own.get_server_pid())
    assert row is not None
    assert (row["application_name"], row["state"]) == ("mine", "idle")
    await own.close()


async def test_granting_connect_on_the_own_database_opens_nothing(pair: Pair) -> None:
    for statement in (
        "GRANT CONNECT ON DATABASE {own} TO PUBLIC",
        "GRANT CONNECT ON DATABASE {own} TO {them}",
        "GRANT ALL ON SCHEMA public TO PUBLIC",
    ):
        await pair.session.execute(pair.fill(statement))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pair.victim.connect(database=pair.attacker.database)
    assert (await pair.attacker.report()).drift == []


async def test_the_connection_limit_holds(pair: Pair) -> None:
    sessions = [await pair.attacker.connect() for _ in range(pair.attacker.max_connections - 1)]
    with pytest.raises(asyncpg.TooManyConnectionsError):
        await pair.attacker.connect()
    for session in sessions:
        await session.close()


async def test_the_limit_on_temporary_files_holds_through_a_reset_of_everything(pair: Pair) -> None:
    await pair.session.execute(pair.fill("ALTER ROLE {me} RESET ALL"))
    session = await pair.attacker.connect()
    await session.execute("RESET ALL")
    await session.execute("SET work_mem = '64kB'")
    with pytest.raises(asyncpg.ConfigurationLimitExceededError):
        await session.execute("SELECT repeat('x', 100) || n AS t FROM generate_series(1, 2000000) AS n ORDER BY t")
    await session.close()


async def test_nothing_a_session_holds_outlives_a_suspend(pair: Pair) -> None:
    await pair.session.execute("CREATE TEMPORARY TABLE passing (n integer)")
    await pair.session.execute("SELECT pg_advisory_lock(1)")
    await pair.session.execute("LISTEN news")
    await pair.session.execute("SET idle_session_timeout = 0")
    transaction = await pair.attacker.connect()
    await transaction.execute("BEGIN; CREATE TABLE unfinished (n integer)")
    busy = await pair.attacker.connect()
    running = asyncio.create_task(
        busy.execute(
            "DO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(3600);"
            " EXCEPTION WHEN query_canceled OR others THEN NULL; END; END LOOP; END $$"
        )
    )
    await asyncio.sleep(0.1)
    outcome = await pair.attacker.want(State.SUSPENDED)
    assert outcome.applied.sessions_ended == 3
    for session in (pair.session, transaction):
        with pytest.raises(CUT):
            await session.execute("SELECT 1")
    with pytest.raises(CUT):
        await running
    superuser = await asyncpg.connect(pair.attacker.server.superuser_url())
    left = await superuser.fetchval(
        "SELECT count(*) FROM pg_locks AS held JOIN pg_database AS found ON found.oid = held.database"
        " WHERE found.datname = $1",
        pair.attacker.database,
    )
    await superuser.close()
    assert left == 0
    assert await pair.victim_session.fetchval("SELECT word FROM kept") == "precious"


async def test_a_password_that_a_tenant_changed_is_suspended_with_it_and_works_again_until_a_rotation(
    pair: Pair,
) -> None:
    await pair.session.execute(pair.fill("ALTER ROLE {me} PASSWORD 'my own'"))
    assert (await pair.attacker.report()).drift == ["verifier"]
    await pair.attacker.want(State.SUSPENDED)
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await pair.attacker.connect(password="my own")
    await pair.attacker.want(State.RUNNING)
    await (await pair.attacker.connect(password="my own")).close()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await pair.attacker.connect()
    pair.attacker.change_password()
    await pair.attacker.want(State.RUNNING)
    with pytest.raises(asyncpg.InvalidPasswordError):
        await pair.attacker.connect(password="my own")
    await (await pair.attacker.connect()).close()
    assert (await pair.attacker.report()).drift == []


async def test_a_suspended_tenant_cannot_let_itself_in_again(pair: Pair) -> None:
    await pair.attacker.want(State.SUSPENDED)
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await pair.attacker.connect()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pair.victim_session.execute(pair.fill("ALTER ROLE {me} LOGIN"))


async def test_tenants_knocking_at_the_templates_do_not_block_a_create(pair: Pair, new_tenant: NewTenant) -> None:
    stop = asyncio.Event()

    async def knock(door: str) -> None:
        while not stop.is_set():
            with pytest.raises(CUT):
                await pair.attacker.connect(database=door)

    knocking = [asyncio.create_task(knock(door)) for door in ("template1", "template0", "syneudptemplate1")]
    tenants = [new_tenant() for _ in range(3)]
    for tenant in tenants:
        await tenant.want(State.RUNNING, may_create=True)
    stop.set()
    await asyncio.gather(*knocking)
    for tenant in tenants:
        await tenant.want(State.TERMINATED)


async def test_objects_named_to_trap_the_agent_do_not(pair: Pair) -> None:
    await pair.session.execute(
        "CREATE FUNCTION public.trap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$"
    )
    await pair.session.execute("CREATE SCHEMA registry CREATE TABLE instances (n integer)")
    await pair.session.execute("CREATE VIEW public.pg_roles AS SELECT 1 AS n")
    await pair.session.execute(pair.fill("ALTER ROLE {me} SET search_path = registry, public, pg_catalog"))
    for state in (State.SUSPENDED, State.RUNNING):
        await pair.attacker.want(state)
    assert (await pair.attacker.report()).drift == []
