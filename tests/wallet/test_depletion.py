from uuid import uuid4

import pytest

from syneudp import wallet
from syneudp.kernel import clock
from syneudp.kernel.database import reading
from tests.wallet.customers import (
    UNIT,
    balance,
    catch_up,
    last_segment,
    new_customer,
    overview,
    seconds_ran,
    settle,
    start,
    stop,
    top_up,
    usage_posted,
)

PRICE = 36_000


async def test_money_worth_twenty_seconds_ends_at_that_second(books: int) -> None:
    with clock.frozen(books + 5):
        customer, database = await new_customer(balance_micros=200), uuid4()
        await start(customer, database, PRICE)
        assert await wallet.next_depletion(reading()) == books + 25
    with clock.frozen(books + 24):
        assert (await settle(customer)).depleted == ()
    assert await wallet.due_wallets(reading(), books + 24, 10) == []
    assert await wallet.due_wallets(reading(), books + 25, 10) == [customer.id]
    with clock.frozen(books + 25):
        assert (await settle(customer)).depleted == (database,)
        assert (await settle(customer)).depleted == ()
    assert (await last_segment(database))["until_at"] == books + 25
    assert await balance(customer) == 0
    assert await wallet.next_depletion(reading()) is None


async def test_what_is_left_is_less_than_the_next_second(books: int) -> None:
    with clock.frozen(books):
        customer, resources = await new_customer(balance_micros=1009), [uuid4() for _ in range(3)]
        for resource in resources:
            await start(customer, resource, PRICE)
    with clock.frozen(books + 9999):
        held = await settle(customer)
    assert set(held.depleted) == set(resources)
    assert held.balance_micros == await balance(customer) == 1009 - 33 * 30
    assert held.balance_micros < 30


async def test_a_top_up_two_hours_late_does_not_pay_for_the_two_hours(books: int) -> None:
    with clock.frozen(books):
        customer, database = await new_customer(balance_micros=1000), uuid4()
        await start(customer, database, PRICE)
    with clock.frozen(books + 7300):
        shown = await overview(customer)
        await top_up(customer, UNIT)
    assert (shown.available_micros, shown.burn_micros_per_hour, shown.depletes_at) == (0, 0, books + 100)
    assert await balance(customer) == UNIT
    assert await usage_posted(customer) == 1000
    assert await seconds_ran(database, 0) == 100


async def test_a_top_up_in_time_moves_the_end(books: int) -> None:
    with clock.frozen(books):
        customer, database = await new_customer(balance_micros=1000), uuid4()
        await start(customer, database, PRICE)
    with clock.frozen(books + 99):
        await top_up(customer, 500)
        assert (await overview(customer)).depletes_at == books + 150


async def test_a_second_resource_brings_the_end_nearer_and_stopping_it_puts_it_back(books: int) -> None:
    with clock.frozen(books):
        customer, first, second = await new_customer(balance_micros=1000), uuid4(), uuid4()
        await start(customer, first, PRICE)
        await start(customer, second, PRICE)
        assert (await overview(customer)).depletes_at == books + 50
    with clock.frozen(books + 9):
        await stop(customer, second)
        assert (await overview(customer)).depletes_at == books + 90


async def test_a_stop_in_the_last_second_takes_no_more_than_there_is(books: int) -> None:
    with clock.frozen(books):
        customer, database = await new_customer(balance_micros=100), uuid4()
        await start(customer, database, PRICE)
    with clock.frozen(books + 9):
        await stop(customer, database)
    assert await balance(customer) == 0
    assert await seconds_ran(database, 0) == 10


async def test_a_start_without_money_ends_at_once_and_free(books: int) -> None:
    with clock.frozen(books):
        customer, database = await new_customer(), uuid4()
        await start(customer, database, PRICE)
        assert (await settle(customer)).depleted == (database,)
        assert await seconds_ran(database, 0) == 0
        await top_up(customer, 100)
        await start(customer, database, PRICE)
    with clock.frozen(books + 60):
        await settle(customer)
    assert await balance(customer) == 0


async def test_a_free_resource_never_ends_anything(books: int) -> None:
    with clock.frozen(books):
        customer, database = await new_customer(), uuid4()
        await start(customer, database, 0)
        shown = await overview(customer)
    assert (shown.depletes_at, shown.burn_micros_per_hour) == (None, 0)
    with clock.frozen(books + 36_000):
        assert (await settle(customer)).depleted == ()


async def test_money_for_a_century_is_shown_as_no_end(books: int) -> None:
    with clock.frozen(books):
        customer = await new_customer(balance_micros=10_000 * UNIT)
        await start(customer, uuid4(), 1)
        assert (await overview(customer)).depletes_at is None


@pytest.mark.parametrize("late_hours", [1, 5])
async def test_the_close_settles_what_a_dead_watcher_left(books: int, late_hours: int) -> None:
    shard = 40 + late_hours
    with clock.frozen(books + 3000):
        customer, database = await new_customer(shard=shard, balance_micros=10_000), uuid4()
        await start(customer, database, PRICE)
    with clock.frozen(books + 3600 * late_hours):
        assert await catch_up(shard) == late_hours
        if late_hours == 1:
            assert await balance(customer) == 4000
            assert (await overview(customer)).depletes_at == books + 4000
            return
    assert await balance(customer) == 0
    assert await seconds_ran(database, 0) == 1000
