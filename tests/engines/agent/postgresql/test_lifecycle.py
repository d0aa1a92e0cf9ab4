import asyncio
import contextlib
import time

import asyncpg
import pytest

from syneudp.engines.agent.postgresql import PostgreSQLDriver
from syneudp.engines.contract import State
from tests.engines.agent.postgresql.tenants import Connection, NewTenant, Tenant

CUT = (asyncpg.PostgresConnectionError, asyncpg.AdminShutdownError, asyncpg.InterfaceError, asyncpg.InternalClientError)


async def test_a_tenant_creates_tables_schemas_and_trusted_extensions(tenant: Tenant) -> None:
    connection = await tenant.connect()
    try:
        await connection.execute("CREATE TABLE kept (word text)")
        await connection.execute("CREATE SCHEMA own CREATE TABLE inside (n integer)")
        await connection.execute("CREATE TEMPORARY TABLE passing (n integer)")
        await connection.execute("CREATE EXTENSION pgcrypto")
        assert await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    finally:
        await connection.close()


async def test_a_suspended_database_lets_nobody_in_and_a_resumed_one_has_its_data(tenant: Tenant) -> None:
    connection = await tenant.connect()
    await connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
    suspended = await tenant.want(State.SUSPENDED)
    assert suspended.applied.state is State.SUSPENDED
    assert suspended.applied.sessions_ended == 1
    with pytest.raises(CUT):
        await connection.fetchval("SELECT 1")
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await tenant.connect()
    await tenant.want(State.RUNNING)
    connection = await tenant.connect()
    assert await connection.fetchval("SELECT n FROM kept") == 7
    await connection.close()


async def test_a_suspend_wins_against_clients_that_reconnect_without_pause(
    tenant: Tenant, driver: PostgreSQLDriver
) -> None:
    stop = asyncio.Event()

    async def storm() -> None:
        while not stop.is_set():
            with contextlib.suppress(*CUT, asyncpg.PostgresError, OSError):
                connection = await tenant.connect()
                with contextlib.suppress(*CUT, asyncpg.PostgresError, OSError):
                    while not stop.is_set():
                        await connection.fetchval("SELECT 1")

    storms = [asyncio.create_task(storm()) for _ in range(4)]
    await asyncio.sleep(0.3)
    began = time.monotonic()
    outcome = await tenant.want(State.SUSPENDED)
    took = time.monotonic() - began
    report = await tenant.report()
    await asyncio.sleep(0.3)
    later = await tenant.report()
    stop.set()
    await asyncio.gather(*storms)
    assert outcome.applied.sessions_ended >= 1
    assert report.sessions == 0
    assert later.sessions == 0
    assert later.drift == []
    assert took < 5


async def test_after_a_rotation_the_old_password_is_refused_and_live_sessions_are_gone(tenant: Tenant) -> None:
    connection = await tenant.connect()
    old = tenant.change_password()
    outcome = await tenant.want(State.RUNNING)
    assert outcome.applied.credential_version == 2
    assert outcome.applied.sessions_ended == 1
    with pytest.raises(CUT):
        await connection.fetchval("SELECT 1")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await tenant.connect(password=old)
    await (await tenant.connect()).close()


async def test_a_running_database_told_to_run_again_keeps_its_sessions(tenant: Tenant) -> None:
    connection = await tenant.connect()
    tenant.max_connections = 3
    outcome = await tenant.want(State.RUNNING)
    assert outcome.applied.sessions_ended == 0
    assert await connection.fetchval("SELECT 1") == 1
    assert await connection.fetchval("SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user") == 3
    await connection.close()


async def test_a_terminated_database_and_its_user_are_gone_while_its_row_stays(
    new_tenant: NewTenant, driver: PostgreSQLDriver
) -> None:
    tenant = new_tenant()
    await tenant.want(State.RUNNING, may_create=True)
    connection = await tenant.connect()
    outcome = await tenant.want(State.TERMINATED)
    assert outcome.applied.sessions_ended == 1
    assert connection.is_closed() or await _is_cut(connection)
    report = await tenant.report()
    assert report.state is State.TERMINATED
    assert report.drift == []
    assert report.storage_bytes == 0
    again = await tenant.want(State.TERMINATED, generation=tenant.generation)
    assert again.applied.applied_generation == tenant.generation


async def test_a_database_made_suspended_opens_at_its_resume(new_tenant: NewTenant) -> None:
    tenant = new_tenant()
    await tenant.want(State.SUSPENDED, may_create=True)
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await tenant.connect()
    await tenant.want(State.RUNNING)
    await (await tenant.connect()).close()
    await tenant.want(State.TERMINATED)


async def test_many_databases_at_once_are_made_without_meeting(new_tenant: NewTenant) -> None:
    tenants = [new_tenant() for _ in range(10)]
    await asyncio.gather(*(tenant.want(State.RUNNING, may_create=True) for tenant in tenants))
    assert len({tenant.database for tenant in tenants}) == 10
    await asyncio.gather(*(tenant.want(State.SUSPENDED) for tenant in tenants))
    await asyncio.gather(*(tenant.want(State.TERMINATED) for tenant in tenants))


async def test_usage_counts_bytes_sessions_and_transactions(tenant: Tenant, driver: PostgreSQLDriver) -> None:
    connection = await tenant.connect()
    await connection.execute("CREATE TABLE filled AS SELECT repeat('x', 1000) AS t FROM generate_series(1, 2000)")
    items = {item.instance_id: item for item in await driver.usage()}
    assert items[tenant.instance_id].storage_bytes > 8_000_000
    assert items[tenant.instance_id].sessions == 1
    assert items[tenant.instance_id].transactions > 0
    await connection.close()


async def _is_cut(connection: Connection) -> bool:
    with pytest.raises(CUT):
        await connection.fetchval("SELECT 1")
    return True
