import asyncio
from contextlib import suppress
from typing import Any

import pytest

from entrypoints.embedded import MySQLFamilyServer
from syneudp.engines.agent import background
from syneudp.engines.agent.background import Background
from syneudp.engines.agent.errors import (
    DatabaseMissingError,
    DatabaseTerminatedError,
    DatabaseUnknownError,
    EngineUnavailableError,
    GenerationStaleError,
)
from syneudp.engines.agent.host import DEADLINES_SECONDS
from syneudp.engines.agent.mysql import MySQLDriver
from syneudp.engines.agent.mysql.batch import Statement
from syneudp.engines.agent.mysql.claim import MySQLClaim
from syneudp.engines.contract import Engine, State
from tests.engines.agent.mysql.cutting import CutError, cut_after
from tests.engines.agent.redoing import host_of, redo
from tests.mysql_tenants import REFUSED, MySQLTenant, NewTenant, fetched, is_alive, opened_driver


async def test_the_same_generation_again_changes_nothing_and_succeeds(new_tenant: NewTenant) -> None:
    tenant = new_tenant()
    first = await tenant.want(State.RUNNING, may_create=True)
    again = await tenant.want(State.RUNNING, generation=tenant.generation, may_create=True)
    assert (first.created, again.created) == (True, False)
    assert (first.applied.database, first.applied.username) == (again.applied.database, again.applied.username)
    async with tenant.connected() as connection:
        assert await is_alive(connection)
    await tenant.want(State.TERMINATED)


async def test_an_older_generation_is_refused_and_nothing_is_done(tenant: MySQLTenant) -> None:
    await tenant.want(State.SUSPENDED)
    with pytest.raises(GenerationStaleError):
        await tenant.want(State.RUNNING, generation=1)
    with pytest.raises(REFUSED, match="locked"):
        async with tenant.connected():
            pass


async def test_an_unknown_instance_is_refused_by_every_verb_but_create_and_delete(new_tenant: NewTenant) -> None:
    with pytest.raises(DatabaseUnknownError):
        await new_tenant().want(State.SUSPENDED)


async def test_deleting_an_unknown_instance_leaves_a_tombstone_that_a_late_create_cannot_raise(
    new_tenant: NewTenant, driver: MySQLDriver, root: Any
) -> None:
    tenant = new_tenant()
    await tenant.want(State.TERMINATED)
    with pytest.raises(DatabaseTerminatedError):
        await tenant.want(State.RUNNING, may_create=True)
    assert await fetched(root, f"SHOW DATABASES LIKE '{tenant.database}'") == []
    report = await driver.report(tenant.instance_id)
    assert report is not None
    assert (report.state, report.drift) == (State.TERMINATED, [])


@pytest.mark.parametrize("statements_done", range(8))
async def test_a_create_cut_off_anywhere_is_finished_by_the_next_start(
    new_tenant: NewTenant, driver: MySQLDriver, monkeypatch: pytest.MonkeyPatch, statements_done: int
) -> None:
    tenant = new_tenant()
    with monkeypatch.context() as patched:
        cut_after(patched, statements_done)
        with suppress(CutError):
            await tenant.want(State.RUNNING, may_create=True)
    await redo(driver)
    report = await driver.report(tenant.instance_id)
    if report is None:
        await tenant.want(State.RUNNING, generation=tenant.generation, may_create=True)
    else:
        tenant.database, tenant.username = report.database, report.username
        assert (report.applied_generation, report.drift) == (1, [])
    async with tenant.connected() as connection:
        await fetched(connection, "CREATE TABLE kept (n INT)")
    await tenant.want(State.TERMINATED)


@pytest.mark.parametrize("state", [State.SUSPENDED, State.TERMINATED])
@pytest.mark.parametrize("statements_done", [1, 2, 3])
async def test_a_suspend_or_a_delete_cut_off_anywhere_is_finished_by_the_next_start(
    new_tenant: NewTenant, driver: MySQLDriver, monkeypatch: pytest.MonkeyPatch, state: State, statements_done: int
) -> None:
    tenant = new_tenant()
    await tenant.want(State.RUNNING, may_create=True)
    async with tenant.connected() as connection:
        with monkeypatch.context() as patched:
            cut_after(patched, statements_done)
            with pytest.raises(CutError):
                await tenant.want(state)
        assert tenant.instance_id in {left.instance_id for left in await driver.pending()}
        assert list(await redo(driver)) == []
        assert not await is_alive(connection)
    report = await driver.report(tenant.instance_id)
    assert report is not None
    assert (report.state, report.applied_generation, report.drift) == (state, 2, [])
    await tenant.want(State.TERMINATED)


async def test_a_resume_pre_empts_a_suspend_that_was_cut_off(
    tenant: MySQLTenant, driver: MySQLDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        cut_after(patched, 2)
        with pytest.raises(CutError):
            await tenant.want(State.SUSPENDED)
    await tenant.want(State.RUNNING)
    assert list(await driver.pending()) == []
    async with tenant.connected() as connection:
        assert await is_alive(connection)


async def test_a_made_database_that_is_gone_is_reported_and_never_made_again_empty(
    new_tenant: NewTenant, root: Any
) -> None:
    tenant = new_tenant()
    await tenant.want(State.RUNNING, may_create=True)
    await fetched(root, f"DROP DATABASE {tenant.database}")
    assert await tenant.drift() == ["database_missing"]
    with pytest.raises(DatabaseMissingError):
        await tenant.want(State.RUNNING)
    suspended = await tenant.want(State.SUSPENDED)
    assert suspended.applied.state is State.SUSPENDED
    assert await tenant.drift() == ["database_missing"]
    await tenant.want(State.TERMINATED)
    assert await tenant.drift() == []


async def test_what_an_operator_changed_shows_as_drift_and_is_mended_by_the_next_desired_state(
    tenant: MySQLTenant, root: Any
) -> None:
    account = f"'{tenant.username}'@'%'"
    await fetched(root, f"GRANT EVENT ON {tenant.database}.* TO {account}")
    assert await tenant.drift() == ["privileges"]
    await fetched(root, f"REVOKE SELECT ON {tenant.database}.* FROM {account}")
    await fetched(root, f"GRANT PROCESS ON *.* TO {account}")
    await fetched(root, f"ALTER USER {account} WITH MAX_USER_CONNECTIONS 0")
    await fetched(root, f"ALTER USER {account} ACCOUNT LOCK")
    assert await tenant.drift() == ["login_closed", "limits", "privileges"]
    await tenant.want(State.RUNNING)
    assert await tenant.drift() == []


async def test_a_password_that_the_tenant_set_shows_as_drift_and_works_until_the_next_rotation(
    tenant: MySQLTenant,
) -> None:
    async with tenant.connected() as connection:
        set_own = {"mysql": "SET PASSWORD = 'own'", "mariadb": "SET PASSWORD = PASSWORD('own')"}
        await fetched(connection, set_own[tenant.server.flavour])
    assert await tenant.drift() == ["verifier"]
    await tenant.want(State.SUSPENDED)
    with pytest.raises(REFUSED, match="locked"):
        async with tenant.connected(password="own"):
            pass
    await tenant.want(State.RUNNING)
    async with tenant.connected(password="own"):
        pass
    with pytest.raises(REFUSED, match="1045"):
        async with tenant.connected():
            pass
    tenant.change_password()
    await tenant.want(State.RUNNING)
    with pytest.raises(REFUSED, match="1045"):
        async with tenant.connected(password="own"):
            pass
    assert await tenant.drift() == []


async def test_a_suspended_tenant_that_somebody_let_in_shows_as_drift(tenant: MySQLTenant, root: Any) -> None:
    await tenant.want(State.SUSPENDED)
    await fetched(root, f"ALTER USER '{tenant.username}'@'%' ACCOUNT UNLOCK")
    async with tenant.connected(database=""):
        assert await tenant.drift() == ["login_open", "sessions_left"]


async def test_a_database_that_nobody_ordered_is_named_and_left_alone(driver: MySQLDriver, root: Any) -> None:
    name = "db" + "z" * 20
    await fetched(root, f"CREATE DATABASE {name}")
    try:
        assert name in await driver.unknown_databases()
    finally:
        await fetched(root, f"DROP DATABASE {name}")


async def test_pages_of_reports_are_in_the_order_of_ids_and_hold_every_instance(
    new_tenant: NewTenant, driver: MySQLDriver
) -> None:
    tenants = [new_tenant() for _ in range(5)]
    for tenant in tenants:
        await tenant.want(State.RUNNING, may_create=True)
    seen = []
    after = None
    while page := await driver.reports(after=after, limit=2):
        seen += [report.instance_id for report in page]
        after = seen[-1]
    assert seen == sorted(seen)
    assert {tenant.instance_id for tenant in tenants} <= set(seen)
    assert await driver.count_instances() >= 5
    for tenant in tenants:
        await tenant.want(State.TERMINATED)


async def test_one_instance_is_held_by_one_at_a_time_and_let_go_by_whoever_dies(
    tenant: MySQLTenant, driver: MySQLDriver, admin_url: str
) -> None:
    async with opened_driver(tenant.server, admin_url) as other:
        async with driver.claim(tenant.instance_id):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3), other.claim(tenant.instance_id):
                    pass
        async with asyncio.timeout(5), other.claim(tenant.instance_id) as claim:
            claim.session.close()
            with pytest.raises(EngineUnavailableError):
                await claim.read()
        async with asyncio.timeout(5), driver.claim(tenant.instance_id) as claim:
            assert isinstance(claim, MySQLClaim)
            assert await claim.read() is not None


async def test_the_agents_own_session_killed_in_the_middle_is_an_unavailable_engine(
    tenant: MySQLTenant, driver: MySQLDriver, root: Any
) -> None:
    async with driver.claim(tenant.instance_id) as claim:
        session_id = await claim.session.value("SELECT CONNECTION_ID()")
        await fetched(root, f"KILL {session_id}")
        with pytest.raises(EngineUnavailableError):
            await claim.read()
    await driver.ping()
    await tenant.want(State.RUNNING)


@pytest.mark.parametrize("engine_server", ["mariadb"], indirect=True)
async def test_a_mariadb_refuses_the_old_password_at_once_however_long_it_is_to_be_kept(tenant: MySQLTenant) -> None:
    tenant.previous_password_seconds = 3600
    old = tenant.change_password()
    await tenant.want(State.RUNNING)
    with pytest.raises(REFUSED):
        async with tenant.connected(password=old):
            pass
    assert not tenant.driver.keeps_previous_password
    assert await tenant.driver.outlived(2**40) == []


async def test_of_two_statements_in_one_trip_the_second_waits_for_the_first_and_either_may_fail(
    tenant: MySQLTenant, driver: MySQLDriver
) -> None:
    async with driver.claim(tenant.instance_id) as claim:
        with pytest.raises(REFUSED, match="DROP USER"):
            await claim.session.batch(Statement("DROP USER 'u'@'%'"), Statement("SET @done = 1"))
        assert await claim.session.value("SELECT @done") is None
        with pytest.raises(REFUSED, match="DROP USER"):
            await claim.session.batch(Statement("SET @done = 1"), Statement("DROP USER 'u'@'%'"))
        assert int(await claim.session.value("SELECT @done")) == 1


async def test_a_redo_that_waits_for_another_agents_lock_ends_at_its_deadline_and_is_tried_again(
    tenant: MySQLTenant,
    driver: MySQLDriver,
    engine_server: MySQLFamilyServer,
    admin_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(DEADLINES_SECONDS, "redo_suspend", 0.3)
    monkeypatch.setattr(background, "FIRST_PAUSE_SECONDS", 0.0)
    with monkeypatch.context() as patched:
        cut_after(patched, 1)
        with pytest.raises(CutError):
            await tenant.want(State.SUSPENDED)
    host = await host_of(driver)
    working = Background(host, Engine.MYSQL)
    async with opened_driver(engine_server, admin_url) as other, other.claim(tenant.instance_id):
        async with asyncio.timeout(5):
            await working.redo()
        assert host.failing == {Engine.MYSQL: 1}
    await working.redo()
    assert host.failing == {Engine.MYSQL: 0}
    assert await tenant.drift() == []
