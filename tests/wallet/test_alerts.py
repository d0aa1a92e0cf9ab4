import asyncio
from uuid import UUID, uuid4

import pytest

from syneudp import wallet
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, reading, rows, transact
from syneudp.wallet import Alert, AlertKind, WalletRecord
from tests.wallet.customers import (
    HOUR,
    assert_books_hold,
    catch_up,
    new_customer,
    reprice,
    settle,
    start,
    stop,
    top_up,
)

PRICE = 3_600_000


async def look(*, times: int = 1) -> list[AlertKind]:
    raised: list[AlertKind] = []
    for wallet_id in await wallet.due_alerts(reading(), await clock.now(reading()), 100):
        for kind in await asyncio.gather(*[look_at(wallet_id) for _ in range(times)]):
            raised += [kind] if kind else []
    return raised


async def look_at(wallet_id: UUID) -> AlertKind | None:
    async def raise_it(tx: Connection) -> AlertKind | None:
        return await wallet.raise_runway_alert(tx, await wallet.lock_wallet(tx, wallet_id))

    return await transact(raise_it)


async def told(customer: WalletRecord) -> list[Alert]:
    page = await wallet.alerts_of(reading(), customer.id, limit=100, cursor=None)
    return list(reversed(page.items))


async def burning(now: int, *, hours: int) -> tuple[WalletRecord, UUID]:
    resource = uuid4()
    with clock.frozen(now):
        customer = await new_customer(balance_micros=hours * PRICE)
        await start(customer, resource, PRICE)
    return customer, resource


async def test_each_threshold_is_told_once_with_the_numbers_of_the_moment(books: int) -> None:
    customer, resource = await burning(books, hours=100)
    for hours, expected in [
        (27, []),
        (28, [AlertKind.RUNWAY_72_HOURS]),
        (29, []),
        (76, [AlertKind.RUNWAY_24_HOURS]),
        (77, []),
        (99, [AlertKind.RUNWAY_1_HOUR]),
    ]:
        with clock.frozen(books + hours * HOUR):
            assert await look() == expected
            assert await look() == []
    with clock.frozen(books + 100 * HOUR + 7):
        assert (await settle(customer)).depleted == (resource,)
        await settle(customer)
        assert await look() == []
    first, _, _, last = await told(customer)
    assert first == Alert(
        id=first.id,
        wallet_id=customer.id,
        kind=AlertKind.RUNWAY_72_HOURS,
        raised_at=books + 28 * HOUR,
        balance_micros=100 * PRICE,
        available_micros=72 * PRICE,
        burn_micros_per_hour=PRICE,
        ends_at=books + 100 * HOUR,
        resource_ids=(resource,),
    )
    assert (last.kind, last.ends_at, last.raised_at) == (
        AlertKind.SUSPENDED,
        books + 100 * HOUR,
        books + 100 * HOUR + 7,
    )
    assert (last.available_micros, last.burn_micros_per_hour, last.resource_ids) == (0, PRICE, (resource,))


async def test_a_top_up_above_a_threshold_arms_it_again_and_a_smaller_one_does_not(books: int) -> None:
    customer, _ = await burning(books, hours=80)
    with clock.frozen(books + 60 * HOUR):
        assert await look() == [AlertKind.RUNWAY_24_HOURS]
        await top_up(customer, 3 * PRICE)
        assert await look() == []
        await top_up(customer, 17 * PRICE)
        assert await look() == []
    with clock.frozen(books + 76 * HOUR):
        assert await look() == [AlertKind.RUNWAY_24_HOURS]
        await top_up(customer, 100 * PRICE)
        assert await look() == []
    with clock.frozen(books + 128 * HOUR):
        assert await look() == [AlertKind.RUNWAY_72_HOURS]
    assert [each.kind for each in await told(customer)] == [
        AlertKind.RUNWAY_24_HOURS,
        AlertKind.RUNWAY_24_HOURS,
        AlertKind.RUNWAY_72_HOURS,
    ]


async def test_a_suspension_ends_the_thresholds_and_a_second_one_is_told_again(books: int) -> None:
    customer, resource = await burning(books, hours=2)
    with clock.frozen(books + 2 * HOUR):
        await settle(customer)
        await top_up(customer, 2 * PRICE)
        await start(customer, resource, PRICE)
        assert await look() == []
    with clock.frozen(books + 3 * HOUR):
        assert await look() == [AlertKind.RUNWAY_1_HOUR]
    with clock.frozen(books + 9 * HOUR):
        assert await look() == []
        await settle(customer)
    assert [each.kind for each in await told(customer)] == [
        AlertKind.SUSPENDED,
        AlertKind.RUNWAY_1_HOUR,
        AlertKind.SUSPENDED,
    ]


async def test_stopping_and_another_price_within_a_threshold_repeat_nothing(books: int) -> None:
    customer, resource = await burning(books, hours=50)
    with clock.frozen(books + 10):
        assert await look() == [AlertKind.RUNWAY_72_HOURS]
        await stop(customer, resource)
        assert await look() == []
    with clock.frozen(books + 20):
        await start(customer, resource, PRICE)
        assert await look() == []
        await reprice(customer, resource, PRICE + 36)
        assert await look() == []
    assert len(await told(customer)) == 1


async def test_two_processes_at_once_tell_a_customer_once(books: int) -> None:
    customer, _ = await burning(books, hours=24)
    with clock.frozen(books + 5):
        assert await look(times=6) == [AlertKind.RUNWAY_24_HOURS]
    assert len(await told(customer)) == 1


async def test_the_close_of_hours_moves_no_look_and_what_is_not_due_is_not_found(books: int) -> None:
    customer, _ = await burning(books, hours=200)
    await burning(books, hours=1000)
    before = await rows(reading(), "SELECT * FROM wallet_alert_watches ORDER BY wallet_id")
    with clock.frozen(books + 9 * HOUR):
        await catch_up(customer.shard)
        assert await wallet.due_alerts(reading(), books + 9 * HOUR, 100) == []
    assert await rows(reading(), "SELECT * FROM wallet_alert_watches ORDER BY wallet_id") == before
    assert await wallet.due_alerts(reading(), books + 128 * HOUR, 100) == [customer.id]
    await assert_books_hold()


async def test_an_alert_is_announced_once(books: int) -> None:
    customer, _ = await burning(books, hours=1)
    with clock.frozen(books + 5):
        await look()
    taken = await asyncio.gather(*[transact(wallet.take_unannounced) for _ in range(4)])
    [announced] = [each for each in taken if each is not None]
    assert (announced.alert.wallet_id, announced.user_id) == (customer.id, customer.user_id)
    assert await transact(wallet.take_unannounced) is None


async def test_a_crash_before_the_commit_announces_nothing(books: int) -> None:
    await burning(books, hours=1)
    with clock.frozen(books + 5):
        await look()
    with pytest.raises(RuntimeError):
        await transact(_fail_after_taking)
    assert await transact(wallet.take_unannounced) is not None


async def _fail_after_taking(tx: Connection) -> None:
    await wallet.take_unannounced(tx)
    raise RuntimeError
