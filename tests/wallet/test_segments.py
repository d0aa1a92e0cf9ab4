from uuid import uuid4

import asyncpg
import pytest

from syneudp import wallet
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, reading, rows, transact
from syneudp.wallet import LockedWallet, SegmentConflictError, Usage, WalletNotFoundError
from tests.wallet.customers import (
    UNIT,
    balance,
    close_hour,
    last_segment,
    locked,
    new_customer,
    overview,
    seconds_ran,
    start,
    stop,
    tariff,
    top_up,
)

PRICE = 3600


async def test_a_stopped_resource_is_charged_to_the_second_after_and_posted_at_once(books: int) -> None:
    with clock.frozen(books + 100):
        customer = await new_customer(balance_micros=UNIT)
        database = uuid4()
        assert await start(customer, database, PRICE)
    with clock.frozen(books + 199):
        assert await stop(customer, database)
    assert await seconds_ran(database, 0) == 100
    assert await balance(customer) == UNIT - 100


async def test_starting_twice_is_starting_once(books: int) -> None:
    with clock.frozen(books):
        customer, database = await new_customer(balance_micros=UNIT), uuid4()
        assert await start(customer, database, PRICE)
        assert not await start(customer, database, PRICE)
        with pytest.raises(SegmentConflictError):
            await start(customer, database, PRICE + 1)


async def test_stopping_what_does_not_run_moves_nothing(books: int) -> None:
    with clock.frozen(books):
        customer = await new_customer(balance_micros=UNIT)
        assert not await stop(customer, uuid4())
    assert await balance(customer) == UNIT


async def test_flapping_within_one_second_costs_a_second_each_time(books: int) -> None:
    with clock.frozen(books + 7):
        customer, database = await new_customer(balance_micros=UNIT), uuid4()
        for _ in range(5):
            await start(customer, database, PRICE)
            await stop(customer, database)
    assert await seconds_ran(database, 0) == 5
    assert await balance(customer) == UNIT - 5


async def test_a_price_below_a_micro_a_second_adds_up_over_many_starts(books: int) -> None:
    customer, database = await new_customer(balance_micros=UNIT), uuid4()
    for step in range(36):
        with clock.frozen(books + 10 * step):
            await start(customer, database, 100)
        with clock.frozen(books + 10 * step + 4):
            await stop(customer, database)
    assert await balance(customer) == UNIT - 5


async def test_a_clock_that_steps_back_reopens_nothing(books: int) -> None:
    customer, database = await new_customer(balance_micros=UNIT), uuid4()
    with clock.frozen(books + 500):
        await start(customer, database, PRICE)
    with clock.frozen(books + 100):
        await stop(customer, database)
    segment = await last_segment(database)
    assert segment["from_at"] == books + 500
    assert segment["until_at"] == books + 501


async def test_nothing_reaches_back_into_a_closed_hour(books: int) -> None:
    customer, database = await new_customer(shard=5, balance_micros=UNIT), uuid4()
    with clock.frozen(books + 3600):
        await close_hour(5, books // 3600)
    with clock.frozen(books + 3599):
        await start(customer, database, PRICE)
    assert (await last_segment(database))["from_at"] == books + 3600


async def test_one_resource_never_moves_to_another_wallet(books: int) -> None:
    with clock.frozen(books):
        first, second = await new_customer(balance_micros=UNIT), await new_customer(balance_micros=UNIT)
        database = uuid4()
        await start(first, database, PRICE)
        await stop(first, database)
        with pytest.raises(asyncpg.CheckViolationError):
            await start(second, database, PRICE)


async def test_the_runway_counts_what_runs_and_what_is_to_come(books: int) -> None:
    with clock.frozen(books):
        customer = await new_customer(balance_micros=100)
        await start(customer, uuid4(), PRICE)

    async def covers(added: int, seconds: int) -> bool:
        async def ask(tx: Connection, held: LockedWallet) -> bool:
            usage = Usage(uuid4(), await tariff(tx, added))
            return not await wallet.lacking(tx, held, added=[usage], runway_seconds=seconds)

        with clock.frozen(books):
            return await locked(customer, ask)

    assert await covers(0, 100)
    assert not await covers(0, 101)
    assert await covers(PRICE, 50)
    assert await covers(1, 99)
    assert not await covers(1, 100)
    assert not await covers(PRICE, 51)


async def test_the_overview_adds_up_before_and_after_a_close(books: int) -> None:
    customer, database = await new_customer(shard=9, balance_micros=UNIT), uuid4()
    with clock.frozen(books + 1800):
        await start(customer, database, PRICE)
    with clock.frozen(books + 3700):
        before = await overview(customer)
        accrued_before = await wallet.accrued(reading(), [database], books + 3700)
        await close_hour(9, books // 3600)
        after = await overview(customer)
    assert (before.balance_micros, before.accrued_micros, before.available_micros) == (UNIT, 1900, UNIT - 1900)
    assert accrued_before == {database: 1900}
    assert (after.balance_micros, after.accrued_micros, after.available_micros) == (UNIT - 1800, 100, UNIT - 1900)
    assert before.burn_micros_per_hour == after.burn_micros_per_hour == PRICE
    assert before.depletes_at == after.depletes_at == books + 1800 + UNIT


async def test_hours_of_a_resource_are_derived_and_the_open_one_comes_last(books: int) -> None:
    customer, database = await new_customer(shard=3, balance_micros=UNIT), uuid4()
    with clock.frozen(books + 3000):
        await start(customer, database, PRICE)
    with clock.frozen(books + 7300):
        await close_hour(3, books // 3600)
    hours = await wallet.usage_by_hour(reading(), database, from_at=books, until_at=books + 9999, now=books + 7300)
    assert [(hour.seconds, hour.charge_micros, hour.posted) for hour in hours] == [
        (600, 600, True),
        (3600, 3600, False),
        (100, 100, False),
    ]
    assert await wallet.charged(reading(), [database, customer.id], books, books + 7300) == {
        database: 4300,
        customer.id: 0,
    }


async def test_postings_are_listed_newest_first_page_by_page(books: int) -> None:
    with clock.frozen(books):
        customer = await new_customer()
        for amount in (1, 2, 3):
            await top_up(customer, amount)
    first = await wallet.transactions(reading(), customer.id, limit=2, cursor=None)
    rest = await wallet.transactions(reading(), customer.id, limit=2, cursor=first.next_cursor)
    assert [line.amount_micros for line in (*first.items, *rest.items)] == [3, 2, 1]
    assert [line.balance_after_micros for line in (*first.items, *rest.items)] == [6, 3, 1]
    assert rest.next_cursor is None


async def test_a_wallet_that_is_not_there_is_told_so(books: int) -> None:
    with pytest.raises(WalletNotFoundError):
        await wallet.overview(reading(), uuid4(), books)
    with pytest.raises(WalletNotFoundError):
        await wallet.wallet_of(reading(), uuid4())
    with pytest.raises(WalletNotFoundError):
        await transact(lambda tx: wallet.lock_wallet(tx, uuid4()))


async def test_a_customer_has_one_wallet_in_one_currency(books: int) -> None:
    customer = await new_customer()
    again = await transact(lambda tx: wallet.open_wallet(tx, user_id=customer.user_id, currency="EUR"))
    assert again == customer
    with pytest.raises(wallet.CurrencyMismatchError):
        await transact(lambda tx: wallet.open_wallet(tx, user_id=customer.user_id, currency="USD"))
    assert len(await rows(reading(), "SELECT id FROM accounts WHERE kind = 'wallet'")) == 1
