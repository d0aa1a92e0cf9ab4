from random import Random
from uuid import uuid4

import pytest

from syneudp.kernel import clock
from syneudp.kernel.database import reading, rows
from tests.wallet.customers import (
    HOUR,
    UNIT,
    balance,
    catch_up,
    last_segment,
    new_customer,
    overview,
    reprice,
    seconds_ran,
    settle,
    start,
    stop,
    usage_posted,
)

SHARD = 9
CHEAP, DEAR = 3600, 36_000


async def test_the_second_of_the_change_is_the_last_at_the_old_price(books: int) -> None:
    with clock.frozen(books + 100):
        customer, database = await new_customer(balance_micros=UNIT), uuid4()
        await start(customer, database, CHEAP)
    with clock.frozen(books + 199):
        assert await reprice(customer, database, DEAR)
        assert not await reprice(customer, database, DEAR)
        assert (await overview(customer)).burn_micros_per_hour == DEAR
        assert await balance(customer) == UNIT - 100
    with clock.frozen(books + 209):
        await stop(customer, database)
    found = await rows(reading(), "SELECT from_at, until_at FROM usage_segments ORDER BY from_at")
    assert [(each["from_at"] - books, each["until_at"] - books) for each in found] == [(100, 200), (200, 210)]
    assert await balance(customer) == UNIT - 100 - 100


async def test_what_does_not_run_keeps_its_price(books: int) -> None:
    with clock.frozen(books):
        customer, database = await new_customer(balance_micros=UNIT), uuid4()
        assert not await reprice(customer, database, DEAR)
        await start(customer, database, CHEAP)
        await stop(customer, database)
        assert not await reprice(customer, database, DEAR)
    assert await seconds_ran(database, 0) == 1


async def test_the_carry_goes_on_into_the_next_price(books: int) -> None:
    with clock.frozen(books):
        customer, database = await new_customer(balance_micros=UNIT), uuid4()
        await start(customer, database, 1000)
    with clock.frozen(books + 9):
        await reprice(customer, database, 7)
    assert (await last_segment(database))["carry"] == 10_000 % HOUR


async def test_changing_back_and_forth_within_one_second_is_never_free(books: int) -> None:
    with clock.frozen(books):
        customer, database = await new_customer(balance_micros=UNIT), uuid4()
        await start(customer, database, CHEAP)
        for price in (DEAR, CHEAP, DEAR, CHEAP):
            assert await reprice(customer, database, price)
        await stop(customer, database)
    assert await seconds_ran(database, 0) == 5
    assert await balance(customer) == UNIT - (CHEAP * 3 + DEAR * 2) // HOUR


async def test_a_dearer_price_moves_the_end_of_the_money_and_nothing_is_charged_past_it(books: int) -> None:
    with clock.frozen(books):
        customer, database = await new_customer(balance_micros=100), uuid4()
        await start(customer, database, CHEAP)
        assert (await overview(customer)).depletes_at == books + 100
    with clock.frozen(books + 49):
        await reprice(customer, database, DEAR)
        assert (await overview(customer)).depletes_at == books + 55
    with clock.frozen(books + 500):
        assert (await settle(customer)).depleted == (database,)
        assert await balance(customer) == 0
        assert not await reprice(customer, database, CHEAP)
    assert (await last_segment(database))["until_at"] == books + 55


async def test_in_the_last_second_that_is_paid_the_change_costs_no_more_than_there_is(books: int) -> None:
    with clock.frozen(books):
        customer, database = await new_customer(balance_micros=100), uuid4()
        await start(customer, database, CHEAP)
    with clock.frozen(books + 99):
        assert await reprice(customer, database, DEAR)
        assert await balance(customer) == 0
    with clock.frozen(books + 100):
        assert (await settle(customer)).depleted == (database,)
    assert await seconds_ran(database, 0) == 100


@pytest.mark.parametrize("seed", range(6))
async def test_charges_equal_the_closed_form_across_any_changes(books: int, seed: int) -> None:
    chance = Random(seed)
    at = books + chance.randrange(HOUR)
    began, exact = 0, 0
    price: int | None = None
    with clock.frozen(at):
        customer, database = await new_customer(shard=SHARD, balance_micros=1000 * UNIT), uuid4()
    for _ in range(30):
        at += chance.choice((0, 0, 1, 7, 599, HOUR, 3 * HOUR + 11))
        another = chance.choice((0, 1, 6_944, 20_833, 62_500, 999_937))
        with clock.frozen(at):
            if chance.random() < 0.5:
                await catch_up(SHARD)
            if price is None:
                assert await start(customer, database, another)
                began, price = max(at, began), another
            elif chance.random() < 0.2:
                assert await stop(customer, database)
                ended = max(at, began) + 1
                exact += price * (ended - began)
                began, price = ended, None
            elif await reprice(customer, database, another):
                ended = max(at, began) + 1
                exact += price * (ended - began)
                began, price = ended, another
            else:
                assert another == price
    with clock.frozen(at + 50):
        await stop(customer, database)
    if price is not None:
        exact += price * (max(at + 50, began) + 1 - began)
    assert await usage_posted(customer) == exact // HOUR
