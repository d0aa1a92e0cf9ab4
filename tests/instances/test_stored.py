from uuid import UUID

import pytest

from syneudp import catalog, instances, wallet
from syneudp.billing.sample_usage import measure_host
from syneudp.engines.contract import UsageItem
from syneudp.instances import Accrual, Hold, InstanceServices, InstanceView, Status
from syneudp.instances.rules import accrual_of
from syneudp.instances.values import Removal
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, reading, rows, transact, value
from tests.billing.past import confirm, running_since
from tests.instances.agents import Agent
from tests.instances.shop import UNIT, Customer, customer, stock
from tests.wallet.pricing import used

pytestmark = pytest.mark.usefixtures("books")
HOUR = 3600
GIB = 1 << 30
STEP = 64 << 20
SMALL, SMALL_PRICE, STORAGE_PRICE = "postgresql-small", 6_944, 137


async def measured(made: InstanceView, stored_bytes: int) -> list[UUID]:
    host_id = await value(reading(), "SELECT host_id FROM instances WHERE id = $1", made.id)
    item = UsageItem(instance_id=made.id, storage_bytes=stored_bytes, sessions=0, transactions=0)
    now = await clock.now(reading())
    await instances.record_usage(reading(), host_id=host_id, items=[item], now=now)
    planned = []
    for grown in await instances.grown_of(reading(), host_id=host_id):

        async def price(tx: Connection, told: instances.Grown = grown) -> bool:
            locked = await instances.lock_wallet(tx, told.wallet_id)
            return await instances.price_storage(tx, locked, instance_id=told.instance_id)

        if await transact(price):
            planned.append(grown.instance_id)
    return planned


async def storing(reach: InstanceServices, stored_bytes: int) -> tuple[Customer, InstanceView, int]:
    await stock()
    buyer = await customer()
    boundary = (await clock.now(reading()) // HOUR + 2) * HOUR
    made = await running_since(reach, buyer, boundary - 100, plan=SMALL)
    with clock.frozen(boundary - 50):
        assert await measured(made, stored_bytes) == [made.id]
        assert await measured(made, stored_bytes) == []
    return buyer, made, boundary


async def price_of(view: InstanceView) -> tuple[int, int]:
    found = await instances.prices_of(reading(), [view], at=await clock.now(reading()))
    return found[view.id].price_micros_per_hour, found[view.id].storage_micros_per_hour


async def test_what_is_measured_in_an_hour_is_priced_from_the_next_on(reach: InstanceServices) -> None:
    buyer, made, boundary = await storing(reach, GIB + 1)
    stored = 17 * STORAGE_PRICE // 16
    with clock.frozen(boundary + 99):
        assert await price_of(await buyer.see(made.id)) == (SMALL_PRICE + stored, stored)
        assert await measured(made, 10) == [made.id]
        await buyer.terminate(made.id)
        assert await price_of(await buyer.see(made.id)) == (0, 0)
    assert await used(made.id) == [
        (boundary - 100, boundary, SMALL_PRICE),
        (boundary, boundary + 100, SMALL_PRICE + stored),
    ]
    assert await buyer.balance() == 10 * UNIT - (100 * SMALL_PRICE + 100 * (SMALL_PRICE + stored)) // HOUR


async def test_a_suspended_one_costs_what_it_stores_until_it_runs_again(reach: InstanceServices) -> None:
    buyer, made, boundary = await storing(reach, GIB)
    with clock.frozen(boundary + 99):
        held = await buyer.suspend(made.id)
        assert await price_of(held) == (STORAGE_PRICE, STORAGE_PRICE)
        await confirm(reach, made.id)
    with clock.frozen(boundary + 5 * HOUR):
        assert await measured(made, GIB // 2) == [made.id]
    with clock.frozen(boundary + 7 * HOUR):
        await buyer.resume(made.id)
    with clock.frozen(boundary + 7 * HOUR + 30):
        await confirm(reach, made.id)
        assert (await buyer.see(made.id)).status is Status.RUNNING
    half = STORAGE_PRICE // 2
    assert await used(made.id) == [
        (boundary - 100, boundary, SMALL_PRICE),
        (boundary, boundary + 100, SMALL_PRICE + STORAGE_PRICE),
        (boundary + 100, boundary + 6 * HOUR, STORAGE_PRICE),
        (boundary + 6 * HOUR, boundary + 7 * HOUR + 30, half),
        (boundary + 7 * HOUR + 30, None, SMALL_PRICE + half),
    ]


async def test_one_whose_storage_is_no_longer_paid_is_held_for_balance_and_accrues_nothing(
    reach: InstanceServices,
) -> None:
    buyer, made, boundary = await storing(reach, 16 * GIB)
    with clock.frozen(boundary + 9):
        await buyer.suspend(made.id)
        await confirm(reach, made.id)
    with clock.frozen(boundary + 10_000 * HOUR):
        await buyer.locked(_nothing)
        seen = await buyer.see(made.id)
        assert (seen.holds, seen.accrues) == ((Hold.BALANCE, Hold.OWNER), Accrual.NOTHING)
        assert await buyer.balance() == 0
        await buyer.top_up(UNIT)
        again = await buyer.see(made.id)
        assert (again.holds, again.accrues) == ((Hold.OWNER,), Accrual.STORED)
        burning = await wallet.burning(reading(), [made.id], boundary + 10_000 * HOUR)
    assert burning == {made.id: 16 * STORAGE_PRICE}


async def test_another_plan_while_suspended_costs_its_storage_price(reach: InstanceServices) -> None:
    buyer, made, boundary = await storing(reach, GIB // 2)
    with clock.frozen(boundary + 9):
        await buyer.suspend(made.id)
        await confirm(reach, made.id)
    with clock.frozen(boundary + 20):
        await buyer.change_plan(made.id, "postgresql-medium")
        await confirm(reach, made.id)
        assert (await wallet.burning(reading(), [made.id], boundary + 20)) == {made.id: STORAGE_PRICE // 2}
    found = await rows(reading(), "SELECT tariff_id, running FROM usage_segments ORDER BY from_at")
    plans = {plan.id: plan.slug for plan in await catalog.plans(reading(), boundary)}
    assert [(plans[each["tariff_id"]], each["running"]) for each in found] == [
        (SMALL, True),
        (SMALL, True),
        (SMALL, False),
        ("postgresql-medium", False),
    ]


async def test_a_measured_host_has_its_storage_priced_in_one_round(reach: InstanceServices, agent: Agent) -> None:
    await stock(agent_url=agent.url)
    buyer = await customer()
    made = await buyer.create(plan=SMALL)
    assert await instances.deliver(reach, made.id, timeout_seconds=20.0)
    host_id = await value(reading(), "SELECT host_id FROM instances WHERE id = $1", made.id)
    await measure_host(reach, await catalog.host(reading(), host_id))
    await measure_host(reach, await catalog.host(reading(), host_id))
    stored = (await buyer.see(made.id)).storage_bytes
    planned = await rows(reading(), "SELECT resource_id, steps FROM storage_steps")
    assert planned == [{"resource_id": made.id, "steps": -(-stored // STEP)}]
    await buyer.terminate(made.id)


@pytest.mark.parametrize(
    ("removal", "holds", "stored", "expected"),
    [
        (None, set(), True, Accrual.RUNNING),
        (None, set(), False, Accrual.RUNNING),
        (None, {Hold.OWNER}, True, Accrual.STORED),
        (None, {Hold.OWNER}, False, Accrual.NOTHING),
        (None, {Hold.STORAGE}, True, Accrual.STORED),
        (None, {Hold.OWNER, Hold.STORAGE}, True, Accrual.STORED),
        (None, {Hold.BALANCE}, True, Accrual.NOTHING),
        (None, {Hold.OWNER, Hold.BALANCE}, True, Accrual.NOTHING),
        (None, {Hold.CAP}, True, Accrual.NOTHING),
        (None, {Hold.FROZEN}, True, Accrual.NOTHING),
        (None, {Hold.OPERATOR}, True, Accrual.NOTHING),
        (Removal.OWNER, set(), True, Accrual.NOTHING),
    ],
)
def test_what_accrues_follows_from_the_holds(
    removal: Removal | None, holds: set[Hold], stored: bool, expected: Accrual
) -> None:
    assert accrual_of(removal, holds, stored=stored) is expected


async def _nothing(*_: object) -> None:
    return None
