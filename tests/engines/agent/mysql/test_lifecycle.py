import asyncio
import contextlib
import time
from typing import Any

import pymysql
import pytest

from syneudp.engines.agent.driver import NAME_PATTERN
from syneudp.engines.agent.mysql import MySQLDriver
from syneudp.engines.contract import State
from tests.mysql_tenants import REFUSED, MySQLTenant, NewTenant, fetched, is_alive


async def test_a_tenant_works_with_tables_views_routines_and_triggers_over_tls(tenant: MySQLTenant) -> None:
    assert NAME_PATTERN.fullmatch(tenant.database)
    assert NAME_PATTERN.fullmatch(tenant.username)
    async with tenant.connected() as connection:
        await fetched(connection, "CREATE TABLE kept (id INT PRIMARY KEY, word VARCHAR(20))")
        await fetched(connection, "INSERT INTO kept VALUES (1, 'grüße 🐬')")
        await fetched(connection, "CREATE VIEW seen AS SELECT word FROM kept")
        await fetched(connection, "CREATE PROCEDURE told() SELECT word FROM kept")
        await fetched(connection, "CREATE TRIGGER counted BEFORE INSERT ON kept FOR EACH ROW SET NEW.word = 'x'")
        await fetched(connection, "CREATE TEMPORARY TABLE passing (n INT)")
        assert await fetched(connection, "CALL told()") == [("grüße 🐬",)]
        ((_, cipher),) = await fetched(connection, "SHOW SESSION STATUS LIKE 'Ssl_cipher'")
        assert cipher.startswith("TLS_")


async def test_a_tenant_without_tls_is_refused(tenant: MySQLTenant) -> None:
    with pytest.raises(REFUSED, match="1045"):
        async with tenant.connected(tls=False):
            pass


async def test_a_wrong_password_is_refused(tenant: MySQLTenant) -> None:
    with pytest.raises(REFUSED, match="1045"):
        async with tenant.connected(password="wrong"):
            pass


async def test_more_connections_than_the_limit_are_refused(new_tenant: NewTenant) -> None:
    tenant = new_tenant()
    tenant.max_connections = 2
    await tenant.want(State.RUNNING, may_create=True)
    async with tenant.connected(), tenant.connected():
        with pytest.raises(REFUSED, match="1226"):
            async with tenant.connected():
                pass
    await tenant.want(State.TERMINATED)


async def test_a_suspended_database_lets_nobody_in_and_a_resumed_one_has_its_data(
    tenant: MySQLTenant, driver: MySQLDriver
) -> None:
    async with tenant.connected() as used, tenant.connected(database="") as idle:
        await fetched(used, "CREATE TABLE kept AS SELECT 7 AS n")
        suspended = await tenant.want(State.SUSPENDED)
        assert suspended.applied.state is State.SUSPENDED
        assert suspended.applied.sessions_ended == 2
        assert not await is_alive(used)
        assert not await is_alive(idle)
    with pytest.raises(REFUSED, match="locked"):
        async with tenant.connected():
            pass
    assert await tenant.drift() == []
    await tenant.want(State.RUNNING)
    async with tenant.connected() as connection:
        assert await fetched(connection, "SELECT n FROM kept") == [(7,)]
        await fetched(connection, "CREATE TABLE another (n INT)")
    assert await tenant.drift() == []


async def test_a_suspend_wins_against_clients_that_reconnect_without_pause(
    tenant: MySQLTenant, driver: MySQLDriver
) -> None:
    stop = asyncio.Event()

    async def storm() -> None:
        while not stop.is_set():
            with contextlib.suppress(pymysql.err.MySQLError, OSError, EOFError):
                async with tenant.connected() as connection:
                    while not stop.is_set() and await is_alive(connection):
                        pass

    storms = [asyncio.create_task(storm()) for _ in range(4)]
    await asyncio.sleep(0.3)
    began = time.monotonic()
    outcome = await tenant.want(State.SUSPENDED)
    took = time.monotonic() - began
    seen = [await driver.report(tenant.instance_id)]
    await asyncio.sleep(0.3)
    seen.append(await driver.report(tenant.instance_id))
    stop.set()
    await asyncio.gather(*storms)
    assert outcome.applied.sessions_ended >= 1
    assert [(report.sessions, report.drift) for report in seen if report] == [(0, [])] * 2
    assert took < 5


async def test_after_a_rotation_the_old_password_is_refused_and_live_sessions_are_gone(tenant: MySQLTenant) -> None:
    async with tenant.connected() as connection:
        old = tenant.change_password()
        outcome = await tenant.want(State.RUNNING)
        assert outcome.applied.credential_version == 2
        assert outcome.applied.sessions_ended == 1
        assert not await is_alive(connection)
    with pytest.raises(REFUSED, match="1045"):
        async with tenant.connected(password=old):
            pass
    async with tenant.connected() as connection:
        assert await is_alive(connection)


async def test_a_lost_rotation_followed_by_a_suspend_ends_with_the_new_password(tenant: MySQLTenant) -> None:
    old = tenant.change_password()
    await tenant.want(State.SUSPENDED)
    await tenant.want(State.RUNNING)
    with pytest.raises(REFUSED, match="1045"):
        async with tenant.connected(password=old):
            pass
    async with tenant.connected() as connection:
        assert await is_alive(connection)


async def test_a_running_database_told_to_run_again_keeps_its_sessions_and_privileges(tenant: MySQLTenant) -> None:
    async with tenant.connected() as connection:
        tenant.max_connections = 3
        outcome = await tenant.want(State.RUNNING)
        assert outcome.applied.sessions_ended == 0
        await fetched(connection, "CREATE TABLE still (n INT)")
    assert await tenant.drift() == []


async def test_a_database_made_suspended_opens_at_its_resume(new_tenant: NewTenant) -> None:
    tenant = new_tenant()
    await tenant.want(State.SUSPENDED, may_create=True)
    with pytest.raises(REFUSED, match="locked"):
        async with tenant.connected():
            pass
    await tenant.want(State.RUNNING)
    async with tenant.connected() as connection:
        assert await is_alive(connection)
    await tenant.want(State.TERMINATED)


async def test_a_terminated_database_and_its_user_are_gone_while_its_row_stays(
    new_tenant: NewTenant, driver: MySQLDriver, root: Any
) -> None:
    tenant = new_tenant()
    await tenant.want(State.RUNNING, may_create=True)
    async with tenant.connected() as connection:
        await fetched(connection, "CREATE TABLE kept (n INT)")
        outcome = await tenant.want(State.TERMINATED)
        assert outcome.applied.sessions_ended == 1
        assert not await is_alive(connection)
    assert await fetched(root, f"SHOW DATABASES LIKE '{tenant.database}'") == []
    assert await fetched(root, f"SELECT User FROM mysql.user WHERE User = '{tenant.username}'") == []
    report = await driver.report(tenant.instance_id)
    assert report is not None
    assert (report.state, report.drift, report.storage_bytes) == (State.TERMINATED, [], 0)
    again = await tenant.want(State.TERMINATED, generation=tenant.generation)
    assert again.applied.applied_generation == tenant.generation


async def test_many_databases_at_once_are_made_without_meeting(new_tenant: NewTenant) -> None:
    tenants = [new_tenant() for _ in range(10)]
    await asyncio.gather(*(tenant.want(State.RUNNING, may_create=True) for tenant in tenants))
    assert len({tenant.database for tenant in tenants}) == 10
    await asyncio.gather(*(tenant.want(State.SUSPENDED) for tenant in tenants))
    await asyncio.gather(*(tenant.want(State.TERMINATED) for tenant in tenants))


async def test_usage_counts_bytes_sessions_and_transactions(tenant: MySQLTenant, driver: MySQLDriver) -> None:
    async with tenant.connected() as connection:
        await fetched(connection, "CREATE TABLE filled (id INT AUTO_INCREMENT PRIMARY KEY, t VARCHAR(1000))")
        await fetched(connection, "INSERT INTO filled (t) VALUES (REPEAT('x', 1000))")
        for _ in range(12):
            await fetched(connection, "INSERT INTO filled (t) SELECT t FROM filled")
        items = {item.instance_id: item for item in await driver.usage()}
        assert items[tenant.instance_id].storage_bytes > 4_000_000
        assert items[tenant.instance_id].sessions == 1
        assert items[tenant.instance_id].transactions > 0
    report = await driver.report(tenant.instance_id)
    assert report is not None
    assert report.storage_bytes > 4_000_000
