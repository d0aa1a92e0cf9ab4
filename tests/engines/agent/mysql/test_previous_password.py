import asyncio
import time
from typing import Any

import pytest

from entrypoints.embedded import MySQLFamilyServer
from syneudp.engines.agent.apply import apply, end_outlived
from syneudp.engines.agent.driver import RegistryRow
from syneudp.engines.agent.mysql.claim import MySQLClaim
from syneudp.engines.contract import State
from tests.engines.agent.redoing import redo
from tests.mysql_tenants import REFUSED, MySQLTenant, connected, fetched, is_alive

pytestmark = pytest.mark.parametrize("engine_server", ["mysql"], indirect=True)
HOUR = 3600
A_MOMENT = 2


async def let_in(tenant: MySQLTenant, password: str) -> bool:
    try:
        async with tenant.connected(password=password) as connection:
            return await is_alive(connection)
    except REFUSED:
        return False


async def rotate(tenant: MySQLTenant, *, seconds: int) -> str:
    tenant.previous_password_seconds = seconds
    old = tenant.change_password()
    await tenant.want(State.RUNNING)
    return old


async def row_of(tenant: MySQLTenant) -> RegistryRow:
    async with tenant.driver.claim(tenant.instance_id) as claim:
        row = await claim.read()
    assert row is not None
    return row


async def test_the_old_password_works_until_its_time_is_over_and_every_session_ends_then(tenant: MySQLTenant) -> None:
    async with tenant.connected() as before:
        old = await rotate(tenant, seconds=A_MOMENT)
        assert not await is_alive(before)
    assert await let_in(tenant, old)
    assert await let_in(tenant, tenant.password)
    assert await tenant.drift() == []
    until = (await row_of(tenant)).previous_until
    assert until is not None
    async with tenant.connected(password=old) as by_the_old_one:
        await end_outlived(tenant.driver, tenant.instance_id, now=until - 1)
        assert await is_alive(by_the_old_one)
        await end_outlived(tenant.driver, tenant.instance_id, now=until)
        assert not await is_alive(by_the_old_one)
    assert not await let_in(tenant, old)
    assert await let_in(tenant, tenant.password)
    assert (await row_of(tenant)).previous_until is None
    assert await tenant.drift() == []
    assert await tenant.driver.outlived(until + HOUR) == []


async def test_a_rotation_sent_again_neither_forgets_the_old_password_nor_gives_it_more_time(
    tenant: MySQLTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await rotate(tenant, seconds=HOUR)
    until = (await row_of(tenant)).previous_until
    later = time.time() + HOUR / 2
    monkeypatch.setattr(time, "time", lambda: later)
    await tenant.want(State.RUNNING, generation=tenant.generation)
    tenant.limits = {"statement_seconds": 30}
    await tenant.want(State.RUNNING)
    assert (await row_of(tenant)).previous_until == until
    assert await let_in(tenant, old)
    assert await let_in(tenant, tenant.password)


async def test_an_agent_that_dies_at_any_statement_of_a_rotation_leaves_both_passwords_working(
    tenant: MySQLTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    for method in ("_retain", "_discard", "_sweep", "write"):
        original = getattr(MySQLClaim, method)
        fails_at = 2 if method == "write" else 1
        calls = 0

        async def fail(
            self: MySQLClaim, *told: Any, _original: Any = original, _fails_at: int = fails_at, **options: Any
        ) -> Any:
            nonlocal calls
            calls += 1
            if calls == _fails_at:
                raise RuntimeError("the agent died")
            return await _original(self, *told, **options)

        monkeypatch.setattr(MySQLClaim, method, fail)
        old, tenant.previous_password_seconds = tenant.change_password(), HOUR
        with pytest.raises(RuntimeError):
            await tenant.want(State.RUNNING)
        monkeypatch.setattr(MySQLClaim, method, original)
        if method == "_discard":
            await tenant.want(State.RUNNING, generation=tenant.generation)
        assert await redo(tenant.driver) == []
        assert await let_in(tenant, old), method
        assert await let_in(tenant, tenant.password), method
        assert await tenant.drift() == []


async def test_a_time_that_ended_while_the_agent_was_dead_is_ended_by_the_next_one(
    tenant: MySQLTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await rotate(tenant, seconds=HOUR)
    until = (await row_of(tenant)).previous_until
    assert until is not None
    write = MySQLClaim.write

    async def die(self: MySQLClaim, row: RegistryRow) -> None:
        raise RuntimeError(f"the agent died before {row.database} was written down")

    monkeypatch.setattr(MySQLClaim, "write", die)
    with pytest.raises(RuntimeError):
        await end_outlived(tenant.driver, tenant.instance_id, now=until)
    monkeypatch.setattr(MySQLClaim, "write", write)
    assert await tenant.driver.outlived(until) == [tenant.instance_id]
    await end_outlived(tenant.driver, tenant.instance_id, now=until)
    assert not await let_in(tenant, old)
    assert await tenant.driver.outlived(until) == []


async def test_a_lost_rotation_followed_by_a_suspension_ends_with_the_new_password_alone(tenant: MySQLTenant) -> None:
    tenant.previous_password_seconds = HOUR
    old = tenant.change_password()
    tenant.generation += 1
    await tenant.want(State.SUSPENDED)
    assert (await row_of(tenant)).previous_until is None
    await tenant.want(State.RUNNING)
    assert not await let_in(tenant, old)
    assert await let_in(tenant, tenant.password)
    assert await tenant.drift() == []


async def test_a_suspension_ends_the_old_password_for_good(tenant: MySQLTenant) -> None:
    old = await rotate(tenant, seconds=HOUR)
    await tenant.want(State.SUSPENDED)
    assert await tenant.drift() == []
    await tenant.want(State.RUNNING)
    assert not await let_in(tenant, old)
    assert await let_in(tenant, tenant.password)


async def test_the_next_rotation_ends_the_password_that_was_kept_before(tenant: MySQLTenant) -> None:
    first = await rotate(tenant, seconds=HOUR)
    second = await rotate(tenant, seconds=HOUR)
    assert [await let_in(tenant, each) for each in (first, second, tenant.password)] == [False, True, True]
    third = await rotate(tenant, seconds=0)
    assert [await let_in(tenant, each) for each in (first, second, third, tenant.password)] == [
        False,
        False,
        False,
        True,
    ]
    assert await tenant.drift() == []


async def test_a_rotation_that_never_arrived_leaves_the_password_that_worked_to_be_kept(tenant: MySQLTenant) -> None:
    working = tenant.password
    tenant.previous_password_seconds = HOUR
    never = tenant.change_password() and tenant.password
    tenant.generation += 1
    await rotate(tenant, seconds=HOUR)
    assert [await let_in(tenant, each) for each in (working, never, tenant.password)] == [True, False, True]


async def test_a_kept_password_that_the_registry_does_not_know_is_drift_and_is_mended(
    tenant: MySQLTenant, root: Any
) -> None:
    old = await rotate(tenant, seconds=HOUR)
    forget = f"UPDATE syneudpagent.databases SET previous_until = NULL WHERE database_name = '{tenant.database}'"
    await fetched(root, forget)
    assert await tenant.drift() == ["previous_login"]
    await tenant.want(State.RUNNING)
    assert await tenant.drift() == []
    assert not await let_in(tenant, old)
    assert await let_in(tenant, tenant.password)


@pytest.mark.parametrize("emptied_by", ["SET PASSWORD = ''", "IDENTIFIED WITH sha256_password BY 'another-1'"])
async def test_a_password_that_cannot_be_kept_does_not_hold_the_rotation_up(
    tenant: MySQLTenant, root: Any, emptied_by: str, engine_server: MySQLFamilyServer
) -> None:
    if emptied_by.startswith("SET"):
        async with tenant.connected() as connection:
            await fetched(connection, emptied_by)
    else:
        await fetched(root, f"ALTER USER '{tenant.username}'@'%' {emptied_by}")
    await rotate(tenant, seconds=HOUR)
    assert await let_in(tenant, tenant.password)
    with pytest.raises(REFUSED):
        async with connected(engine_server, user=tenant.username, password=""):
            pass
    await end_outlived(tenant.driver, tenant.instance_id, now=int(time.time()) + 2 * HOUR)
    assert await let_in(tenant, tenant.password)
    assert await tenant.drift() == []


async def test_logins_that_go_on_all_the_while_change_nothing(tenant: MySQLTenant) -> None:
    stopping = asyncio.Event()

    async def log_in_again(password: str) -> None:
        while not stopping.is_set():
            await let_in(tenant, password)

    old = await rotate(tenant, seconds=HOUR)
    until = (await row_of(tenant)).previous_until
    assert until is not None
    async with asyncio.TaskGroup() as storm:
        for _ in range(3):
            storm.create_task(log_in_again(old))
            storm.create_task(log_in_again(tenant.password))
        await asyncio.sleep(0.2)
        await end_outlived(tenant.driver, tenant.instance_id, now=until)
        row = await row_of(tenant)
        assert not await let_in(tenant, old)
        stopping.set()
    assert row.previous_until is None


async def test_termination_takes_both(tenant: MySQLTenant) -> None:
    old = await rotate(tenant, seconds=HOUR)
    await apply(
        tenant.driver,
        instance_id=tenant.instance_id,
        desired=tenant.desired(State.TERMINATED, tenant.generation + 1),
        may_create=False,
    )
    tenant.generation += 1
    assert (await row_of(tenant)).previous_until is None
    assert not await let_in(tenant, old)
    assert await tenant.driver.outlived(int(time.time()) + 2 * HOUR) == []
