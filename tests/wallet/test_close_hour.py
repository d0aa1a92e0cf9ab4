import asyncio
from functools import partial
from uuid import uuid4

import asyncpg
import pytest
from tortoise.exceptions import DBConnectionError

from syneudp import wallet
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, execute, reading, row, rows, transact, value
from syneudp.wallet import CloseTotals, HourOutOfOrderError
from tests.servers import ControlDatabase
from tests.wallet.customers import (
    HOUR,
    UNIT,
    balance,
    catch_up,
    close_hour,
    new_customer,
    next_hour,
    start,
    stop,
)

PRICE = 6_944
SHARD = 77
KILLED = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, DBConnectionError)


async def test_an_hour_is_one_transfer_with_a_leg_a_wallet(books: int) -> None:
    with clock.frozen(books):
        customers = [await new_customer(shard=SHARD, balance_micros=UNIT) for _ in range(3)]
        idle = await new_customer(shard=SHARD, balance_micros=UNIT)
        elsewhere = await new_customer(shard=SHARD + 1, balance_micros=UNIT)
        for customer in (*customers, elsewhere):
            await start(customer, uuid4(), PRICE)
            await start(customer, uuid4(), 2 * PRICE)
    with clock.frozen(books + HOUR):
        totals = await close_hour(SHARD, books // HOUR)
    assert totals == CloseTotals(wallets=3, segments=6, seconds=6 * HOUR, charge_micros=9 * PRICE)
    assert [await balance(each) for each in (*customers, idle, elsewhere)] == [UNIT - 3 * PRICE] * 3 + [UNIT] * 2
    run = await row(reading(), "SELECT * FROM hour_closes WHERE shard = $1", SHARD)
    assert run is not None
    assert (run["wallets"], run["charge_micros"], run["closed_at"]) == (3, 9 * PRICE, books + HOUR)
    assert len(await rows(reading(), "SELECT FROM entries WHERE transfer_id = $1", run["transfer_id"])) == 4


async def test_an_hour_goes_on_from_the_half_micro_that_a_stop_in_it_left(books: int) -> None:
    with clock.frozen(books):
        customer, resource = await new_customer(shard=SHARD, balance_micros=UNIT), uuid4()
        await start(customer, resource, HOUR // 2)
        await stop(customer, resource)
        assert await balance(customer) == UNIT
        await start(customer, resource, HOUR // 2)
    with clock.frozen(books + HOUR):
        await close_hour(SHARD, books // HOUR)
    assert await balance(customer) == UNIT - HOUR // 2


async def test_an_hour_is_closed_once_and_in_order(books: int) -> None:
    first = books // HOUR
    with clock.frozen(books + 3 * HOUR):
        with pytest.raises(HourOutOfOrderError):
            await close_hour(SHARD, first + 1)
        assert await close_hour(SHARD, first) is not None
        assert await close_hour(SHARD, first) is None
        assert await next_hour(SHARD) == first + 1


async def test_an_hour_that_is_not_over_stays_open(books: int) -> None:
    with clock.frozen(books + HOUR - 1):
        with pytest.raises(HourOutOfOrderError):
            await close_hour(SHARD, books // HOUR)
        assert (SHARD, books // HOUR) not in await wallet.shards_behind(reading(), books + HOUR - 1)
        assert (SHARD, books // HOUR) in await wallet.shards_behind(reading(), books + HOUR)


async def test_posting_an_hour_twice_or_out_of_turn_is_refused(books: int) -> None:
    with clock.frozen(books + 5 * HOUR):
        for hour in (books // HOUR + 1, books // HOUR - 1):
            with pytest.raises(asyncpg.CheckViolationError):
                await transact(partial(wallet.post_hour, shard=SHARD, hour=hour))


async def test_missed_hours_are_caught_up_to_the_same_sum(books: int) -> None:
    with clock.frozen(books + 1234):
        late = await new_customer(shard=1, balance_micros=UNIT)
        prompt = await new_customer(shard=2, balance_micros=UNIT)
        for customer in (late, prompt):
            await start(customer, uuid4(), PRICE)
    for hour in range(1, 30):
        with clock.frozen(books + hour * HOUR + 17):
            await catch_up(2)
    with clock.frozen(books + 29 * HOUR + 17):
        assert await catch_up(1) == 29
    expected = UNIT - (PRICE * (29 * HOUR - 1234)) // 3600
    assert await balance(late) == await balance(prompt) == expected


async def test_a_close_changes_no_depletion(books: int) -> None:
    with clock.frozen(books + 99):
        for money in (PRICE, PRICE * 2, PRICE * 1000):
            customer = await new_customer(shard=SHARD, balance_micros=money)
            await start(customer, uuid4(), PRICE)
            await start(customer, uuid4(), 7)
    survivors = "SELECT wallet_id, depletes_at FROM wallet_depletions WHERE depletes_at >= $1 ORDER BY wallet_id"
    for hour in range(3):
        end = books + (hour + 1) * HOUR
        before = await rows(reading(), survivors, end)
        with clock.frozen(end):
            await close_hour(SHARD, end // HOUR - 1)
        assert await rows(reading(), survivors, end) == before


async def test_two_closers_at_once_charge_once(books: int) -> None:
    with clock.frozen(books):
        customer = await new_customer(shard=SHARD, balance_micros=UNIT)
        await start(customer, uuid4(), PRICE)
    with clock.frozen(books + HOUR):
        told = await asyncio.gather(*(close_hour(SHARD, books // HOUR) for _ in range(4)))
    assert sum(each is not None for each in told) == 1
    assert await balance(customer) == UNIT - PRICE
    assert await value(reading(), "SELECT count(*) FROM hour_closes") == 1


async def test_starts_and_stops_beside_a_close_lose_and_repeat_nothing(books: int) -> None:
    with clock.frozen(books + 3590):
        customers = [await new_customer(shard=SHARD, balance_micros=UNIT) for _ in range(6)]
        resources = [(customer, uuid4()) for customer in customers for _ in range(2)]
        for customer, resource in resources[::2]:
            await start(customer, resource, PRICE)
    with clock.frozen(books + HOUR + 2):
        await asyncio.gather(
            close_hour(SHARD, books // HOUR),
            *(stop(customer, resource) for customer, resource in resources[::2]),
            *(start(customer, resource, PRICE) for customer, resource in resources[1::2]),
            close_hour(SHARD, books // HOUR),
        )
    assert [await balance(each) for each in customers] == [UNIT - PRICE * 13 // 3600] * 6


async def test_a_close_waits_so_briefly_that_it_holds_nobody_up(books: int) -> None:
    released = asyncio.Event()
    with clock.frozen(books + HOUR):
        customer = await new_customer(shard=SHARD, balance_micros=UNIT)
        other = await new_customer(shard=SHARD, balance_micros=UNIT)

        async def hold(tx: Connection) -> None:
            await wallet.lock_wallet(tx, customer.id)
            await released.wait()

        holding = asyncio.create_task(transact(hold))
        await asyncio.sleep(0.1)
        closing = asyncio.create_task(close_hour(SHARD, books // HOUR))
        await asyncio.sleep(0.02)
        async with asyncio.timeout(2):
            await start(other, uuid4(), PRICE)
        released.set()
        await holding
        assert await closing is not None


async def test_a_backend_killed_in_the_middle_leaves_nothing(books: int, control: ControlDatabase) -> None:
    with clock.frozen(books):
        customer, database = await new_customer(shard=SHARD, balance_micros=UNIT), uuid4()
        await start(customer, database, PRICE)

    async def die_after_posting(tx: Connection) -> None:
        await wallet.lock_shard_for_close(tx, SHARD)
        await wallet.begin_close(tx, SHARD, books // HOUR)
        await wallet.post_hour(tx, SHARD, books // HOUR)
        await execute(tx, "SELECT pg_terminate_backend(pg_backend_pid())")

    async def die_after_stopping(tx: Connection) -> None:
        held = await wallet.lock_wallet(tx, customer.id)
        await wallet.close_segment(tx, held, resource_id=database)
        await execute(tx, "SELECT pg_terminate_backend(pg_backend_pid())")

    async def die_after_crediting(tx: Connection) -> None:
        held = await wallet.lock_wallet(tx, customer.id)
        await wallet.credit_top_up(tx, held, provider="sandbox", payment_id="p", amount_micros=UNIT)
        await execute(tx, "SELECT pg_terminate_backend(pg_backend_pid())")

    with clock.frozen(books + HOUR):
        for deadly in (die_after_posting, die_after_stopping, die_after_crediting):
            with pytest.raises(KILLED):
                await transact(deadly)
            assert await balance(customer) == UNIT
            assert await next_hour(SHARD) == books // HOUR
        assert await close_hour(SHARD, books // HOUR) is not None
    assert await balance(customer) == UNIT - PRICE
