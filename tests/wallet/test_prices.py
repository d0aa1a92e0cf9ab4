from random import Random
from uuid import uuid4

import asyncpg
import pytest

from syneudp import wallet
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, execute, reading, row, rows, transact, value
from syneudp.wallet import TariffRefusedError, WalletRecord
from tests.wallet.customers import (
    HOUR,
    UNIT,
    assert_books_hold,
    balance,
    catch_up,
    close_hour,
    locked,
    new_customer,
    next_hour,
    overview,
    settle,
    stop,
    top_up,
    usage_posted,
)
from tests.wallet.pricing import STEP, Tariff, integral, reckonings, store, use, used

SHARD = 21
SECOND = 3600
CHEAP, DEAR = SECOND, 10 * SECOND


async def priced(price: int, storage_price: int = 0) -> Tariff:
    tariff = Tariff()
    assert await tariff.cost(0, price, storage_price)
    return tariff


async def running(books: int, *, balance_micros: int = UNIT) -> tuple[WalletRecord, Tariff]:
    tariff = await priced(CHEAP)
    with clock.frozen(books + HOUR - 100):
        customer = await new_customer(shard=SHARD, balance_micros=balance_micros)
        await use(customer, customer.id, tariff)
        assert await tariff.cost(books + HOUR, DEAR)
    return customer, tariff


@pytest.mark.parametrize("order", ["close first", "lock first", "locked twice", "hours missed"])
async def test_a_new_price_holds_from_exactly_its_beginning_whoever_comes_first(books: int, order: str) -> None:
    customer, _ = await running(books)
    at = books + HOUR + 10 + (5 * HOUR if order == "hours missed" else 0)
    with clock.frozen(at):
        expected = 100 + 10 * (at - books - HOUR)
        before = await overview(customer)
        assert (before.accrued_micros, before.burn_micros_per_hour) == (expected, DEAR)
        assert await wallet.accrued(reading(), [customer.id], at) == {customer.id: expected}
        assert await wallet.charged(reading(), [customer.id], books, at) == {customer.id: expected}
        if order == "close first":
            assert (await close_hour(SHARD, await next_hour(SHARD))) is not None
        elif order == "lock first":
            await settle(customer)
        elif order == "locked twice":
            await settle(customer)
            await settle(customer)
        await catch_up(SHARD)
        after = await overview(customer)
        assert after.available_micros == before.available_micros == UNIT - expected
        assert (after.depletes_at, after.burn_micros_per_hour) == (before.depletes_at, DEAR)
        await stop(customer, customer.id)
    assert await balance(customer) == UNIT - expected - 10
    assert await used(customer.id) == [
        (books + HOUR - 100, books + HOUR, CHEAP),
        (books + HOUR, at + 1, DEAR),
    ]


async def test_the_end_of_the_money_is_seen_across_a_rise_and_found_to_the_second(books: int) -> None:
    customer, _ = await running(books, balance_micros=100 + 10 * 50)
    ends_at = books + HOUR + 50
    with clock.frozen(books + HOUR - 50):
        told = await overview(customer)
        await locked(customer, wallet.recompute_depletion)
        assert (await overview(customer)).depletes_at == ends_at
        assert told.burn_micros_per_hour == CHEAP
    with clock.frozen(ends_at - 1):
        assert (await settle(customer)).depleted == ()
    with clock.frozen(ends_at + 2 * HOUR):
        assert (await settle(customer)).depleted == (customer.id,)
    assert await balance(customer) == 0
    assert await used(customer.id) == [
        (books + HOUR - 100, books + HOUR, CHEAP),
        (books + HOUR, ends_at, DEAR),
    ]


@pytest.mark.parametrize("first", ["close", "top-up", "settle"])
async def test_money_ends_at_its_second_though_nobody_looked_at_the_wallet_after_the_price_was_set(
    books: int, first: str
) -> None:
    customer, _ = await running(books, balance_micros=100 + 10 * 50 + 3)
    ends_at = books + HOUR + 50
    assert len(await reckonings()) == 256
    with clock.frozen(books + 3 * HOUR + 7):
        if first == "close":
            await catch_up(SHARD)
            assert not [each for each in await reckonings() if each.shard == SHARD]
        elif first == "top-up":
            await top_up(customer, UNIT)
        else:
            assert (await settle(customer)).depleted == (customer.id,)
        await catch_up(SHARD)
        await settle(customer)
        assert (await overview(customer)).burn_micros_per_hour == 0
    assert await balance(customer) == 3 + (UNIT if first == "top-up" else 0)
    assert (await used(customer.id))[-1] == (books + HOUR, ends_at, DEAR)


@pytest.mark.parametrize("ends", ["price", "storage"])
async def test_what_will_cost_nothing_has_no_end_before_or_after_it_does_and_its_books_are_right(
    books: int, ends: str
) -> None:
    tariff = await priced(CHEAP, storage_price=16 * CHEAP)
    with clock.frozen(books + 100):
        customer = await new_customer(shard=SHARD, balance_micros=UNIT)
        await use(customer, customer.id, tariff, running=ends == "price")
        if ends == "price":
            await tariff.cost(books + 2 * HOUR, 0)
        else:
            await store(customer, customer.id, STEP)
    with clock.frozen(books + HOUR + 100):
        if ends == "storage":
            await store(customer, customer.id, 0)
        await locked(customer, wallet.recompute_depletion)
        told = await overview(customer)
        assert (told.burn_micros_per_hour, told.depletes_at) == (CHEAP, None)
    with clock.frozen(books + 3 * HOUR + 10):
        await catch_up(SHARD)
        told = await overview(customer)
        assert (told.burn_micros_per_hour, told.depletes_at) == (0, None)
        await assert_books_hold()


async def test_a_close_at_the_boundary_moves_no_depletion_that_was_looked_at(books: int) -> None:
    customer, _ = await running(books)
    with clock.frozen(books + HOUR - 60):
        await locked(customer, wallet.recompute_depletion)
    before = await rows(reading(), "SELECT * FROM wallet_depletions")
    with clock.frozen(books + HOUR + 1):
        await close_hour(SHARD, await next_hour(SHARD))
    assert await rows(reading(), "SELECT * FROM wallet_depletions") == before
    assert [each[2] for each in await used(customer.id)] == [CHEAP, DEAR]


async def test_a_price_of_the_past_or_of_this_hour_is_refused_by_the_verb_and_by_the_database(books: int) -> None:
    tariff = await priced(CHEAP)
    with clock.frozen(books + HOUR + 5):
        await catch_up(SHARD)
        for begins_at in (books, books + HOUR):
            with pytest.raises(TariffRefusedError):
                await tariff.cost(begins_at, DEAR)
        with pytest.raises(TariffRefusedError):
            await tariff.cost(books + 2 * HOUR + 1, DEAR)
        with pytest.raises(asyncpg.CheckViolationError):
            await execute(reading(), "INSERT INTO tariff_versions VALUES ($1, $2, 5, 5)", tariff.id, books + HOUR)
        with pytest.raises(asyncpg.CheckViolationError):
            await execute(reading(), "INSERT INTO tariff_versions VALUES ($1, 3600, 5, 5)", tariff.id)
        assert await tariff.cost(books + 2 * HOUR, DEAR)
        assert not await tariff.cost(books + 2 * HOUR, DEAR)
        with pytest.raises(TariffRefusedError):
            await tariff.cost(books + 2 * HOUR, DEAR + 1)


async def test_another_plan_in_the_hour_of_a_new_price_and_at_its_very_boundary(books: int) -> None:
    customer, first = await running(books)
    second = await priced(2 * SECOND)
    boundary = books + HOUR
    with clock.frozen(boundary - 1):
        await use(customer, customer.id, second)
    with clock.frozen(boundary + 9):
        await use(customer, customer.id, first)
    with clock.frozen(boundary + 19):
        await stop(customer, customer.id)
    assert await used(customer.id) == [
        (boundary - 100, boundary, CHEAP),
        (boundary, boundary + 10, 2 * SECOND),
        (boundary + 10, boundary + 20, DEAR),
    ]
    assert await balance(customer) == UNIT - 100 - 20 - 100


async def test_storage_is_priced_in_steps_from_the_next_hour_on_and_once_an_hour(books: int) -> None:
    tariff = await priced(CHEAP, 16 * SECOND)
    with clock.frozen(books + 10):
        customer = await new_customer(shard=SHARD, balance_micros=UNIT)
        await use(customer, customer.id, tariff)
        assert await store(customer, customer.id, 1)
        assert await store(customer, customer.id, 3 * STEP)
        assert not await store(customer, customer.id, 3 * STEP - 1)
        ends_at = (await overview(customer)).depletes_at
    with clock.frozen(books + HOUR + 10):
        assert (await overview(customer)).burn_micros_per_hour == CHEAP + 3 * SECOND
        assert await store(customer, customer.id, 9 * STEP)
        assert await store(customer, customer.id, 3 * STEP)
        assert await value(reading(), "SELECT count(*) FROM storage_steps") == 1
        await catch_up(SHARD)
        assert (await overview(customer)).depletes_at == ends_at
        with pytest.raises(asyncpg.CheckViolationError):
            await execute(reading(), "DELETE FROM storage_steps")
        await stop(customer, customer.id)
    assert await used(customer.id) == [
        (books + 10, books + HOUR, CHEAP),
        (books + HOUR, books + HOUR + 11, 4 * CHEAP),
    ]


async def test_what_is_only_stored_costs_its_storage_alone_and_ends_with_the_money(books: int) -> None:
    tariff = await priced(DEAR, 16 * SECOND)
    with clock.frozen(books):
        customer = await new_customer(shard=SHARD, balance_micros=(HOUR - 9) * 10 + 20)
        await use(customer, customer.id, tariff)
        await store(customer, customer.id, 2 * STEP)
    with clock.frozen(books + HOUR - 10):
        await use(customer, customer.id, tariff, running=False)
        assert (await overview(customer)).burn_micros_per_hour == 0
        assert (await overview(customer)).depletes_at == books + HOUR + 10
    with clock.frozen(books + 3 * HOUR):
        await catch_up(SHARD)
        assert await wallet.next_depletion(reading()) is None
    assert await balance(customer) == 0
    assert (await used(customer.id))[-1] == (books + HOUR, books + HOUR + 10, 2 * SECOND)


async def test_the_runway_counts_a_price_to_come(books: int) -> None:
    customer, tariff = await running(books, balance_micros=100 + 10 * 200)

    async def covers(seconds: int) -> bool:
        return not await locked(customer, lambda tx, held: wallet.lacking(tx, held, added=[], runway_seconds=seconds))

    with clock.frozen(books + HOUR - 100):
        assert await covers(300)
        assert not await covers(301)
        added = [wallet.Usage(uuid4(), tariff.id)]
        asked = [(seconds, await _covers(customer, added, seconds)) for seconds in (194, 195, 196)]
    assert asked == [(194, True), (195, True), (196, False)]


async def _covers(customer: WalletRecord, added: list[wallet.Usage], seconds: int) -> bool:
    return not await locked(customer, lambda tx, held: wallet.lacking(tx, held, added=added, runway_seconds=seconds))


async def test_a_wallet_set_aside_is_split_when_it_is_taken_back(books: int) -> None:
    customer, _ = await running(books)
    with clock.frozen(books + HOUR + 5):

        async def aside(tx: Connection) -> bool:
            await wallet.lock_shard_for_close(tx, SHARD)
            return await wallet.set_aside(tx, customer.id, hour=books // HOUR, why="a test")

        assert await transact(aside)
        await catch_up(SHARD)
        assert len(await used(customer.id)) == 1
    with clock.frozen(books + 3 * HOUR):
        await catch_up(SHARD)
        assert await locked(customer, wallet.readmit)
        assert [each[2] for each in await used(customer.id)] == [CHEAP, DEAR]
        assert await balance(customer) == UNIT - 100 - 10 * 2 * HOUR


@pytest.mark.parametrize("seed", range(4))
async def test_charges_equal_the_integral_of_the_price_over_time_in_any_order(books: int, seed: int) -> None:
    chance = Random(seed)
    tariffs = [await priced(chance.randrange(1, 10**6), chance.randrange(1, 10**5)) for _ in range(2)]
    resources = [uuid4() for _ in range(3)]
    steps: dict[str, list[tuple[int, int]]] = {str(each): [] for each in resources}
    at = books
    with clock.frozen(at):
        customer = await new_customer(shard=SHARD, balance_micros=10_000 * UNIT)
    for _ in range(60):
        at += chance.choice((0, 1, 17, 1_800, 3_599, 3_600, 7_777))
        coming = (at // HOUR + 1) * HOUR
        with clock.frozen(at):
            resource, tariff = chance.choice(resources), chance.choice(tariffs)
            act = chance.choice(("use", "store only", "stop", "price", "steps", "close", "settle"))
            if act in {"use", "store only"}:
                await use(customer, resource, tariff, running=act == "use")
            elif act == "stop":
                await stop(customer, resource)
            elif act == "price":
                begins_at = coming + HOUR * chance.choice((0, 0, 1, 3))
                if begins_at not in {version[0] for version in tariff.versions}:
                    await tariff.cost(begins_at, chance.randrange(10**6), chance.randrange(10**5))
            elif act == "steps":
                count = chance.randrange(40)
                await store(customer, resource, count * STEP)
                told = steps[str(resource)]
                steps[str(resource)] = [each for each in told if each[0] < coming] + [(coming, count)]
            elif act == "close":
                await catch_up(SHARD)
            else:
                await settle(customer)
    with clock.frozen(at + 5):
        expected = {each: await integral(each, tariffs, steps[str(each)], until=at + 5) for each in resources}
        before = await wallet.charged(reading(), resources, books, at + 5)
        view = await overview(customer)
        assert before == {each: micros // HOUR for each, micros in expected.items()}
        assert view.available_micros == 10_000 * UNIT - sum(before.values())
        await catch_up(SHARD)
        for each in resources:
            await stop(customer, each)
        ended = [await integral(each, tariffs, steps[str(each)], until=at + 99_999) for each in resources]
    assert await usage_posted(customer) == sum(micros // HOUR for micros in ended)
    found = await row(reading(), "SELECT count(*) AS pieces FROM usage_segments WHERE wallet_id = $1", customer.id)
    assert found is not None
    assert found["pieces"] > len(resources)
