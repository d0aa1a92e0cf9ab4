from uuid import UUID

import pytest

from syneudp import instances
from syneudp.billing.end_retention import end_retention
from syneudp.instances import InstanceServices, Status
from syneudp.kernel import clock
from syneudp.kernel.database import reading, value
from syneudp.wallet import LockedWallet
from syneudp.wallet.payments import SandboxProvider
from tests.billing.past import HOUR, confirm, running_since
from tests.instances.shop import LARGE_PRICE, UNIT, customer, placed, stock

pytestmark = pytest.mark.usefixtures("books")
DAY = 86_400
RETENTION = 14 * DAY


async def end(runway_seconds: int = HOUR) -> int:
    return await end_retention(provider=SandboxProvider(), retention_seconds=RETENTION, runway_seconds=runway_seconds)


async def test_data_goes_only_after_the_whole_retention_under_the_balance_hold(reach: InstanceServices) -> None:
    await stock()
    buyer, rich = await customer(balance_micros=LARGE_PRICE), await customer()
    now = await clock.now(reading())
    made = await running_since(reach, buyer, now)
    resting = await running_since(reach, rich, now)
    with clock.frozen(now + HOUR):
        await rich.suspend(resting.id)
        assert await buyer.locked(lambda tx, locked: _depleted(locked)) == (made.id,)
        await confirm(reach, made.id)
    with clock.frozen(now + HOUR + RETENTION - 1):
        assert await end() == 0
        assert (await buyer.see(made.id)).status is Status.SUSPENDED
    with clock.frozen(now + HOUR + RETENTION):
        assert await end() == 1
        assert await end() == 0
        assert (await buyer.see(made.id)).status is Status.TERMINATING
        assert "retention_ended" in await buyer.events(made.id)
        assert await value(reading(), "SELECT count(*) FROM instance_credentials WHERE instance_id = $1", made.id) == 1
        assert await placed() == 2
        await confirm(reach, made.id)
        assert (await buyer.see(made.id)).status is Status.TERMINATED
        assert await placed() == 1
        assert await value(reading(), "SELECT count(*) FROM instance_credentials WHERE instance_id = $1", made.id) == 0
        assert (await rich.see(resting.id)).holds == ("owner",)


async def test_a_wallet_that_covers_it_by_then_keeps_its_data(reach: InstanceServices) -> None:
    await stock()
    buyer = await customer(balance_micros=LARGE_PRICE)
    now = await clock.now(reading())
    made = await running_since(reach, buyer, now)
    with clock.frozen(now + 2 * HOUR):
        await buyer.locked(lambda tx, locked: _depleted(locked))
        await confirm(reach, made.id)
        assert await buyer.top_up(LARGE_PRICE // 2) == []
    with clock.frozen(now + 2 * HOUR + RETENTION):
        assert await end(runway_seconds=HOUR // 4) == 0
        assert (await buyer.see(made.id)).status is Status.RESUMING
        await confirm(reach, made.id)
        assert (await buyer.see(made.id)).status is Status.RUNNING


async def test_a_new_hold_begins_a_new_retention(reach: InstanceServices) -> None:
    await stock()
    buyer = await customer(balance_micros=LARGE_PRICE)
    now = await clock.now(reading())
    made = await running_since(reach, buyer, now)
    with clock.frozen(now + 2 * HOUR):
        await buyer.locked(lambda tx, locked: _depleted(locked))
        await confirm(reach, made.id)
    with clock.frozen(now + 10 * DAY):
        assert await buyer.top_up(UNIT) == [made.id]
        await confirm(reach, made.id)
    with clock.frozen(now + 12 * DAY):
        await buyer.locked(lambda tx, locked: _depleted(locked))
        await confirm(reach, made.id)
        assert (await buyer.see(made.id)).holds == ("balance",)
    with clock.frozen(now + 12 * DAY + RETENTION - 1):
        assert await end() == 0
    assert await instances.count_pending(reading()) == 0


async def _depleted(locked: LockedWallet) -> tuple[UUID, ...]:
    return locked.depleted
