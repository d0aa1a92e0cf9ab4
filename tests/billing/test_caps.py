import pytest

from syneudp import instances, wallet
from syneudp.billing import begin_months, close_hours, settle_due
from syneudp.instances import CapReachedError, CapSet, Hold, InstanceServices, InstanceView, Status
from syneudp.kernel import clock
from syneudp.kernel.database import reading, rows, transact, value
from syneudp.wallet import Month
from tests.billing.past import HOUR, confirm, posted_usage, rewind_shards, running_since
from tests.instances.shop import LARGE_PRICE, UNIT, Customer, customer, segments, stock
from tests.servers import ControlDatabase

RUNWAY = HOUR
PRICE = LARGE_PRICE


async def cap(buyer: Customer, monthly_micros: int | None) -> CapSet:
    return await transact(
        lambda tx: instances.set_cap(tx, buyer.wallet.id, monthly_micros=monthly_micros, runway_seconds=RUNWAY)
    )


async def holds(buyer: Customer, *seen: InstanceView) -> list[tuple[Hold, ...]]:
    return [(await buyer.see(each.id)).holds for each in seen]


async def begin() -> int:
    return await begin_months(runway_seconds=RUNWAY, held=lambda: None)


async def cut_buyer(
    reach: InstanceServices, now: int, *, balance_micros: int = 10 * UNIT
) -> tuple[Customer, InstanceView]:
    buyer = await customer(balance_micros=balance_micros)
    with clock.frozen(now):
        await cap(buyer, 2 * PRICE)
    made = await running_since(reach, buyer, now)
    with clock.frozen(now + 2 * HOUR + 5):
        await settle_due(held=lambda: None)
        assert await holds(buyer, made) == [(Hold.CAP,)]
    return buyer, made


@pytest.fixture
async def begun() -> int:
    """A second of the present month at which two hours and more of it are left."""
    await stock()
    now = await clock.now(reading())
    return min(now, Month.of(now).ends_at - 5 * HOUR)


@pytest.mark.usefixtures("books")
async def test_the_watcher_stops_everything_under_the_cap_with_its_own_hold_and_tells_it_once(
    reach: InstanceServices, begun: int
) -> None:
    buyer = await customer()
    with clock.frozen(begun):
        await cap(buyer, 4 * PRICE)
    running = await running_since(reach, buyer, begun)
    stored = await running_since(reach, buyer, begun, "kept")
    with clock.frozen(begun + HOUR):
        await buyer.suspend(stored.id)
    ended_at = begun + 3 * HOUR - 1
    held = 0

    def count() -> None:
        nonlocal held
        held += 1

    with clock.frozen(ended_at - 1):
        await settle_due(held=count)
        assert (held, await holds(buyer, running)) == (0, [()])
    with clock.frozen(ended_at + 7):
        await settle_due(held=count)
        await settle_due(held=count)
    assert held == 1
    seen = await buyer.see(running.id)
    assert (seen.status, seen.holds, seen.generation) == (Status.SUSPENDING, (Hold.CAP,), 2)
    assert (await buyer.events(running.id))[-1] == "cap_reached"
    assert await holds(buyer, stored) == [(Hold.CAP, Hold.OWNER)]
    assert [each["until_at"] for each in await segments(running.id)] == [ended_at]
    spent = await posted_usage(buyer)
    assert spent <= 4 * PRICE < spent + PRICE // HOUR + 1
    assert await buyer.balance() == 10 * UNIT - spent
    told = await rows(reading(), "SELECT kind, ends_at, cardinality(resource_ids) AS what FROM wallet_alerts")
    assert told == [{"kind": "cap_reached", "ends_at": ended_at, "what": 2}]
    assert await value(reading(), "SELECT count(*) FROM instance_outbox WHERE instance_id = $1", running.id) == 1
    assert await instances.expired_wallets(reading(), begun + 90 * 86_400, retention_seconds=1, limit=9) == []


@pytest.mark.usefixtures("books")
async def test_an_hours_close_stops_it_as_well(reach: InstanceServices, control: ControlDatabase) -> None:
    await stock()
    began_at = await rewind_shards(control, hours=3) * HOUR
    if Month.of(began_at) != Month.of(began_at + 3 * HOUR):
        began_at = await rewind_shards(control, hours=3) * HOUR
    with clock.frozen(began_at):
        buyer = await customer()
        await cap(buyer, PRICE + 100)
    made = await running_since(reach, buyer, began_at)
    await close_hours(stopped=lambda: False, held=lambda: None)
    [segment] = await segments(made.id)
    ended_at = segment["until_at"]
    assert ended_at is not None
    assert began_at + HOUR + 5 == ended_at
    assert await holds(buyer, made) == [(Hold.CAP,)]


@pytest.mark.usefixtures("books")
async def test_a_new_month_resumes_what_the_cap_stopped(reach: InstanceServices, begun: int) -> None:
    buyer, made = await cut_buyer(reach, begun)
    rollover = Month.of(begun).ends_at
    with clock.frozen(rollover - 1):
        assert await begin() == 0
    with clock.frozen(rollover):
        assert await begin() == 1
        assert await begin() == 0
        seen = await buyer.see(made.id)
        assert (seen.holds, seen.generation) == ((), 3)
        assert (await buyer.events(made.id))[-1] == "cap_lifted"
        await confirm(reach, made.id)
        overview = await wallet.overview(reading(), buyer.wallet.id, rollover)
        assert (overview.spent_this_month_micros, overview.cap_reached_at) == (0, rollover + 2 * HOUR)


@pytest.mark.usefixtures("books")
async def test_one_whose_end_was_settled_a_month_late_resumes_in_that_month(
    reach: InstanceServices, begun: int
) -> None:
    buyer = await customer()
    with clock.frozen(begun):
        await cap(buyer, 2 * PRICE)
    made = await running_since(reach, buyer, begun)
    with clock.frozen(Month.of(begun).ends_at + 60):
        await settle_due(held=lambda: None)
        assert await holds(buyer, made) == [(Hold.CAP,)]
        assert await begin() == 1
        assert await holds(buyer, made) == [()]
    assert [each["until_at"] for each in await segments(made.id)] == [begun + 2 * HOUR]


@pytest.mark.usefixtures("books")
async def test_a_new_month_that_the_balance_does_not_cover_waits_for_the_balance(
    reach: InstanceServices, begun: int
) -> None:
    buyer, made = await cut_buyer(reach, begun, balance_micros=2 * PRICE + 30)
    with clock.frozen(Month.of(begun).ends_at):
        await begin()
        assert await holds(buyer, made) == [(Hold.BALANCE,)]
        assert await buyer.top_up(UNIT) == [made.id]


@pytest.mark.usefixtures("books")
async def test_a_cap_without_room_for_the_runway_stays_and_is_looked_at_once_a_month(
    reach: InstanceServices, begun: int
) -> None:
    buyer, made = await cut_buyer(reach, begun)
    gone = await running_since(reach, await customer(), begun, "other")
    with clock.frozen(begun + 3 * HOUR):
        assert await cap(buyer, PRICE - 1) == CapSet()
    rollover = Month.of(begun).ends_at
    for month_at in (rollover, Month.of(rollover).ends_at):
        with clock.frozen(month_at + 3):
            assert (await begin(), await begin()) == (1, 0)
            assert await holds(buyer, made) == [(Hold.CAP,)]
            await buyer.terminate(made.id) if month_at > rollover else None
    with clock.frozen(Month.of(Month.of(rollover).ends_at).ends_at):
        assert (await begin(), await begin()) == (1, 0)
    assert (await (await _owner_of(gone)).see(gone.id)).holds == ()


async def _owner_of(view: InstanceView) -> Customer:
    return Customer(id=view.owner_id, wallet=await wallet.wallet_by_id(reading(), view.wallet_id))


@pytest.mark.usefixtures("books")
@pytest.mark.parametrize("raised", [None, 4 * PRICE])
async def test_raising_or_removing_the_cap_resumes_at_once(
    reach: InstanceServices, begun: int, raised: int | None
) -> None:
    buyer, made = await cut_buyer(reach, begun)
    with clock.frozen(begun + 3 * HOUR):
        assert await cap(buyer, 3 * PRICE - 1) == CapSet()
        assert await holds(buyer, made) == [(Hold.CAP,)]
        assert await cap(buyer, raised) == CapSet(resumed=(made.id,))
        await confirm(reach, made.id)
        assert (await buyer.see(made.id)).status is Status.RUNNING


@pytest.mark.usefixtures("books")
async def test_a_cap_below_what_is_spent_stops_at_once(reach: InstanceServices, begun: int) -> None:
    buyer = await customer()
    made = await running_since(reach, buyer, begun)
    with clock.frozen(begun + HOUR + 1):
        assert await cap(buyer, PRICE) == CapSet(stopped=(made.id,))
        assert await holds(buyer, made) == [(Hold.CAP,)]
    assert [each["until_at"] for each in await segments(made.id)] == [begun + HOUR + 1]


@pytest.mark.usefixtures("books")
async def test_a_top_up_clears_the_balance_hold_and_never_the_caps(reach: InstanceServices, begun: int) -> None:
    buyer, made = await cut_buyer(reach, begun)
    with clock.frozen(begun + 3 * HOUR):
        assert await buyer.top_up(UNIT) == []
        assert await holds(buyer, made) == [(Hold.CAP,)]
    poor = await customer(balance_micros=PRICE)
    with clock.frozen(begun):
        await cap(poor, PRICE + 10)
    held = await running_since(reach, poor, begun, "poor")
    with clock.frozen(begun + 2 * HOUR):
        await settle_due(held=lambda: None)
        assert await holds(poor, held) == [(Hold.BALANCE,)]
        assert await poor.top_up(UNIT) == []
        assert await holds(poor, held) == [(Hold.CAP,)]
        assert (await poor.events(held.id))[-1] == "cap_too_low"


@pytest.mark.usefixtures("books")
async def test_creating_resuming_and_a_dearer_plan_need_room_under_the_cap(reach: InstanceServices, begun: int) -> None:
    buyer, made = await cut_buyer(reach, begun)
    with clock.frozen(begun + 3 * HOUR):
        with pytest.raises(CapReachedError):
            await buyer.create("second")
        with pytest.raises(CapReachedError):
            await buyer.resume(made.id)
    small = await customer()
    running = await running_since(reach, small, begun, plan="postgresql-small")
    with clock.frozen(begun + 60):
        await cap(small, PRICE // 2)
        with pytest.raises(CapReachedError):
            await small.change_plan(running.id, "postgresql-large")


@pytest.mark.usefixtures("books")
async def test_a_start_that_has_no_second_left_gets_the_hold_instead_of_a_segment(
    reach: InstanceServices, begun: int
) -> None:
    buyer = await customer()
    with clock.frozen(begun):
        made = await buyer.create()
        await cap(buyer, 1)
        with pytest.raises(AssertionError):
            await confirm(reach, made.id)
        assert await holds(buyer, made) == [(Hold.CAP,)]
        assert (await buyer.events(made.id))[-1] == "cap_too_low"
        assert await segments(made.id) == []
