import asyncio

import asyncpg
import pytest

from syneudp.engines.agent.driver import Cut, Drift, Overrun
from syneudp.engines.agent.postgresql import PostgreSQLDriver
from syneudp.engines.agent.watchdog import PASS_SECONDS_MAX
from syneudp.engines.contract import State
from tests.engines.agent.postgresql.tenants import NewTenant, Tenant

MEBIBYTE = 1024 * 1024
LIMITS = {"statement_seconds": 90, "idle_transaction_seconds": 120, "memory_bytes": 8 * MEBIBYTE}
NAMES = (
    "statement_timeout",
    "idle_in_transaction_session_timeout",
    "work_mem",
    "maintenance_work_mem",
    "hash_mem_multiplier",
    "temp_buffers",
)
HELD = ["90s", "2min", "4MB", "8MB", "2", "8MB"]
REWRITTEN = [
    "ALTER ROLE {me} SET statement_timeout = 0",
    "ALTER ROLE {me} SET idle_in_transaction_session_timeout = 0",
    "ALTER ROLE {me} SET work_mem = '1GB'",
    "ALTER ROLE {me} SET maintenance_work_mem = '1GB'",
    "ALTER ROLE {me} SET hash_mem_multiplier = 1000",
    "ALTER ROLE {me} SET temp_buffers = '1GB'",
    "ALTER ROLE {me} RESET work_mem",
    "ALTER ROLE {me} RESET ALL",
    "ALTER ROLE {me} IN DATABASE {own} SET work_mem = '1GB'",
    "ALTER ROLE {me} IN DATABASE {own} SET temp_buffers = '1GB'",
]


def rewriting(tenant: Tenant, statement: str) -> str:
    return statement.format(me=tenant.username, own=tenant.database)


async def begun_with(tenant: Tenant) -> list[str]:
    connection = await tenant.connect()
    shown = [await connection.fetchval("SELECT current_setting($1)", name) for name in NAMES]
    await connection.close()
    return shown


@pytest.mark.parametrize("statement", REWRITTEN)
async def test_a_default_that_a_tenant_rewrote_is_drift_and_is_restored_by_the_next_look(
    tenant: Tenant, driver: PostgreSQLDriver, statement: str
) -> None:
    tenant.limits = LIMITS
    await tenant.want(State.RUNNING)
    assert await begun_with(tenant) == HELD
    connection = await tenant.connect()
    await connection.execute(rewriting(tenant, statement))
    assert (await tenant.report()).drift == [Drift.LIMITS]
    assert Cut(tenant.instance_id, Overrun.SETTINGS, session_ended=False) in await driver.watch()
    assert (await tenant.report()).drift == []
    assert await begun_with(tenant) == HELD
    assert not [cut for cut in await driver.watch() if cut.instance_id == tenant.instance_id]
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()


@pytest.mark.parametrize("statement", REWRITTEN)
async def test_a_default_that_a_tenant_rewrote_is_repaired_by_the_same_state_again(
    tenant: Tenant, statement: str
) -> None:
    tenant.limits = LIMITS
    await tenant.want(State.RUNNING)
    connection = await tenant.connect()
    await connection.execute(rewriting(tenant, statement))
    await connection.close()
    assert (await tenant.report()).drift == [Drift.LIMITS]
    await tenant.want(State.RUNNING, generation=tenant.generation)
    assert (await tenant.report()).drift == []
    assert await begun_with(tenant) == HELD


async def test_a_rewriting_held_open_does_not_hold_the_look_up(tenant: Tenant, driver: PostgreSQLDriver) -> None:
    tenant.limits = LIMITS
    await tenant.want(State.RUNNING)
    connection, holding = await tenant.connect(), await tenant.connect()
    await connection.execute(rewriting(tenant, "ALTER ROLE {me} SET work_mem = '1GB'"))
    await holding.execute(rewriting(tenant, "BEGIN; ALTER ROLE {me} SET work_mem = '2GB'"))
    async with asyncio.timeout(PASS_SECONDS_MAX):
        await driver.watch()
    assert (await tenant.report()).drift == []
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await holding.execute("COMMIT")
    await connection.close()


async def test_what_no_limit_holds_is_the_tenants_own(new_tenant: NewTenant, driver: PostgreSQLDriver) -> None:
    tenant = new_tenant()
    await tenant.want(State.RUNNING, may_create=True)
    connection = await tenant.connect()
    await connection.execute(f"ALTER ROLE {tenant.username} SET work_mem = '9MB'; SET search_path = public")
    await connection.execute(f"ALTER ROLE {tenant.username} IN DATABASE {tenant.database} SET statement_timeout = '3s'")
    await connection.close()
    assert not [cut for cut in await driver.watch() if cut.instance_id == tenant.instance_id]
    assert (await tenant.report()).drift == []
    assert (await begun_with(tenant))[:3] == ["3s", "0", "9MB"]
    await tenant.want(State.TERMINATED)
