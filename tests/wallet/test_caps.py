from collections.abc import AsyncIterator
from functools import partial
from uuid import uuid4

import asyncpg
import pytest

from syneudp import wallet
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, execute, reading, row, rows, transact, value
from syneudp.wallet import EndCause, LockedWallet, Month, UsageEnd, WalletRecord
from tests.servers import ControlDatabase
from tests.wallet.customers import (
    HOUR,
    UNIT,
    assert_books_hold,
    balance,
    begin_shards_at,
    catch_up,
    close_hour,
    last_segment,
    locked,
    new_customer,
    overview,
    reprice,
    settle,
    start,
    stop,
    top_up,
    usage_posted,
)
from tests.wallet.pricing import STEP, Tariff, reckonings, store, use

PRICE = 36_000
DECEMBER = Month(2049, 12)
ROLLOVER = DECEMBER.begins_at


@pytest.fixture
async def late(control: ControlDatabase) -> AsyncIterator[int]:
    await begin_shards_at(control, ROLLOVER // HOUR - 2)
    yield ROLLOVER - 2 * HOUR
    await assert_books_hold()


async def cap(record: WalletRecord, monthly_micros: int | None) -> LockedWallet:
    return await locked(record, lambda tx, held: wallet.set_cap(tx, held, monthly_micros=monthly_micros))


async def end_of(record: WalletRecord) -> tuple[int, str] | None:
    found = await row(reading(), "SELECT depletes_at, why FROM wallet_depletions WHERE wallet_id = $1", record.id)
    return None if found is None else (found["depletes_at"], found["why"])


async def alerts(record: WalletRecord) -> list[str]:
    found = await rows(reading(), "SELECT kind FROM wallet_alerts WHERE wallet_id = $1 ORDER BY id", record.id)
    return [each["kind"] for each in found]


async def test_what_runs_ends_at_the_very_second_and_the_balance_is_left_alone(late: int) -> None:
    with clock.frozen(late + 5):
        customer, database = await new_customer(balance_micros=UNIT), uuid4()
        await cap(customer, 205)
        await start(customer, database, PRICE)
        assert await end_of(customer) == (late + 25, "cap")
        seen = await overview(customer)
        assert (seen.depletes_at, seen.cap_reached_at, seen.monthly_cap_micros) == (None, late + 25, 205)
    with clock.frozen(late + 24):
        assert (await settle(customer)).depleted == ()
        assert (await overview(customer)).spent_this_month_micros == 190
    with clock.frozen(late + 300):
        shown = await overview(customer)
        settled = await settle(customer)
        assert (settled.depleted, settled.ended) == ((database,), UsageEnd(late + 25, EndCause.CAP))
        assert (await settle(customer)).depleted == ()
        seen = await overview(customer)
    assert (await last_segment(database))["until_at"] == late + 25
    assert await balance(customer) == UNIT - 200
    assert (seen.spent_this_month_micros, seen.cap_reached_at, seen.depletes_at) == (200, late + 25, None)
    assert (shown.spent_this_month_micros, shown.available_micros, shown.burn_micros_per_hour) == (200, UNIT - 200, 0)
    assert await end_of(customer) is None
    assert await alerts(customer) == ["cap_reached"]
    assert await value(reading(), "SELECT count(*) FROM transfers WHERE reason = 'usage_capped'") == 1


async def test_where_money_and_cap_end_together_it_is_the_money(late: int) -> None:
    with clock.frozen(late):
        customer, database = await new_customer(balance_micros=200), uuid4()
        await cap(customer, 200)
        await start(customer, database, PRICE)
        assert await end_of(customer) == (late + 20, "balance")
    with clock.frozen(late + 20):
        assert (await settle(customer)).ended == UsageEnd(late + 20, EndCause.BALANCE)
    assert await alerts(customer) == ["suspended"]


async def test_closing_hours_cuts_too_with_the_watcher_dead_and_moves_no_end(late: int) -> None:
    with clock.frozen(late):
        customer, database = await new_customer(balance_micros=UNIT), uuid4()
        await cap(customer, 36_000 + 100)
        await start(customer, database, PRICE)
    shard = customer.shard
    with clock.frozen(late + 2 * HOUR):
        await close_hour(shard, late // HOUR)
        assert await end_of(customer) == (late + HOUR + 10, "cap")
        await close_hour(shard, late // HOUR + 1)
        assert await end_of(customer) is None
    assert (await last_segment(database))["until_at"] == late + HOUR + 10
    assert await balance(customer) == UNIT - 36_100
    assert await usage_posted(customer) == 36_100


async def test_the_run_row_of_an_hour_counts_whose_use_ended_in_it_for_the_money_or_for_the_cap(late: int) -> None:
    with clock.frozen(late):
        poor, limited, rich = [
            await new_customer(shard=7, balance_micros=balance_micros) for balance_micros in (100, UNIT, UNIT)
        ]
        await cap(limited, 200)
        for customer in (poor, limited, rich):
            await start(customer, uuid4(), PRICE)
    with clock.frozen(late + 15):
        await settle(poor)
    with clock.frozen(late + HOUR):
        await close_hour(7, late // HOUR)
    assert await value(reading(), "SELECT depletions FROM hour_closes WHERE shard = 7") == 2


async def test_a_new_month_begins_with_nothing_spent(late: int) -> None:
    with clock.frozen(late):
        customer, database = await new_customer(balance_micros=UNIT), uuid4()
        await cap(customer, 2 * 36_000 + 50)
        await start(customer, database, PRICE)
        assert await end_of(customer) == (ROLLOVER + 7205, "cap")
    with clock.frozen(ROLLOVER + 10):
        await catch_up(customer.shard)
        assert await end_of(customer) == (ROLLOVER + 7205, "cap")
        assert (await overview(customer)).spent_this_month_micros == 100
    with clock.frozen(ROLLOVER + 9000):
        await settle(customer)
        await catch_up(customer.shard)
    assert (await last_segment(database))["until_at"] == ROLLOVER + 7205
    assert await usage_posted(customer) == 4 * 36_000 + 50


async def test_a_cap_below_what_is_spent_ends_what_runs_now_and_not_before(late: int) -> None:
    with clock.frozen(late):
        customer, database = await new_customer(balance_micros=UNIT), uuid4()
        await start(customer, database, PRICE)
    with clock.frozen(late + 60):
        told = await cap(customer, 100)
        assert (told.depleted, told.ended) == ((database,), UsageEnd(late + 60, EndCause.CAP))
        assert (await overview(customer)).cap_reached_at == late + 60
    assert (await last_segment(database))["until_at"] == late + 60
    assert await usage_posted(customer) == 600


async def test_a_cap_set_right_after_a_stop_in_the_same_second_still_finds_every_second_charged_once(late: int) -> None:
    with clock.frozen(late):
        customer, first, second = await new_customer(balance_micros=UNIT), uuid4(), uuid4()
        await start(customer, first, PRICE)
        await start(customer, second, PRICE)
    with clock.frozen(late + 10):
        for _ in range(3):
            await stop(customer, first)
            await start(customer, first, PRICE)
        await stop(customer, first)
        await cap(customer, 225)
        await settle(customer)
        await cap(customer, 1)
    assert await usage_posted(customer) == 140 + 100


async def test_raising_and_removing_move_the_end_and_the_same_again_changes_nothing(late: int) -> None:
    with clock.frozen(late):
        customer, database = await new_customer(balance_micros=UNIT), uuid4()
        await start(customer, database, PRICE)
        for _ in range(2):
            await cap(customer, 500)
        assert await end_of(customer) == (late + 50, "cap")
        assert await value(reading(), "SELECT count(*) FROM wallet_caps") == 1
    with clock.frozen(late + 10):
        await cap(customer, 700)
        assert await end_of(customer) == (late + 70, "cap")
        await cap(customer, None)
        seen = await overview(customer)
    assert (seen.monthly_cap_micros, seen.cap_reached_at, seen.depletes_at) == (None, None, late + 100_000)


async def test_a_top_up_moves_no_cap(late: int) -> None:
    with clock.frozen(late):
        customer, database = await new_customer(balance_micros=100), uuid4()
        await cap(customer, 150)
        await start(customer, database, PRICE)
        assert await end_of(customer) == (late + 10, "balance")
        await top_up(customer, UNIT)
        assert await end_of(customer) == (late + 15, "cap")
    with clock.frozen(late + 60):
        await top_up(customer, UNIT)
        assert await end_of(customer) is None
    assert (await last_segment(database))["until_at"] == late + 15


async def test_a_price_and_storage_to_come_are_seen_ahead(late: int) -> None:
    tariff = Tariff()
    await tariff.cost(0, 3600, 16 * 3600)
    with clock.frozen(late + 1800):
        customer, database = await new_customer(balance_micros=UNIT), uuid4()
        await cap(customer, 1800 + 10 * 3 + 2)
        await use(customer, database, tariff)
        await store(customer, database, 2 * STEP)
        assert await end_of(customer) == (late + HOUR + 10, "cap")
        await tariff.cost(late + HOUR, 7200, 16 * 3600)
        for reckoning in await reckonings():
            for wallet_id in await wallet.wallets_of(reading(), reckoning, after=None, limit=10):
                assert wallet_id == customer.id
                await locked(customer, wallet.recompute_depletion)
            await transact(partial(wallet.finish_reckoning, reckoning=reckoning))
        assert await end_of(customer) == (late + HOUR + 8, "cap")
    with clock.frozen(late + 2 * HOUR):
        await catch_up(customer.shard)
    assert await usage_posted(customer) == 1800 + 8 * 4


async def test_what_is_only_stored_counts_and_is_cut(late: int) -> None:
    tariff = Tariff()
    await tariff.cost(0, PRICE, 16 * 7200)
    with clock.frozen(late + 1800):
        customer, database = await new_customer(balance_micros=UNIT), uuid4()
        await cap(customer, 101)
        await use(customer, database, tariff, running=False)
        await store(customer, database, STEP)
        assert await end_of(customer) == (late + HOUR + 50, "cap")
    with clock.frozen(late + 2 * HOUR):
        assert (await settle(customer)).depleted == (database,)
    assert await usage_posted(customer) == 100


async def test_a_start_without_room_ends_at_once_and_free(late: int) -> None:
    with clock.frozen(late):
        customer, database = await new_customer(balance_micros=UNIT), uuid4()
        await cap(customer, 9)
        await start(customer, database, PRICE)
        assert (await settle(customer)).depleted == (database,)
    assert await usage_posted(customer) == 0


async def test_room_is_asked_for_like_money_and_a_new_month_has_its_own(late: int) -> None:
    async def fits(record: WalletRecord, seconds: int) -> bool:
        missing = await locked(record, lambda tx, held: wallet.lacking(tx, held, added=[], runway_seconds=seconds))
        return EndCause.CAP not in missing

    with clock.frozen(ROLLOVER - 10):
        customer, database = await new_customer(balance_micros=UNIT), uuid4()
        assert await fits(customer, HOUR)
        await cap(customer, 100)
        await start(customer, database, PRICE)
        assert await fits(customer, 20)
        assert not await fits(customer, 21)
        await cap(customer, 99)
        assert await fits(customer, 9)
        assert not await fits(customer, 10)


async def test_a_dearer_use_brings_the_end_nearer(late: int) -> None:
    with clock.frozen(late):
        customer, database = await new_customer(balance_micros=UNIT), uuid4()
        await cap(customer, 1000)
        await start(customer, database, PRICE)
    with clock.frozen(late + 9):
        await reprice(customer, database, 2 * PRICE)
        assert await end_of(customer) == (late + 55, "cap")


async def test_a_cap_is_kept_as_it_was_set_and_never_changed(late: int, control: ControlDatabase) -> None:
    with clock.frozen(late):
        customer = await new_customer()
        await cap(customer, 1000)

    async def change(tx: Connection) -> None:
        await execute(tx, "UPDATE wallet_caps SET monthly_micros = 1")

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await transact(change)
    owner = await asyncpg.connect(control.owner_url)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await owner.execute("DELETE FROM wallet_caps")
    finally:
        await owner.close()
