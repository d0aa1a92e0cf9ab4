import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import asyncpg
import pytest

from syneudp.engines.agent.postgresql.connections import CATALOG_LOCK_KEY
from syneudp.engines.contract import State
from tests.attack.postgresql.conftest import CUT, Pair
from tests.engines.agent.postgresql.tenants import Connection, NewTenant

WITHIN_SECONDS = 15
OWN_ROWS = [
    "ALTER ROLE {me} PASSWORD 'held'",
    "ALTER ROLE {me} SET work_mem = '64kB'",
    "ALTER ROLE {me} IN DATABASE {own} SET work_mem = '64kB'",
    "GRANT CONNECT ON DATABASE {own} TO PUBLIC",
    "GRANT USAGE ON SCHEMA public TO PUBLIC",
    "DROP OWNED BY {me}",
    "CREATE TABLE granted (n integer); GRANT SELECT ON granted TO {me}",
    "LOCK TABLE pg_catalog.pg_database, pg_catalog.pg_db_role_setting IN ACCESS SHARE MODE",
]
OTHERS_ROWS = [
    "ALTER ROLE {me} IN DATABASE {other} SET work_mem = '64kB'",
    "CREATE TABLE granted (n integer); GRANT SELECT ON granted TO {them}",
    "CREATE TABLE granted (n integer); CREATE POLICY named ON granted TO {them}",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {them}",
]
HUNG_ON_OTHERS = [
    "CREATE TABLE hung (n integer); GRANT SELECT ON hung TO {them} WITH GRANT OPTION",
    "CREATE TABLE hung (n integer); GRANT UPDATE (n) ON hung TO {them}",
    "CREATE TABLE hung (n integer); CREATE POLICY named ON hung TO {them}",
    "CREATE TABLE hung (n integer); CREATE POLICY named ON hung TO {me}, {them}",
    "CREATE FUNCTION hung() RETURNS int LANGUAGE sql AS 'SELECT 1'; GRANT EXECUTE ON FUNCTION hung() TO {them}",
    "CREATE SCHEMA hung; GRANT ALL ON SCHEMA hung TO {them}",
    "CREATE TYPE hung AS (n integer); GRANT USAGE ON TYPE hung TO {them}",
    "SELECT lo_create(77); GRANT SELECT ON LARGE OBJECT 77 TO {them}",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {them}",
    "ALTER ROLE {me} IN DATABASE {other} SET work_mem = '64kB'",
]
QUEUED = [
    "CREATE RULE mine AS ON INSERT TO pg_catalog.pg_database DO NOTHING",
    "CREATE RULE mine AS ON INSERT TO pg_catalog.pg_authid DO NOTHING",
    "CREATE RULE mine AS ON INSERT TO pg_catalog.pg_auth_members DO NOTHING",
    "CREATE TRIGGER mine BEFORE INSERT ON pg_catalog.pg_authid EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE TABLE mine (n oid REFERENCES pg_catalog.pg_authid (oid))",
    (
        "CREATE TABLE mine (LIKE pg_catalog.pg_database) PARTITION BY HASH (oid);"
        " ALTER TABLE mine ATTACH PARTITION pg_catalog.pg_database FOR VALUES WITH (MODULUS 1, REMAINDER 0)"
    ),
]


@pytest.mark.parametrize("state", [State.SUSPENDED, State.RUNNING, State.TERMINATED], ids=["suspend", "rotate", "end"])
@pytest.mark.parametrize("statement", OWN_ROWS)
async def test_a_row_held_in_an_open_transaction_does_not_hold_the_agent(
    pair: Pair, statement: str, state: State
) -> None:
    await pair.session.execute(f"BEGIN; {pair.fill(statement)}")
    if state is State.RUNNING:
        pair.attacker.change_password()
    async with asyncio.timeout(WITHIN_SECONDS):
        await pair.attacker.want(state)
    with pytest.raises(CUT):
        await pair.session.execute("COMMIT")
    assert (await pair.attacker.report()).drift == []


async def test_clients_that_take_a_row_again_and_again_do_not_outrun_a_suspend(pair: Pair) -> None:
    stop = asyncio.Event()

    async def grab() -> None:
        while not stop.is_set():
            with suppress(*CUT):
                session = await pair.attacker.connect()
                await session.execute(pair.fill("BEGIN; ALTER ROLE {me} SET work_mem = '64kB'"))
                await session.execute("SELECT pg_sleep(60)")

    grabbing = [asyncio.create_task(grab()) for _ in range(6)]
    await asyncio.sleep(0.5)
    async with asyncio.timeout(WITHIN_SECONDS):
        await pair.attacker.want(State.SUSPENDED)
    stop.set()
    await asyncio.gather(*grabbing)
    assert (await pair.attacker.report()).sessions == 0


@pytest.mark.parametrize("statement", OTHERS_ROWS)
async def test_naming_another_tenant_in_an_open_transaction_does_not_hold_its_life_up(
    pair: Pair, statement: str
) -> None:
    await pair.session.execute(f"BEGIN; {pair.fill(statement)}")
    async with asyncio.timeout(WITHIN_SECONDS):
        for state in (State.SUSPENDED, State.RUNNING, State.TERMINATED):
            await pair.victim.want(state)
    assert (await pair.victim.report()).drift == []


@pytest.mark.parametrize("statement", HUNG_ON_OTHERS)
async def test_what_is_granted_to_another_tenant_does_not_keep_it_from_its_end(pair: Pair, statement: str) -> None:
    await pair.session.execute(pair.fill(statement))
    await pair.victim.want(State.TERMINATED)
    assert (await pair.victim.report()).drift == []
    assert (await pair.attacker.report()).drift == []
    assert await pair.session.fetchval("SELECT 1") == 1


@pytest.mark.parametrize("statement", QUEUED)
async def test_queueing_for_a_shared_catalog_stops_neither_logins_nor_the_agent(
    pair: Pair, new_tenant: NewTenant, statement: str
) -> None:
    holding = await pair.attacker.connect()
    await holding.execute(
        pair.fill(
            "BEGIN; SELECT FROM pg_database, pg_roles, pg_auth_members LIMIT 0; ALTER ROLE {me} SET work_mem = '64kB'"
        )
    )
    await pair.session.execute(pair.fill("ALTER ROLE {me} PASSWORD 'forgotten'"))
    queueing = asyncio.create_task(pair.session.execute(statement))
    await asyncio.sleep(0.1)
    other = new_tenant()
    async with asyncio.timeout(WITHIN_SECONDS):
        await (await pair.victim.connect()).close()
        await pair.victim.want(State.SUSPENDED)
        await other.want(State.RUNNING, may_create=True)
        await other.want(State.TERMINATED)
    with pytest.raises(CUT):
        await queueing
    holding.terminate()


async def test_a_transfer_that_stands_still_does_not_keep_another_database_from_its_end(pair: Pair) -> None:
    await pair.session.execute("CREATE TABLE filling (line text)")

    async def lines() -> AsyncIterator[bytes]:
        yield b"one\n"
        await asyncio.sleep(3600)

    filling = asyncio.create_task(pair.session.copy_to_table("filling", source=lines(), format="text"))
    await asyncio.sleep(0.3)
    async with asyncio.timeout(30):
        await pair.victim.want(State.TERMINATED)
    filling.cancel()
    with suppress(asyncio.CancelledError, *CUT):
        await filling


async def test_advisory_locks_under_the_agents_keys_are_the_tenants_own(pair: Pair, new_tenant: NewTenant) -> None:
    for holder in (pair.session, pair.victim_session):
        with suppress(asyncpg.LockNotAvailableError):
            await holder.execute("SET lock_timeout = 100")
            await holder.execute(f"SELECT pg_advisory_lock({CATALOG_LOCK_KEY})")
            for tenant in (pair.attacker, pair.victim):
                await holder.execute(f"SELECT pg_advisory_lock(hashtextextended('{tenant.instance_id}', 0))")
    other = new_tenant()
    async with asyncio.timeout(WITHIN_SECONDS):
        await pair.victim.want(State.SUSPENDED)
        await other.want(State.RUNNING, may_create=True)
        await other.want(State.TERMINATED)


async def test_a_flood_of_notices_reaches_nobody_else_and_holds_nothing_up(pair: Pair) -> None:
    heard: list[object] = []
    await pair.victim_session.add_listener("news", lambda *notice: heard.append(notice))
    await pair.session.execute("LISTEN news")
    await pair.session.execute("SELECT pg_notify('news', repeat('x', 7000) || n) FROM generate_series(1, 1000) AS n")
    await pair.victim_session.execute("SELECT 1")
    assert heard == []
    await pair.attacker.want(State.SUSPENDED)
    await pair.victim_session.execute("NOTIFY news, 'own'")
    await pair.victim_session.execute("SELECT 1")
    assert len(heard) == 1


async def test_a_long_transaction_holds_neither_a_create_nor_an_end_up(
    pair: Pair, new_tenant: NewTenant, admin: Connection
) -> None:
    await pair.session.execute(
        "BEGIN ISOLATION LEVEL SERIALIZABLE; CREATE TABLE long (n integer); SELECT pg_export_snapshot()"
    )
    other = new_tenant()
    async with asyncio.timeout(WITHIN_SECONDS):
        await other.want(State.RUNNING, may_create=True)
        await other.want(State.TERMINATED)
    assert await admin.fetchval("SELECT 1") == 1
