import random
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syneudp import ledger, wallet
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, reading, rows, snapshot, transact
from syneudp.ledger import AccountKind, Entry, Reason
from syneudp.wallet import (
    LockedWallet,
    Month,
    MonthInvalidError,
    Statement,
    StatementBrokenError,
    StatementNotFoundError,
    WalletRecord,
)
from tests.servers import ControlDatabase
from tests.wallet.customers import (
    HOUR,
    UNIT,
    assert_books_hold,
    balance,
    begin_shards_at,
    catch_up,
    close_hour,
    locked,
    new_customer,
    next_hour,
    settle,
    start,
    stop,
    top_up,
)

JANUARY = Month(2050, 1)
FEBRUARY = Month(2050, 2)
MARCH = Month(2050, 3)
RESOURCES = 3
EVENING = 4 * HOUR
steps = st.tuples(
    st.sampled_from(["start", "stop", "top_up", "close", "catch_up", "settle", "reverse"]),
    st.integers(0, RESOURCES - 1),
    st.sampled_from([0, 1, 1, 59, 1800, 3599, 3600, 3601, 9000]),
    st.sampled_from([1, 3599, 62_500, 5_000_000]),
)


@pytest.fixture
async def turn_of_the_month(control: ControlDatabase) -> int:
    begins = FEBRUARY.begins_at - EVENING
    await begin_shards_at(control, begins // HOUR)
    return begins


async def read(customer: WalletRecord, month: Month) -> Statement:
    return await snapshot(lambda tx: wallet.statement(tx, customer.id, month))


async def read_all(customer: WalletRecord) -> list[Statement]:
    months = await wallet.statement_months(reading(), customer.id)
    return [await read(customer, each.month) for each in reversed(months)]


async def reverse(customer: WalletRecord, transfer_id: UUID, amount_micros: int) -> None:
    async def post(tx: Connection, held: LockedWallet) -> None:
        credits_account = await ledger.open_account(
            tx, kind=AccountKind.CREDITS, shard=customer.shard, currency=customer.currency
        )
        await ledger.post(
            tx,
            reason=Reason.REVERSAL,
            key=f"reversal:{transfer_id}",
            effective_at=held.now,
            created_at=held.now,
            entries=[Entry(customer.account_id, amount_micros), Entry(credits_account, -amount_micros)],
            reverses_id=transfer_id,
        )
        await wallet.recompute_depletion(tx, held)

    await locked(customer, post)


async def reverse_some_usage(customer: WalletRecord) -> None:
    page = await wallet.transactions(reading(), customer.id, limit=100, cursor=None)
    reversed_already = [
        line.corrects.id for each in await read_all(customer) for line in each.postings if line.corrects
    ]
    usage = [each for each in page.items if each.amount_micros < 0 and each.id not in reversed_already]
    if usage:
        await reverse(customer, usage[-1].id, -usage[-1].amount_micros)


async def take(step: str, customer: WalletRecord, resource: UUID, amount: int) -> None:
    if step == "start":
        if not await runs(resource):
            await start(customer, resource, amount)
    elif step == "stop":
        await stop(customer, resource)
    elif step == "top_up":
        await top_up(customer, amount)
    elif step == "close" and await next_hour(customer.shard) < await clock.now(reading()) // HOUR:
        await close_hour(customer.shard, await next_hour(customer.shard))
    elif step == "catch_up":
        await catch_up(customer.shard)
    elif step == "reverse":
        await reverse_some_usage(customer)
    else:
        await settle(customer)


async def check(customer: WalletRecord, finals: dict[Month, Statement]) -> None:
    told = await read_all(customer)
    assert told[0].opening_micros == 0
    for before, after in zip(told, told[1:], strict=False):
        assert after.opening_micros == before.closing_micros
    assert all(each.opening_micros + each.moved_micros == each.closing_micros >= 0 for each in told)
    assert sum(each.moved_micros for each in told) == told[-1].closing_micros == await balance(customer)
    for each in told:
        assert finals.get(each.month, each) == each
        if each.final:
            finals[each.month] = each


@given(st.lists(steps, min_size=3, max_size=25), st.sampled_from([1, 70_000, 20 * UNIT]))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_statements_add_up_whatever_happens_at_the_turn_of_a_month(
    turn_of_the_month: int, story: list[tuple[str, int, int, int]], first_top_up: int
) -> None:
    now = turn_of_the_month
    with clock.frozen(now):
        customer = await new_customer(balance_micros=first_top_up)
        now = max(now, await next_hour(customer.shard) * HOUR)
    resources = [uuid4() for _ in range(RESOURCES)]
    finals: dict[Month, Statement] = {}
    for step, which, later, amount in story:
        now += later
        with clock.frozen(now):
            await take(step, customer, resources[which], amount)
            await check(customer, finals)
    with clock.frozen(max(now, FEBRUARY.begins_at + EVENING)):
        await catch_up(customer.shard)
        await check(customer, finals)
    await assert_books_hold()


async def runs(resource: UUID) -> bool:
    return bool(
        await rows(reading(), "SELECT FROM usage_segments WHERE resource_id = $1 AND until_at IS NULL", resource)
    )


async def test_a_random_life_of_a_month_adds_up_and_finished_months_stay_as_they_are(turn_of_the_month: int) -> None:
    chance = random.Random(20261124)
    now = turn_of_the_month
    with clock.frozen(now):
        customer = await new_customer(balance_micros=40 * UNIT)
    resources = [uuid4() for _ in range(12)]
    finals: dict[Month, Statement] = {}
    while now < MARCH.begins_at + 2 * HOUR:
        now += chance.randrange(1, 30 * HOUR)
        with clock.frozen(now):
            await catch_up(customer.shard)
            resource = chance.choice(resources)
            if not await stop(customer, resource):
                await start(customer, resource, 62_500)
            if chance.random() < 0.2:
                await top_up(customer, chance.randrange(1, 3 * UNIT))
            if chance.random() < 0.2:
                await reverse_some_usage(customer)
            await check(customer, finals)
    assert set(finals) == {JANUARY, FEBRUARY}
    told = finals[FEBRUARY]
    assert len({line.resource_id for line in told.usage}) > 6
    assert {line.day_at for line in told.usage} <= set(range(FEBRUARY.begins_at, FEBRUARY.ends_at, 86_400))
    await assert_books_hold()


async def test_the_last_hour_of_a_month_counts_in_it_though_it_is_posted_in_the_next(turn_of_the_month: int) -> None:
    resource = uuid4()
    with clock.frozen(turn_of_the_month):
        customer = await new_customer(balance_micros=20 * UNIT)
        await start(customer, resource, 3_600_000)
    with clock.frozen(FEBRUARY.begins_at + 30):
        assert (await read(customer, JANUARY)).final is False
        await stop(customer, resource)
        early = await read(customer, JANUARY)
        assert [(line.seconds, line.amount_micros) for line in early.usage] == [(EVENING, -EVENING * 1000)]
        await catch_up(customer.shard)
        january, february = await read(customer, JANUARY), await read(customer, FEBRUARY)
    assert january.final
    assert (january.usage, january.closing_micros) == (early.usage, early.closing_micros)
    assert [(line.day_at, line.seconds, line.amount_micros) for line in february.usage] == [
        (FEBRUARY.begins_at, 31, -31_000)
    ]


async def test_a_late_correction_is_a_line_of_the_month_it_was_posted_in_and_names_what_it_corrects(
    turn_of_the_month: int,
) -> None:
    resource = uuid4()
    with clock.frozen(turn_of_the_month):
        customer = await new_customer(balance_micros=20 * UNIT)
        await start(customer, resource, 3_600_000)
    with clock.frozen(turn_of_the_month + 99):
        await stop(customer, resource)
    with clock.frozen(FEBRUARY.begins_at + 7200):
        await catch_up(customer.shard)
        before = await read(customer, JANUARY)
        page = await wallet.transactions(reading(), customer.id, limit=1, cursor=None)
        await reverse(customer, page.items[0].id, -page.items[0].amount_micros)
        assert await read(customer, JANUARY) == before
        [line] = (await read(customer, FEBRUARY)).postings
    assert (line.reason, line.amount_micros, line.posted_at) == (Reason.REVERSAL, 100_000, FEBRUARY.begins_at + 7200)
    assert line.corrects is not None
    assert (line.corrects.id, line.corrects.reason, line.corrects.effective_at, line.corrects.subject_id) == (
        page.items[0].id,
        Reason.USAGE_REST,
        turn_of_the_month + 100,
        resource,
    )


async def test_the_audit_names_the_wallet_and_month_whose_lines_do_not_lead_to_the_ledger(
    turn_of_the_month: int, control: ControlDatabase
) -> None:
    resource = uuid4()
    with clock.frozen(turn_of_the_month):
        customer = await new_customer(balance_micros=20 * UNIT)
        await start(customer, resource, 3_600_000)
    with clock.frozen(turn_of_the_month + 99):
        await stop(customer, resource)
    await assert_books_hold()
    owner = await asyncpg.connect(control.owner_url)
    try:
        await owner.execute("ALTER TABLE usage_segments DISABLE TRIGGER USER")
        for price, detail in [
            (3_600_036, "its lines lead to 19899999, the ledger holds 19900000"),
            (900_000_000, "closes at -5000000, below zero"),
        ]:
            await owner.execute("UPDATE usage_segments SET price_micros_per_hour = $1", price)
            found = [each for each in await transact(wallet.audit) if each.rule == "statements_open_lines_close"]
            assert (f"{customer.id} 2050-01", detail) in [(each.row, each.detail) for each in found]
    finally:
        await owner.close()


async def test_there_is_no_statement_before_the_wallet_nor_after_the_present_month(turn_of_the_month: int) -> None:
    with clock.frozen(turn_of_the_month):
        customer = await new_customer()
        assert [(each.month, each.final) for each in await wallet.statement_months(reading(), customer.id)] == [
            (JANUARY, False)
        ]
        empty = await read(customer, JANUARY)
        assert (empty.opening_micros, empty.closing_micros, empty.usage, empty.postings) == (0, 0, (), ())
        for absent in (Month(2049, 12), FEBRUARY):
            with pytest.raises(StatementNotFoundError):
                await read(customer, absent)


async def test_a_statement_that_does_not_add_up_is_never_shown(
    turn_of_the_month: int, control: ControlDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    with clock.frozen(turn_of_the_month):
        customer = await new_customer(balance_micros=UNIT)
        monkeypatch.setattr("syneudp.wallet.statements.USAGE", ["top_up"])
        assert (await read(customer, JANUARY)).opening_micros == UNIT
        monkeypatch.undo()
        monkeypatch.setattr("syneudp.wallet.values.Statement.used_micros", 1)
        with pytest.raises(StatementBrokenError):
            await read(customer, JANUARY)


@pytest.mark.parametrize(
    "text", ["2026-13", "2026-00", "2026-1", "26-01", "2026", "1999-12", "2101-01", "2026-01 ", "²026-01"]
)
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(MonthInvalidError):
        Month.parse(text)


def test_a_month_is_half_open_and_knows_its_neighbour() -> None:
    assert (str(Month.parse("2027-12").next()), Month.of(FEBRUARY.begins_at - 1)) == ("2028-01", JANUARY)
    assert FEBRUARY.ends_at - FEBRUARY.begins_at == 28 * 86_400
