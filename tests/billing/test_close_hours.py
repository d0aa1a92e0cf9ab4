import asyncio
import random
import time
from functools import partial

import pytest

from syneudp import ledger, wallet
from syneudp.billing import close_hours
from syneudp.billing.clock_guard import ClocksApartError
from syneudp.billing.close_hours import seal_shard
from syneudp.commands.billing_status import HourRun, Progress, billing_status
from syneudp.commands.ledger_audit import audit_books
from syneudp.instances import InstanceServices, Status
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, execute, reading, rows, transact, value
from syneudp.wallet import LockedWallet
from tests.billing.past import (
    HOUR,
    billing_roles,
    closed_form,
    closes,
    lag,
    posted_usage,
    rewind_shards,
    running_since,
    until,
)
from tests.instances.shop import LARGE_PRICE, UNIT, Customer, customer, stock
from tests.servers import ControlDatabase

SHARDS = 256
CUSTOMERS = 12


async def catch_up() -> int:
    return await close_hours(stopped=lambda: False, held=lambda: None)


async def caught_up() -> bool:
    return await lag() == 0


async def using_since(reach: InstanceServices, begins_at: int) -> list[Customer]:
    buyers = []
    for number in range(CUSTOMERS):
        with clock.frozen(begins_at):
            buyer = await customer(shard=number * 8)
        await running_since(reach, buyer, begins_at + 60 * number, plan="postgresql-medium")
        await running_since(reach, buyer, begins_at + 61 * number + 5, "second")
        buyers.append(buyer)
    return buyers


async def check_exactness(buyers: list[Customer], closed_through: int) -> None:
    for buyer in buyers:
        assert await posted_usage(buyer) == await closed_form(buyer, closed_through * HOUR)
    assert await audit_books() == []


async def test_missed_hours_are_caught_up_in_order_and_only_once(
    books: ControlDatabase, reach: InstanceServices
) -> None:
    await stock()
    first = await rewind_shards(books, hours=3)
    buyers = await using_since(reach, first * HOUR + 100)
    this_hour = await clock.now(reading()) // HOUR
    hours = this_hour - first
    assert await catch_up() == SHARDS * hours
    assert await catch_up() == 0
    assert await closes() == SHARDS * hours
    runs = await rows(
        reading(), "SELECT hour, sum(wallets)::int AS wallets FROM hour_closes GROUP BY hour ORDER BY hour"
    )
    assert [run["hour"] for run in runs] == list(range(first, this_hour))
    assert all(run["wallets"] == CUSTOMERS for run in runs)
    await check_exactness(buyers, this_hour)


async def test_what_a_close_posted_is_sealed_and_tied_by_a_checkpoint(
    books: ControlDatabase, reach: InstanceServices
) -> None:
    await stock()
    first = await rewind_shards(books, hours=2)
    buyers = await using_since(reach, first * HOUR + 100)
    await catch_up()
    unsealed = "SELECT count(*) FROM transfers t WHERE t.ordinal > coalesce((SELECT max(s.until_ordinal) FROM seals s"
    assert await value(reading(), f"{unsealed} WHERE s.shard = t.shard), 0)") == 0
    told = await ledger.checkpoint(reading())
    assert told is not None
    assert {each.shard for each in told.seals} == {buyer.wallet.shard for buyer in buyers}
    assert await catch_up() == 0
    assert await value(reading(), "SELECT count(*) FROM checkpoints") == 1


async def test_a_seal_waits_for_what_is_still_on_its_way(books: ControlDatabase) -> None:
    buyer = await customer()
    posted, committed = asyncio.Event(), asyncio.Event()

    async def slow(tx: Connection, locked: LockedWallet) -> None:
        await wallet.credit(tx, locked, key="slow", amount_micros=5)
        posted.set()
        await committed.wait()

    on_its_way = asyncio.create_task(buyer.locked(slow))
    await posted.wait()
    sealing = asyncio.create_task(transact(partial(seal_shard, shard=buyer.wallet.shard)))
    await asyncio.sleep(0.2)
    assert await value(reading(), "SELECT count(*) FROM seals") == 0
    committed.set()
    await on_its_way
    await sealing
    assert await value(reading(), "SELECT transfers FROM seals") == 2
    assert await audit_books() == []


async def test_the_close_of_an_hour_moves_no_depletion(books: ControlDatabase, reach: InstanceServices) -> None:
    await stock()
    first = await rewind_shards(books, hours=2)
    await using_since(reach, first * HOUR + 100)
    before = await rows(reading(), "SELECT wallet_id, depletes_at FROM wallet_depletions ORDER BY wallet_id")
    assert await catch_up()
    assert await rows(reading(), "SELECT wallet_id, depletes_at FROM wallet_depletions ORDER BY wallet_id") == before


async def test_without_a_watcher_the_close_itself_stops_what_ran_out_and_nobody_goes_below_zero(
    books: ControlDatabase, reach: InstanceServices
) -> None:
    await stock()
    first = await rewind_shards(books, hours=6)
    with clock.frozen(first * HOUR + 10):
        poor = await customer(balance_micros=LARGE_PRICE * 2 + 7)
    made = await running_since(reach, poor, first * HOUR + 10)
    held = 0

    def count() -> None:
        nonlocal held
        held += 1

    await close_hours(stopped=lambda: False, held=count)
    assert held == 1
    seen = await poor.see(made.id)
    assert (seen.status, seen.holds) == (Status.SUSPENDING, ("balance",))
    depleted_at = first * HOUR + 10 + 2 * HOUR
    assert [each["until_at"] for each in await rows(reading(), "SELECT until_at FROM usage_segments")] == [depleted_at]
    assert 0 <= await poor.balance() < LARGE_PRICE // HOUR + 1


async def test_two_processes_side_by_side_charge_nothing_twice(books: ControlDatabase, reach: InstanceServices) -> None:
    await stock()
    first = await rewind_shards(books, hours=4)
    buyers = await using_since(reach, first * HOUR + 100)
    with billing_roles(books, count=2) as roles:
        await until(caught_up, seconds=120)
        assert [role.stop() for role in roles] == [0, 0]
        assert all('"level": "error"' not in role.said() for role in roles)
        closed_by = [role.said().count('"hour_closed"') for role in roles]
    this_hour = await clock.now(reading()) // HOUR
    assert await closes() == SHARDS * (this_hour - first)
    assert all(closed_by), closed_by
    await check_exactness(buyers, this_hour)


async def test_kill_9_in_the_middle_of_closing_leaves_each_hour_whole_or_open(
    books: ControlDatabase, reach: InstanceServices
) -> None:
    await stock()
    first = await rewind_shards(books, hours=4)
    buyers = await using_since(reach, first * HOUR + 100)
    chance = random.Random(20261123)
    killed_midway = 0
    for _ in range(4):
        with billing_roles(books) as [role]:
            before = await closes()

            async def moved(before: int = before) -> bool:
                return await closes() > before or await caught_up()

            await until(moved, seconds=60, every=0.02)
            await asyncio.sleep(chance.uniform(0, 0.3))
            role.kill()
        killed_midway += not await caught_up()
        assert await audit_books() == []
    assert killed_midway
    with billing_roles(books) as [role]:
        await until(caught_up, seconds=120)
        assert role.stop() == 0
    this_hour = await clock.now(reading()) // HOUR
    assert await closes() == SHARDS * (this_hour - first)
    await check_exactness(buyers, this_hour)


async def test_nothing_is_billed_while_the_clocks_are_apart(
    books: ControlDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rewind_shards(books, hours=1)
    real = time.time
    monkeypatch.setattr("syneudp.billing.clock_guard.time.time", lambda: real() + 2.5)
    with pytest.raises(ClocksApartError):
        await catch_up()
    assert await closes() == 0
    monkeypatch.setattr("syneudp.billing.clock_guard.time.time", lambda: real() - 1.5)
    assert await catch_up() >= SHARDS


def test_the_progress_of_a_catch_up_tells_how_long_it_takes() -> None:
    progress = Progress(closes_left=1_000, closes=300, segments=600_000, seconds=30)
    assert progress.seconds_left == 100
    assert progress.line() == (
        "To close: 1000 hours of single shards; 10 a second with 20000 segments, about 100 s left."
    )
    assert HourRun(0, 256, 9, 3_000, 1, 100, 102).segments_a_second == 1_000


async def test_48_missed_hours_are_caught_up_strictly_in_order_though_killed_in_the_middle(
    books: ControlDatabase, reach: InstanceServices
) -> None:
    await stock()
    first = await rewind_shards(books, hours=48)
    buyers = await using_since(reach, first * HOUR + 100)
    with billing_roles(books) as [role]:

        async def midway() -> bool:
            return await closes() > SHARDS * 3

        await until(midway, seconds=120, every=0.02)
        role.kill()
    assert 0 < await closes() < SHARDS * 48
    assert await audit_books() == []
    left = (await billing_status(reading())).progress
    assert 0 < left.closes_left < SHARDS * 49
    assert left.seconds_left is not None
    await catch_up()
    this_hour = await clock.now(reading()) // HOUR
    assert await closes() >= SHARDS * 48
    out_of_order = await rows(
        reading(),
        "SELECT shard, hour FROM (SELECT shard, hour, lag(hour) OVER (PARTITION BY shard ORDER BY closed_at, hour)"
        " AS before FROM hour_closes) told WHERE hour <> before + 1",
    )
    assert out_of_order == []
    await check_exactness(buyers, this_hour)


async def test_the_status_tells_watermark_lag_runs_and_what_waits(
    books: ControlDatabase, reach: InstanceServices
) -> None:
    await stock()
    first = await rewind_shards(books, hours=2)
    [buyer, *_] = await using_since(reach, first * HOUR + 100)
    before = await billing_status(reading())
    assert (before.shards_behind, before.last_runs, before.pending_deliveries) == (SHARDS, (), 0)
    assert before.lag_seconds >= 2 * HOUR
    assert before.progress.closes_left == SHARDS * before.lag_seconds // HOUR
    assert before.progress.seconds_left is None
    assert "none was closed in the last minute" in before.progress.line()
    await catch_up()
    await execute(reading(), "INSERT INTO billing_rounds (loop, finished_at) VALUES ('deliver', $1)", before.now)
    await buyer.create("third")
    after = await billing_status(reading())
    assert (after.lag_seconds, after.shards_behind, after.pending_deliveries) == (0, 0, 1)
    assert {run.shards for run in after.last_runs} == {SHARDS}
    assert {run.segments for run in after.last_runs[1:]} == {2 * CUSTOMERS}
    assert after.progress.closes_left == 0
    assert after.progress.closes == SHARDS * len(after.last_runs)
    assert after.progress.line() == "Nothing is left to close."
    assert sum(run.charge_micros for run in after.last_runs) == await value(
        reading(), "SELECT sum(charge_micros)::bigint FROM hour_closes"
    )
    told = "\n".join(after.lines())
    assert "0 s behind" in told
    assert "Deliveries pending: 1." in told
    assert "Loop deliver: last done" in told
    assert (await wallet.overview(reading(), buyer.wallet.id, after.now)).balance_micros < 10 * UNIT
