import asyncio
from random import Random
from uuid import UUID

import pytest

from syneudp import catalog, instances
from syneudp.catalog import CapacityExhaustedError, DeclaredHost, UnknownPlanError
from syneudp.engines.contract import Engine
from syneudp.instances import (
    Hold,
    InstanceGoneError,
    InstanceNotFoundError,
    InstanceServices,
    InstanceView,
    InsufficientBalanceError,
    PlanOfAnotherEngineError,
    PlanTooSmallError,
    Status,
)
from syneudp.kernel import clock
from syneudp.kernel.database import execute, reading, row, transact, value
from tests.billing.past import confirm, rewind_shards, running_since
from tests.instances.agents import Agent
from tests.instances.shop import LARGE_PRICE, NOWHERE, UNIT, customer, segments, stock
from tests.servers import ControlDatabase

pytestmark = pytest.mark.usefixtures("books")
SMALL, MEDIUM, LARGE = "postgresql-small", "postgresql-medium", "postgresql-large"
SMALL_PRICE, MEDIUM_PRICE = 6_944, 20_833
GIB = 1 << 30
SECONDS = 10.0


async def placed_bytes() -> int:
    return int(await value(reading(), "SELECT sum(placed_bytes) FROM hosts"))


async def sent_limits(instance_id: UUID) -> dict[str, object]:
    found = await row(
        reading(),
        "SELECT max_connections, temp_bytes, statement_seconds, idle_transaction_seconds, memory_bytes"
        " FROM instances WHERE id = $1",
        instance_id,
    )
    assert found is not None
    return found


async def price_of(view: InstanceView) -> int:
    found = await instances.prices_of(reading(), [view], at=await clock.now(reading()))
    return found[view.id].price_micros_per_hour


async def test_what_runs_costs_the_new_price_from_the_next_second(reach: InstanceServices) -> None:
    await stock()
    buyer = await customer()
    begins_at = await clock.now(reading()) + 10
    made = await running_since(reach, buyer, begins_at, plan=SMALL)
    with clock.frozen(begins_at + 99):
        changed = await buyer.change_plan(made.id, MEDIUM)
        assert (changed.plan, changed.status) == (MEDIUM, Status.RUNNING)
        assert (await price_of(changed), changed.generation) == (MEDIUM_PRICE, 2)
        assert changed.storage_limit_bytes == 10 * GIB
        assert await buyer.balance() == 10 * UNIT - SMALL_PRICE * 100 // 3600
    found = await segments(made.id)
    assert [(each["from_at"], each["until_at"]) for each in found] == [
        (begins_at, begins_at + 100),
        (begins_at + 100, None),
    ]
    assert [each["price_micros_per_hour"] for each in found] == [SMALL_PRICE, MEDIUM_PRICE]
    assert await placed_bytes() == 10 * GIB
    assert await buyer.events(made.id) == ["created", "ready", "plan_changed"]
    assert await instances.count_pending(reading()) == 1
    with clock.frozen(begins_at + 105):
        await confirm(reach, made.id)
        assert (await buyer.see(made.id)).status is Status.RUNNING
    assert len(await segments(made.id)) == 2


async def test_the_same_plan_again_changes_nothing(reach: InstanceServices) -> None:
    await stock()
    buyer = await customer()
    begins_at = await clock.now(reading()) + 10
    made = await running_since(reach, buyer, begins_at, plan=SMALL)
    with clock.frozen(begins_at + 5):
        same = await buyer.change_plan(made.id, SMALL)
    assert same == made
    assert await buyer.events(made.id) == ["created", "ready"]


async def test_a_dearer_plan_needs_the_runway_and_a_cheaper_one_never_does(reach: InstanceServices) -> None:
    await stock()
    buyer = await customer(balance_micros=MEDIUM_PRICE)
    begins_at = await clock.now(reading()) + 10
    made = await running_since(reach, buyer, begins_at, plan=MEDIUM)
    with clock.frozen(begins_at + 60):
        with pytest.raises(InsufficientBalanceError):
            await buyer.change_plan(made.id, LARGE)
        assert (await buyer.see(made.id)).plan == MEDIUM
        assert (await buyer.change_plan(made.id, SMALL)).plan == SMALL
        with pytest.raises(InsufficientBalanceError):
            await buyer.change_plan(made.id, MEDIUM)


async def test_what_is_still_being_made_counts_towards_the_runway() -> None:
    await stock()
    buyer = await customer(balance_micros=LARGE_PRICE)
    one = await buyer.create("one", plan=SMALL)
    await buyer.create("two", plan=MEDIUM)
    with pytest.raises(InsufficientBalanceError):
        await buyer.change_plan(one.id, LARGE)
    assert (await buyer.change_plan(one.id, MEDIUM)).status is Status.PROVISIONING


async def test_a_creation_on_its_way_starts_at_the_plan_it_was_changed_to(reach: InstanceServices) -> None:
    await stock()
    buyer = await customer()
    made = await buyer.create(plan=SMALL)
    await buyer.change_plan(made.id, MEDIUM)
    await confirm(reach, made.id)
    assert [each["price_micros_per_hour"] for each in await segments(made.id)] == [MEDIUM_PRICE]


async def test_a_suspended_one_costs_the_new_price_once_it_runs_again(reach: InstanceServices) -> None:
    await stock()
    buyer = await customer()
    begins_at = await clock.now(reading()) + 10
    made = await running_since(reach, buyer, begins_at, plan=SMALL)
    with clock.frozen(begins_at + 9):
        await buyer.suspend(made.id)
        await confirm(reach, made.id)
        changed = await buyer.change_plan(made.id, LARGE)
        assert (changed.status, changed.holds) == (Status.SUSPENDED, (Hold.OWNER,))
        await confirm(reach, made.id)
    with clock.frozen(begins_at + 20):
        await buyer.resume(made.id)
        await confirm(reach, made.id)
    found = [(each["from_at"], each["price_micros_per_hour"]) for each in await segments(made.id)]
    assert found == [(begins_at, SMALL_PRICE), (begins_at + 20, LARGE_PRICE)]


async def test_one_that_the_wallet_no_longer_pays_is_held_and_then_changed_without_a_charge(
    reach: InstanceServices,
) -> None:
    await stock()
    buyer = await customer(balance_micros=SMALL_PRICE)
    begins_at = await clock.now(reading()) + 10
    made = await running_since(reach, buyer, begins_at, plan=SMALL)
    with clock.frozen(begins_at + 7200):
        changed = await buyer.change_plan(made.id, LARGE)
        assert (changed.plan, changed.holds) == (LARGE, (Hold.BALANCE,))
    assert [each["until_at"] for each in await segments(made.id)] == [begins_at + 3600]


async def test_the_other_engines_plans_and_unknown_ones_are_refused() -> None:
    await stock()
    buyer, other = await customer(), await customer()
    made = await buyer.create(plan=SMALL)
    with pytest.raises(PlanOfAnotherEngineError):
        await buyer.change_plan(made.id, "mysql-large")
    with pytest.raises(UnknownPlanError):
        await buyer.change_plan(made.id, "postgresql-huge")
    with pytest.raises(InstanceNotFoundError):
        await other.change_plan(made.id, LARGE)
    await buyer.terminate(made.id)
    with pytest.raises(InstanceGoneError):
        await buyer.change_plan(made.id, LARGE)
    assert await placed_bytes() == GIB


async def test_what_holds_more_than_a_plan_stores_does_not_go_there(reach: InstanceServices) -> None:
    await stock()
    buyer = await customer()
    begins_at = await clock.now(reading()) + 10
    made = await running_since(reach, buyer, begins_at, plan=MEDIUM)
    await execute(reading(), "UPDATE instances SET storage_bytes = $2 WHERE id = $1", made.id, GIB + 1)
    with clock.frozen(begins_at + 5):
        with pytest.raises(PlanTooSmallError):
            await buyer.change_plan(made.id, SMALL)
        await execute(reading(), "UPDATE instances SET storage_bytes = $2 WHERE id = $1", made.id, GIB)
        assert (await buyer.change_plan(made.id, SMALL)).storage_limit_bytes == GIB
    assert await placed_bytes() == GIB


async def test_a_plan_that_does_not_fit_on_its_host_is_refused_whole(reach: InstanceServices) -> None:
    await stock(engines=())
    small_host = DeclaredHost(
        name="one", engine=Engine.POSTGRESQL, agent_url=NOWHERE, capacity=9, capacity_bytes=12 * GIB
    )
    await transact(lambda tx: catalog.register_hosts(tx, [small_host]))
    buyer = await customer()
    begins_at = await clock.now(reading()) + 10
    made = await running_since(reach, buyer, begins_at, plan=SMALL)
    with clock.frozen(begins_at + 5):
        before = await buyer.see(made.id)
        with pytest.raises(CapacityExhaustedError):
            await buyer.change_plan(made.id, LARGE)
        assert await buyer.see(made.id) == before
        assert [each["until_at"] for each in await segments(made.id)] == [None]
        await buyer.change_plan(made.id, MEDIUM)
        with pytest.raises(CapacityExhaustedError):
            await buyer.create("other", plan=MEDIUM)
    assert await placed_bytes() == 10 * GIB


async def test_changes_at_once_end_at_one_of_them_with_one_open_segment(reach: InstanceServices) -> None:
    await stock()
    buyer = await customer()
    begins_at = await clock.now(reading()) + 10
    made = await running_since(reach, buyer, begins_at, plan=SMALL)
    with clock.frozen(begins_at + 5):
        await asyncio.gather(*[buyer.change_plan(made.id, plan) for plan in (MEDIUM, LARGE, SMALL, LARGE)])
        seen = await buyer.see(made.id)
    still_open = [each for each in await segments(made.id) if each["until_at"] is None]
    assert [each["price_micros_per_hour"] for each in still_open] == [await price_of(seen)]
    assert await placed_bytes() == seen.storage_limit_bytes


@pytest.mark.parametrize("seed", range(3))
async def test_charges_equal_the_closed_form_across_random_changes_of_plan(
    reach: InstanceServices, books: ControlDatabase, seed: int
) -> None:
    await rewind_shards(books, hours=0)
    await stock()
    buyer = await customer(balance_micros=100 * UNIT)
    chance = Random(seed)
    at = await clock.now(reading()) + 10
    prices = {SMALL: SMALL_PRICE, MEDIUM: MEDIUM_PRICE, LARGE: LARGE_PRICE}
    made = await running_since(reach, buyer, at, plan=SMALL)
    plan, runs, began, stored, exact = SMALL, True, at, at, 0
    for _ in range(15):
        at += chance.choice((0, 1, 13, 3_599, 9_999))
        with clock.frozen(at):
            ends_at = max(at, began) + 1
            if chance.random() < 0.3:
                if runs:
                    await buyer.suspend(made.id)
                    exact += prices[plan] * (ends_at - began)
                    stored = ends_at
                else:
                    await buyer.resume(made.id)
                    began = max(at, stored + 1)
                runs = not runs
            else:
                chosen = chance.choice((SMALL, MEDIUM, LARGE))
                await buyer.change_plan(made.id, chosen)
                if runs and chosen != plan:
                    exact += prices[plan] * (ends_at - began)
                    began = ends_at
                elif chosen != plan:
                    stored = max(at, stored + 1)
                plan = chosen
            if await instances.count_pending(reading()):
                await confirm(reach, made.id)
    with clock.frozen(at + 77):
        await buyer.terminate(made.id)
        exact += prices[plan] * (max(at + 77, began) + 1 - began) if runs else 0
        assert await buyer.balance() == 100 * UNIT - exact // 3600


async def test_a_real_agent_takes_the_limits_without_ending_a_session(reach: InstanceServices, agent: Agent) -> None:
    await stock(agent_url=agent.url)
    buyer = await customer()
    made = await buyer.create(plan=SMALL)
    assert await instances.deliver(reach, made.id, timeout_seconds=SECONDS)
    changed = await buyer.change_plan(made.id, MEDIUM)
    assert changed.status is Status.RUNNING
    assert await instances.deliver(reach, made.id, timeout_seconds=SECONDS)
    [host] = [host for host in await catalog.hosts(reading()) if host.engine == "postgresql"]
    reported = await reach.agents.reports(agent_url=agent.url, engine=host.engine)
    [report] = [each for each in reported.items if each.instance_id == made.id]
    assert (report.applied_generation, report.drift) == (2, [])
    assert (await sent_limits(made.id))["max_connections"] == 60
    await buyer.terminate(made.id)
    assert await instances.deliver(reach, made.id, timeout_seconds=SECONDS)
    assert await placed_bytes() == 0
