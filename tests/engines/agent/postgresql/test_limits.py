import asyncio
import contextlib
from collections.abc import Sequence

import asyncpg
import pytest

from entrypoints.embedded import PostgreSQLServer
from syneudp.engines.agent.driver import Cut, Drift, Overrun
from syneudp.engines.agent.postgresql import PostgreSQLDriver
from syneudp.engines.contract import State
from tests.engines.agent.postgresql.tenants import Connection, NewTenant, Tenant

LIFTED = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0"
ENDED = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
CATCHING = """
DO $$ BEGIN LOOP
    BEGIN PERFORM pg_sleep(30); EXCEPTION WHEN query_canceled THEN NULL; END;
END LOOP; END $$
"""


async def watch_until(driver: PostgreSQLDriver, tenant: Tenant, overrun: Overrun, *, ends: bool) -> Sequence[Cut]:
    async with asyncio.timeout(30):
        while True:
            cuts = [cut for cut in await driver.watch() if cut.instance_id == tenant.instance_id]
            if Cut(instance_id=tenant.instance_id, overrun=overrun, session_ended=ends) in cuts:
                return cuts
            await asyncio.sleep(0.2)


async def shown(connection: Connection, *names: str) -> list[str]:
    return [await connection.fetchval("SELECT current_setting($1)", name) for name in names]


async def test_a_role_starts_with_its_limits_and_with_the_servers_own_where_there_is_none(tenant: Tenant) -> None:
    tenant.limits = {"statement_seconds": 90, "idle_transaction_seconds": 120, "memory_bytes": 8 * 1024 * 1024}
    await tenant.want(State.RUNNING)
    connection = await tenant.connect()
    names = ("statement_timeout", "idle_in_transaction_session_timeout", "work_mem", "maintenance_work_mem")
    assert await shown(connection, *names, "temp_file_limit") == ["90s", "2min", "4MB", "8MB", "64MB"]
    await connection.close()
    tenant.limits = {}
    await tenant.want(State.RUNNING)
    connection = await tenant.connect()
    assert await shown(connection, *names[:3]) == ["0", "0", "4MB"]
    await connection.close()


async def test_a_statement_without_its_timeout_is_cancelled_from_outside(
    tenant: Tenant, driver: PostgreSQLDriver
) -> None:
    tenant.limits = {"statement_seconds": 1}
    await tenant.want(State.RUNNING)
    connection = await tenant.connect()
    await connection.execute(LIFTED)
    running = asyncio.create_task(connection.execute("SELECT pg_sleep(60)"))
    await watch_until(driver, tenant, Overrun.STATEMENT, ends=False)
    with pytest.raises(asyncpg.QueryCanceledError):
        await running
    assert await connection.fetchval("SELECT 1") == 1
    assert not [cut for cut in await driver.watch() if cut.instance_id == tenant.instance_id]
    await connection.close()


async def test_a_statement_that_catches_its_cancelling_loses_its_session(
    tenant: Tenant, driver: PostgreSQLDriver
) -> None:
    tenant.limits = {"statement_seconds": 1}
    await tenant.want(State.RUNNING)
    connection = await tenant.connect()
    await connection.execute(LIFTED)
    running = asyncio.create_task(connection.execute(CATCHING))
    await watch_until(driver, tenant, Overrun.STATEMENT, ends=True)
    with pytest.raises(ENDED):
        await running


@pytest.mark.parametrize("failing", [False, True])
async def test_an_idle_transaction_loses_its_session(
    tenant: Tenant, driver: PostgreSQLDriver, *, failing: bool
) -> None:
    tenant.limits = {"idle_transaction_seconds": 1}
    await tenant.want(State.RUNNING)
    connection, idle = await tenant.connect(), await tenant.connect()
    await connection.execute(LIFTED)
    await connection.execute("BEGIN; SELECT 1")
    if failing:
        with contextlib.suppress(asyncpg.DivisionByZeroError):
            await connection.execute("SELECT 1 / 0")
    await watch_until(driver, tenant, Overrun.IDLE_TRANSACTION, ends=True)
    with pytest.raises(ENDED):
        await connection.execute("COMMIT")
    assert await idle.fetchval("SELECT 1") == 1
    await idle.close()


async def test_the_newest_sessions_beyond_a_lowered_limit_end(tenant: Tenant, driver: PostgreSQLDriver) -> None:
    opened = [await tenant.connect() for _ in range(3)]
    tenant.max_connections = 1
    await tenant.want(State.RUNNING)
    assert len(await watch_until(driver, tenant, Overrun.CONNECTIONS, ends=True)) == 2
    assert await opened[0].fetchval("SELECT 1") == 1
    for connection in opened[1:]:
        with pytest.raises(ENDED):
            await connection.execute("SELECT 1")
    await opened[0].close()


async def test_nothing_is_cut_where_there_is_no_limit(new_tenant: NewTenant, driver: PostgreSQLDriver) -> None:
    tenant = new_tenant()
    await tenant.want(State.RUNNING, may_create=True)
    connection, other = await tenant.connect(), await tenant.connect()
    await connection.execute("BEGIN; SELECT 1")
    running = asyncio.create_task(other.fetchval("SELECT 7 FROM pg_sleep(1.5)"))
    await asyncio.sleep(1.2)
    assert not [cut for cut in await driver.watch() if cut.instance_id == tenant.instance_id]
    assert await running == 7
    await connection.execute("COMMIT")
    await tenant.want(State.TERMINATED)


async def test_lifted_limits_and_members_are_drift_that_the_same_state_again_repairs(
    tenant: Tenant, new_tenant: NewTenant, postgresql_server: PostgreSQLServer
) -> None:
    other = new_tenant()
    await other.want(State.RUNNING, may_create=True)
    superuser = await asyncpg.connect(postgresql_server.superuser_url())
    await superuser.execute(f'ALTER ROLE "{tenant.username}" SET temp_file_limit = -1')
    assert (await tenant.report()).drift == [Drift.LIMITS]
    await tenant.want(State.RUNNING, generation=tenant.generation)
    assert (await tenant.report()).drift == []
    await superuser.execute(f'GRANT "{tenant.username}" TO "{other.username}"')
    assert (await tenant.report()).drift == [Drift.PRIVILEGES]
    await superuser.execute(f'REVOKE "{tenant.username}" FROM "{other.username}"')
    await superuser.close()
    await other.want(State.TERMINATED)
