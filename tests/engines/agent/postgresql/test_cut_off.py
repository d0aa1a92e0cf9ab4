import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import asyncpg
import pytest

from syneudp.engines.agent.postgresql import PostgreSQLDriver
from syneudp.engines.agent.spares import fill
from syneudp.engines.contract import State
from tests.engines.agent.postgresql.tenants import Connection, NewTenant, Tenant
from tests.engines.agent.postgresql.test_spares import ORPHANS, SPARES, pool
from tests.engines.agent.redoing import redo

__all__ = ["pool"]

TALKING = ("execute", "fetch", "fetchrow", "fetchval")
STEPS_MAX = 60


class CutError(Exception):
    """Stands for a death of the agent at that very statement."""


async def dies_at(step: int, work: Callable[[], Awaitable[object]], monkeypatch: pytest.MonkeyPatch) -> bool:
    """Do a piece of work whose connections break before its statement number `step`; tell whether it got that far."""
    left, dying = step, asyncio.current_task()

    def cut_off(talk: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def talk_or_die(connection: "asyncpg.Connection[Any]", *told: Any, **options: Any) -> Any:
            nonlocal left
            if asyncio.current_task() is dying:
                if left <= 0:
                    left = -1
                    connection.terminate()
                    raise CutError
                left -= 1
            return await talk(connection, *told, **options)

        return talk_or_die

    with monkeypatch.context() as patched:
        for name in TALKING:
            patched.setattr(asyncpg.Connection, name, cut_off(getattr(asyncpg.Connection, name)))
        try:
            await work()
        except Exception:
            if left >= 0:
                raise
    return left < 0


async def assert_whole(admin: Connection, driver: PostgreSQLDriver, *, spares: int) -> None:
    assert [row["made"] for row in await admin.fetch(SPARES)] == [True] * spares
    assert await driver.count_spares() == spares
    assert await admin.fetch(ORPHANS) == []


async def test_a_claim_cut_off_anywhere_is_finished_by_the_next_start(
    pool: PostgreSQLDriver, new_tenant: NewTenant, admin: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []
    for step in range(STEPS_MAX):
        await fill(pool, size=1)
        tenant = new_tenant()
        creating = partial(tenant.want, State.RUNNING, generation=1, may_create=True)
        died = await dies_at(step, creating, monkeypatch)
        assert await redo(pool) == []
        taken.append((await creating()).from_spare)
        assert (await tenant.report()).drift == []
        await (await tenant.connect()).close()
        assert await admin.fetch(ORPHANS) == []
        await tenant.want(State.TERMINATED, generation=2)
        if not died:
            break
    assert not died
    assert True in taken


@pytest.mark.parametrize(("before", "after"), [(0, 2), (2, 0)], ids=["filling", "emptying"])
async def test_a_change_of_the_pool_cut_off_anywhere_is_finished_by_the_next(
    pool: PostgreSQLDriver, admin: Connection, monkeypatch: pytest.MonkeyPatch, before: int, after: int
) -> None:
    for step in range(STEPS_MAX):
        await fill(pool, size=before)
        died = await dies_at(step, partial(fill, pool, size=after), monkeypatch)
        await settled(pool, after)
        await assert_whole(admin, pool, spares=after)
        if not died:
            break
    assert not died


@pytest.mark.parametrize("state", [State.SUSPENDED, State.TERMINATED])
async def test_a_suspend_and_an_end_cut_off_anywhere_are_finished_by_the_next_start(
    new_tenant: NewTenant, driver: PostgreSQLDriver, admin: Connection, monkeypatch: pytest.MonkeyPatch, state: State
) -> None:
    for step in range(STEPS_MAX):
        tenant = new_tenant()
        await tenant.want(State.RUNNING, generation=1, may_create=True)
        died = await dies_at(step, partial(tenant.want, state, generation=2), monkeypatch)
        assert await redo(driver) == []
        await tenant.want(state, generation=2)
        await assert_brought_about(tenant, state)
        await tenant.want(State.TERMINATED, generation=3)
        assert await admin.fetch(ORPHANS) == []
        if not died:
            break
    assert not died


async def assert_brought_about(tenant: Tenant, state: State) -> None:
    report = await tenant.report()
    assert (report.state, report.applied_generation, report.drift) == (state, 2, [])
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await tenant.connect()


async def settled(driver: PostgreSQLDriver, size: int) -> None:
    """Fill once its predecessor's connection, and so its lock of the shelf, is gone."""
    async with asyncio.timeout(20):
        while True:
            async with driver.shelf() as shelf:
                free = shelf is not None
            if free:
                await fill(driver, size=size)
                return
            await asyncio.sleep(0.02)
