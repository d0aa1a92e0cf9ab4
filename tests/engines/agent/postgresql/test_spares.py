import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from entrypoints.embedded import PostgreSQLServer
from syneudp.engines.agent.errors import DatabaseTerminatedError, GenerationStaleError
from syneudp.engines.agent.postgresql import PostgreSQLDriver, shape
from syneudp.engines.agent.spares import fill
from syneudp.engines.contract import Engine, State
from tests.engines.agent.killing import kill_an_agent_in_the_middle
from tests.engines.agent.postgresql.tenants import Connection, NewTenant, Tenant
from tests.engines.agent.redoing import redo

SPARES = "SELECT database_name, username, made FROM registry.instances WHERE instance_id IS NULL"
ORPHANS = """
SELECT datname AS name FROM pg_database
WHERE datname ~ '^db[a-z2-7]{20}$' AND datname NOT IN (SELECT database_name FROM registry.instances)
UNION ALL
SELECT rolname FROM pg_roles
WHERE rolname ~ '^u[a-z2-7]{20}$' AND rolname NOT IN (SELECT username FROM registry.instances)
"""


@pytest.fixture
async def pool(driver: PostgreSQLDriver) -> AsyncIterator[PostgreSQLDriver]:
    await fill(driver, size=0)
    yield driver
    await fill(driver, size=0)
    assert await driver.count_spares() == 0


@pytest.fixture
async def other_agent(admin_url: str, postgresql_server: PostgreSQLServer) -> AsyncIterator[PostgreSQLDriver]:
    other = PostgreSQLDriver(
        admin_url=admin_url, endpoint_host=postgresql_server.host, endpoint_port=postgresql_server.port
    )
    await other.open()
    yield other
    await other.close()


async def created(tenant: Tenant) -> bool:
    return (await tenant.want(State.RUNNING, may_create=True)).from_spare


async def test_a_spare_becomes_an_instance_that_its_customer_can_use(
    pool: PostgreSQLDriver, new_tenant: NewTenant
) -> None:
    await fill(pool, size=2)
    tenant = new_tenant()
    assert await created(tenant)
    connection = await tenant.connect()
    await connection.execute("CREATE TABLE kept (n int)")
    await connection.close()
    report = await tenant.report()
    assert (report.applied_generation, report.credential_version, report.drift) == (1, 1, [])
    assert await pool.count_spares() == 1
    await tenant.want(State.SUSPENDED)
    await tenant.want(State.TERMINATED)


async def test_without_spares_a_database_is_made_while_the_call_waits(
    driver: PostgreSQLDriver, new_tenant: NewTenant
) -> None:
    assert await driver.count_spares() == 0
    tenant = new_tenant()
    assert not await created(tenant)
    await (await tenant.connect()).close()
    await tenant.want(State.TERMINATED)


async def test_a_spare_is_nobodys_and_nobody_gets_in(
    pool: PostgreSQLDriver, admin: Connection, postgresql_server: PostgreSQLServer
) -> None:
    instances = await pool.count_instances()
    await fill(pool, size=1)
    spare = await admin.fetchrow(SPARES)
    assert spare is not None
    assert await pool.count_instances() == instances
    assert spare["database_name"] not in await pool.unknown_databases()
    assert all(report.database != spare["database_name"] for report in await pool.reports(after=None, limit=1000))
    assert len(await pool.usage()) == instances
    assert list(await pool.pending()) == []
    url = postgresql_server.url(user=spare["username"], password="guessed", database=spare["database_name"])
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await asyncpg.connect(url, ssl=postgresql_server.tls_context())
    superuser = await asyncpg.connect(postgresql_server.superuser_url())
    held = await superuser.fetchrow("SELECT rolpassword FROM pg_authid WHERE rolname = $1", spare["username"])
    await superuser.close()
    assert held is not None
    assert held["rolpassword"] is None


async def test_the_pool_grows_shrinks_and_mends_what_was_lost(pool: PostgreSQLDriver, admin: Connection) -> None:
    await fill(pool, size=3)
    lost, stale, _ = [row["database_name"] for row in await admin.fetch(SPARES)]
    await admin.execute(f"DROP DATABASE {lost}")
    await admin.execute("UPDATE registry.instances SET made = false WHERE database_name = $1", stale)
    await fill(pool, size=3)
    assert await pool.count_spares() == 3
    assert {lost, stale} <= {row["database_name"] for row in await admin.fetch(SPARES)}
    assert await admin.fetchval("SELECT true FROM pg_database WHERE datname = $1", lost)
    await fill(pool, size=1)
    assert await pool.count_spares() == 1
    assert await admin.fetch(ORPHANS) == []


async def test_a_spare_whose_database_is_lost_is_not_handed_out(
    pool: PostgreSQLDriver, admin: Connection, new_tenant: NewTenant
) -> None:
    await fill(pool, size=1)
    await admin.execute(f"DROP DATABASE {await admin.fetchval(SPARES)}")
    tenant = new_tenant()
    assert not await created(tenant)
    await tenant.want(State.TERMINATED)


async def test_two_agents_racing_for_few_spares_give_each_to_one_instance(
    pool: PostgreSQLDriver, other_agent: PostgreSQLDriver, new_tenant: NewTenant, admin: Connection
) -> None:
    await fill(pool, size=12)
    tenants = [new_tenant() for _ in range(40)]
    for tenant in tenants[::2]:
        tenant.driver = other_agent
    from_spares = await asyncio.gather(*(created(tenant) for tenant in tenants), fill(other_agent, size=12))
    assert from_spares.count(True) >= 12
    assert len({tenant.database for tenant in tenants}) == 40
    for tenant in tenants:
        assert (await tenant.report()).drift == []
        await (await tenant.connect()).close()
    assert await admin.fetch(ORPHANS) == []
    for tenant in tenants:
        await tenant.want(State.TERMINATED)


async def test_two_agents_filling_at_once_make_no_more_than_one_would(
    pool: PostgreSQLDriver, other_agent: PostgreSQLDriver, admin: Connection
) -> None:
    await asyncio.gather(fill(pool, size=3), fill(other_agent, size=3), fill(pool, size=3))
    assert len(await admin.fetch(SPARES)) == 3
    async with other_agent.shelf() as held:
        assert held is not None
        async with pool.shelf() as refused:
            assert refused is None


@pytest.mark.parametrize("death", range(4))
async def test_an_agent_killed_while_it_fills_and_claims_leaves_nothing_half_done(
    pool: PostgreSQLDriver, admin_url: str, admin: Connection, death: int
) -> None:
    del death
    await kill_an_agent_in_the_middle(Engine.POSTGRESQL, admin_url=admin_url, endpoint=pool.endpoint)
    async with asyncio.timeout(20):
        while await admin.fetchval("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE DATABASE%'"):
            await asyncio.sleep(0.02)
    assert list(await redo(pool)) == []
    async with asyncio.timeout(20):
        while [row["made"] for row in await admin.fetch(SPARES)] != [True, True]:
            await fill(pool, size=2)
    assert await pool.count_spares() == 2
    assert await admin.fetch(ORPHANS) == []
    assert all(report.drift == [] for report in await pool.reports(after=None, limit=1000))


async def test_a_termination_and_a_suspended_creation_take_no_spare(
    pool: PostgreSQLDriver, new_tenant: NewTenant
) -> None:
    await fill(pool, size=1)
    tenant, suspended = new_tenant(), new_tenant()
    await tenant.want(State.TERMINATED, generation=3)
    with pytest.raises(GenerationStaleError):
        await tenant.want(State.RUNNING, generation=1, may_create=True)
    with pytest.raises(DatabaseTerminatedError):
        await tenant.want(State.RUNNING, generation=4, may_create=True)
    await suspended.want(State.SUSPENDED, may_create=True)
    assert await pool.count_spares() == 1
    await suspended.want(State.TERMINATED)


async def test_the_same_creation_at_once_and_again_takes_one_spare(
    pool: PostgreSQLDriver, new_tenant: NewTenant
) -> None:
    await fill(pool, size=3)
    tenant = new_tenant()
    sent = [tenant.want(State.RUNNING, generation=1, may_create=True) for _ in range(3)]
    outcomes = await asyncio.gather(*sent)
    assert sorted(outcome.from_spare for outcome in outcomes) == [False, False, True]
    assert len({outcome.applied.database for outcome in outcomes}) == 1
    assert await pool.count_spares() == 2
    await tenant.want(State.TERMINATED, generation=2)


async def test_a_spare_that_an_older_release_made_is_never_handed_out_and_is_made_anew(
    pool: PostgreSQLDriver, new_tenant: NewTenant, admin: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr(shape, "ROLE_SHAPE", f"{shape.ROLE_SHAPE} CONNECTION LIMIT 3")
        await fill(pool, size=2)
        assert await pool.count_spares() == 2
    outdated = {row["database_name"] for row in await admin.fetch(SPARES)}
    assert await pool.count_spares() == 0
    tenant = new_tenant()
    assert not await created(tenant)
    await fill(pool, size=2)
    assert await pool.count_spares() == 2
    assert outdated.isdisjoint(row["database_name"] for row in await admin.fetch(SPARES))
    assert not await admin.fetch("SELECT FROM pg_database WHERE datname = ANY($1)", list(outdated))
    assert await admin.fetch(ORPHANS) == []
    other = new_tenant()
    assert await created(other)
    for each in (tenant, other):
        await each.want(State.TERMINATED)


async def test_a_half_made_spare_of_an_older_release_is_dropped(
    pool: PostgreSQLDriver, admin: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr(shape, "DATABASE_SHAPE", f"{shape.DATABASE_SHAPE} CONNECTION LIMIT 7")
        await fill(pool, size=1)
    await admin.execute("UPDATE registry.instances SET made = false WHERE instance_id IS NULL")
    [half_made] = [row["database_name"] for row in await admin.fetch(SPARES)]
    await fill(pool, size=1)
    assert [row["database_name"] == half_made for row in await admin.fetch(SPARES)] == [False]
    assert await admin.fetch(ORPHANS) == []


async def test_a_taking_that_waits_for_anothers_lock_goes_on_and_whoever_named_the_spares_role_holds_nothing_up(
    pool: PostgreSQLDriver, new_tenant: NewTenant, admin: Connection
) -> None:
    attacker, tenant = new_tenant(), new_tenant()
    await attacker.want(State.RUNNING, may_create=True)
    await fill(pool, size=1)
    spare = await admin.fetchrow(SPARES)
    assert spare is not None
    session = await attacker.connect()
    await session.execute(
        "BEGIN; CREATE TABLE granted (n integer);"
        f" ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {spare['username']}"
    )
    superuser = await asyncpg.connect(tenant.server.superuser_url())
    held = superuser.transaction()
    await held.start()
    await superuser.execute(f"ALTER ROLE {spare['username']} CONNECTION LIMIT 5")
    taking = asyncio.create_task(created(tenant))
    await asyncio.sleep(0.5)
    assert not taking.done()
    await held.rollback()
    await superuser.close()
    assert await taking
    assert tenant.database == spare["database_name"]
    assert (await tenant.report()).drift == []
    await session.execute("COMMIT")
    await session.close()
    for each in (attacker, tenant):
        await each.want(State.TERMINATED)


async def test_a_spares_role_has_the_limits_that_most_instances_have(
    pool: PostgreSQLDriver, new_tenant: NewTenant, admin: Connection
) -> None:
    others = await admin.fetchval("SELECT count(*) FROM registry.instances WHERE state = 'running'")
    tenants = [new_tenant() for _ in range(others + 2)]
    for tenant in tenants[:-1]:
        tenant.limits = {"temp_bytes": 7 * 1024, "statement_seconds": 7, "memory_bytes": 1024 * 1024}
        await tenant.want(State.RUNNING, may_create=True)
    await fill(pool, size=2)
    settings = await admin.fetch(
        "SELECT setconfig FROM pg_db_role_setting JOIN pg_roles ON pg_roles.oid = setrole WHERE rolname = ANY($1)",
        [row["username"] for row in await admin.fetch(SPARES)],
    )
    assert [set(found["setconfig"]) >= {"temp_file_limit=7kB", "statement_timeout=7s"} for found in settings] == [
        True
    ] * 2
    another = tenants[-1]
    another.limits = {"temp_bytes": 9 * 1024, "statement_seconds": 9}
    assert await created(another)
    assert (await another.report()).drift == []
    session = await another.connect()
    assert await session.fetchval("SHOW statement_timeout") == "9s"
    assert await session.fetchval("SHOW work_mem") == "4MB"
    await session.close()
    for tenant in tenants:
        await tenant.want(State.TERMINATED)
