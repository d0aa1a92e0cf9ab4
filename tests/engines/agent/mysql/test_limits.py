import asyncio
from collections.abc import Sequence
from typing import Any

import pymysql
import pytest

from syneudp.engines.agent.driver import Cut, Drift, Overrun
from syneudp.engines.agent.mysql import MySQLDriver
from syneudp.engines.contract import State
from tests.mysql_tenants import MySQLTenant, assert_refused, fetched, is_alive

MEBIBYTE = 1024 * 1024
SPOOFED_CLOCKS = ("SET timestamp = 1", "SET timestamp = 2000000000", "SET timestamp = DEFAULT")
GROWING = (
    "INSERT INTO kept VALUES (9)",
    "REPLACE INTO kept VALUES (9)",
    "UPDATE kept SET n = n + 1",
    "CREATE TABLE another (n INT)",
    "CREATE TABLE copied AS SELECT * FROM kept",
    "ALTER TABLE kept ADD COLUMN more TEXT",
    "CREATE INDEX quick ON kept (n)",
    "CREATE VIEW seen AS SELECT n FROM kept",
    "CREATE PROCEDURE told() SELECT 1",
    "CREATE TRIGGER counted BEFORE INSERT ON kept FOR EACH ROW SET NEW.n = 1",
    "CALL grows()",
    "LOAD DATA LOCAL INFILE 'none' INTO TABLE kept",
)


async def watch_until(driver: MySQLDriver, tenant: MySQLTenant, overrun: Overrun, *, ends: bool) -> Sequence[Cut]:
    async with asyncio.timeout(30):
        while True:
            cuts = [cut for cut in await driver.watch() if cut.instance_id == tenant.instance_id]
            if Cut(instance_id=tenant.instance_id, overrun=overrun, session_ended=ends) in cuts:
                return cuts
            await asyncio.sleep(0.2)


@pytest.mark.parametrize("clock", SPOOFED_CLOCKS)
async def test_a_statement_that_runs_too_long_is_cancelled_whatever_clock_its_session_shows(
    tenant: MySQLTenant, driver: MySQLDriver, clock: str
) -> None:
    tenant.limits = {"statement_seconds": 1}
    await tenant.want(State.RUNNING)
    async with tenant.connected() as connection:
        await lift(connection)
        await fetched(connection, clock)
        running = asyncio.create_task(
            fetched(connection, "SELECT COUNT(*) FROM kept a, kept b, kept c WHERE SLEEP(60)")
        )
        await watch_until(driver, tenant, Overrun.STATEMENT, ends=False)
        with pytest.raises(pymysql.err.OperationalError, match="1317"):
            await running
        assert await is_alive(connection)


async def test_a_loop_that_swallows_its_cancelling_is_one_statement_and_loses_its_session(
    tenant: MySQLTenant, driver: MySQLDriver
) -> None:
    tenant.limits = {"statement_seconds": 1}
    await tenant.want(State.RUNNING)
    async with tenant.connected() as connection:
        await fetched(
            connection,
            "CREATE PROCEDURE loops() BEGIN DECLARE CONTINUE HANDLER FOR SQLEXCEPTION, SQLWARNING BEGIN END;"
            " LOOP DO SLEEP(0.01); END LOOP; END",
        )
        await lift(connection)
        running = asyncio.create_task(fetched(connection, "CALL loops()"))
        await watch_until(driver, tenant, Overrun.STATEMENT, ends=True)
        with pytest.raises(pymysql.err.MySQLError):
            await running


@pytest.mark.parametrize("clock", SPOOFED_CLOCKS)
async def test_an_idle_transaction_loses_its_session(tenant: MySQLTenant, driver: MySQLDriver, clock: str) -> None:
    tenant.limits = {"idle_transaction_seconds": 1}
    await tenant.want(State.RUNNING)
    async with tenant.connected() as connection, tenant.connected() as idle:
        await fetched(connection, "CREATE TABLE held (n INT)")
        await fetched(connection, clock)
        await fetched(connection, "START TRANSACTION")
        await fetched(connection, "INSERT INTO held VALUES (1)")
        await watch_until(driver, tenant, Overrun.IDLE_TRANSACTION, ends=True)
        assert not await is_alive(connection)
        assert await is_alive(idle)


async def test_a_session_that_holds_too_much_memory_ends(tenant: MySQLTenant, driver: MySQLDriver) -> None:
    tenant.limits = {"memory_bytes": MEBIBYTE}
    await tenant.want(State.RUNNING)
    async with tenant.connected() as connection, tenant.connected() as modest:
        for name in "abcdefghij":
            await fetched(connection, f"SET @{name} = REPEAT('x', 12 * 1024 * 1024)")
        await watch_until(driver, tenant, Overrun.MEMORY, ends=True)
        assert not await is_alive(connection)
        assert await is_alive(modest)


async def test_the_newest_sessions_beyond_a_lowered_limit_end(tenant: MySQLTenant, driver: MySQLDriver) -> None:
    async with tenant.connected() as first, tenant.connected() as second, tenant.connected() as third:
        tenant.max_connections = 1
        await tenant.want(State.RUNNING)
        assert len(await watch_until(driver, tenant, Overrun.CONNECTIONS, ends=True)) == 2
        assert [await is_alive(connection) for connection in (first, second, third)] == [True, False, False]


async def test_nothing_is_cut_where_there_is_no_limit(tenant: MySQLTenant, driver: MySQLDriver) -> None:
    async with tenant.connected() as connection, tenant.connected() as other:
        await fetched(connection, "CREATE TABLE held (n INT)")
        await fetched(connection, "START TRANSACTION")
        await fetched(connection, "INSERT INTO held VALUES (1)")
        running = asyncio.create_task(fetched(other, "SELECT SLEEP(1.5)"))
        await asyncio.sleep(1.2)
        assert not [cut for cut in await driver.watch() if cut.instance_id == tenant.instance_id]
        assert await running == [(0,)]


async def test_a_database_that_may_not_grow_is_read_and_emptied_only_until_it_may_again(tenant: MySQLTenant) -> None:
    async with tenant.connected() as before:
        await fetched(before, "CREATE TABLE kept (n INT)")
        await fetched(before, "INSERT INTO kept VALUES (1), (2), (3)")
        await fetched(before, "CREATE PROCEDURE grows() INSERT INTO kept VALUES (8)")
        await fetched(before, "CREATE TABLE dropped (n INT)")
        tenant.limits = {"may_grow": False}
        changed = await tenant.want(State.RUNNING)
        assert changed.applied.sessions_ended == 1
        assert not await is_alive(before)
    assert await tenant.drift() == []
    async with tenant.connected() as full:
        for statement in GROWING:
            await assert_refused(full, statement)
        assert await fetched(full, "SELECT n FROM kept ORDER BY n") == [(1,), (2,), (3,)]
        await fetched(full, "DELETE FROM kept WHERE n > 1")
        await fetched(full, "DROP TABLE dropped")
        tenant.limits = {}
        await tenant.want(State.RUNNING)
        assert not await is_alive(full)
    async with tenant.connected() as after:
        await fetched(after, "INSERT INTO kept VALUES (4)")
        assert await fetched(after, "SELECT n FROM kept ORDER BY n") == [(1,), (4,)]
    assert await tenant.drift() == []


async def test_a_full_database_is_suspended_and_comes_back_full(tenant: MySQLTenant) -> None:
    tenant.limits = {"may_grow": False}
    await tenant.want(State.SUSPENDED)
    assert await tenant.drift() == []
    await tenant.want(State.RUNNING)
    async with tenant.connected() as connection:
        await assert_refused(connection, "CREATE TABLE kept (n INT)")
    assert await tenant.drift() == []


async def test_the_same_limits_again_leave_sessions_alone(tenant: MySQLTenant) -> None:
    async with tenant.connected() as connection:
        await tenant.want(State.RUNNING)
        assert await is_alive(connection)


async def test_lifted_limits_and_further_grants_are_drift_that_the_same_state_again_repairs(
    tenant: MySQLTenant, root: Any
) -> None:
    account = f"'{tenant.username}'@'%'"
    await fetched(root, f"ALTER USER {account} WITH MAX_USER_CONNECTIONS 0")
    assert await tenant.drift() == [Drift.LIMITS]
    await tenant.want(State.RUNNING, generation=tenant.generation)
    assert await tenant.drift() == []
    await fetched(root, f"GRANT SELECT ON mysql.db TO {account}")
    assert await tenant.drift() == [Drift.PRIVILEGES]
    async with tenant.connected() as connection:
        await tenant.want(State.RUNNING, generation=tenant.generation)
        assert not await is_alive(connection)
    assert await tenant.drift() == []


async def lift(connection: Any) -> None:
    await fetched(connection, "CREATE TABLE IF NOT EXISTS kept (n INT)")
    await fetched(connection, "INSERT INTO kept VALUES (1), (2), (3)")
    known = {name for name, _ in await fetched(connection, "SHOW SESSION VARIABLES LIKE 'max_%_time'")}
    for setting in known & {"max_statement_time", "max_execution_time"}:
        await fetched(connection, f"SET SESSION {setting} = 0")
