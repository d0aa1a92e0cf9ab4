"""Cut the connection right before each statement of each unit of work that moves money or usage."""

from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID

import pytest

from syneudp import ledger, wallet
from syneudp.billing.close_hours import close_hour
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, transact
from syneudp.ledger import AccountKind, Reason
from syneudp.wallet import LockedWallet, WalletRecord
from tests.proof.books import assert_whole_or_nothing
from tests.servers import ControlDatabase
from tests.wallet.customers import HOUR, UNIT, assert_books_hold, begin_shards_at, new_customer
from tests.wallet.pricing import STEP, Tariff, use

FIRST_HOUR = 700_000
AT = FIRST_HOUR * HOUR
SHARD = 7
PRICE = 36_000
STATEMENTS_MIN = 3
RUNS, IDLE = UUID(int=1), UUID(int=2)
TARIFF, DEARER = Tariff(UUID(int=3)), Tariff(UUID(int=4))
Work = Callable[[Connection], Awaitable[object]]
Act = Callable[[Connection, LockedWallet], Awaitable[object]]


@pytest.fixture
async def customer(control: ControlDatabase) -> WalletRecord:
    """A customer with money for a little over an hour of what runs since the beginning of the first hour."""
    await begin_shards_at(control, FIRST_HOUR)
    with clock.frozen(AT):
        made = await new_customer(shard=SHARD, balance_micros=PRICE + 100)
        await TARIFF.cost(0, PRICE)
        await DEARER.cost(0, 2 * PRICE)
        await use(made, RUNS, TARIFF)
    return made


def under_lock(act: Act) -> Callable[[WalletRecord], Work]:
    def prepared(record: WalletRecord) -> Work:
        async def whole(tx: Connection) -> object:
            return await act(tx, await wallet.lock_wallet(tx, record.id))

        return whole

    return prepared


def alone(work: Work) -> Callable[[WalletRecord], Work]:
    return lambda _: work


async def nothing(tx: Connection, held: LockedWallet) -> None:
    return


async def owe(tx: Connection, held: LockedWallet) -> None:
    await wallet.debit(
        tx, held, reason=Reason.ADJUSTMENT, key="owed", amount_micros=UNIT, counter=AccountKind.ADJUSTMENTS
    )
    await wallet.close_segment(tx, held, resource_id=RUNS)


async def grant_and_reverse(tx: Connection, held: LockedWallet) -> None:
    granted = await wallet.credit(tx, held, key="granted", amount_micros=UNIT)
    await wallet.debit(
        tx,
        held,
        reason=Reason.REFUND,
        key="taken",
        amount_micros=50,
        counter=AccountKind.CREDITS,
        reverses_id=granted.transfer_id,
    )


async def seal(tx: Connection) -> None:
    await wallet.lock_shard_for_close(tx, SHARD)
    await ledger.seal(tx, SHARD)
    await ledger.take_checkpoint(tx)


WORKS: dict[str, tuple[int, Callable[[WalletRecord], Work]]] = {
    "start": (40, under_lock(partial(wallet.open_segment, resource_id=IDLE, tariff_id=TARIFF.id))),
    "stop": (40, under_lock(partial(wallet.close_segment, resource_id=RUNS))),
    "resize": (40, under_lock(partial(wallet.reprice_segment, resource_id=RUNS, tariff_id=DEARER.id))),
    "pause": (40, under_lock(partial(wallet.reprice_segment, resource_id=RUNS, running=False))),
    "top-up": (
        40,
        under_lock(partial(wallet.credit_top_up, provider="sandbox", payment_id="paid", amount_micros=UNIT)),
    ),
    "credit and its reversal": (40, under_lock(grant_and_reverse)),
    "debt": (40, under_lock(owe)),
    "limit": (40, under_lock(partial(wallet.set_cap, monthly_micros=500))),
    "limit below what is spent": (40, under_lock(partial(wallet.set_cap, monthly_micros=1))),
    "storage": (40, under_lock(partial(wallet.plan_storage, resource_id=RUNS, stored_bytes=3 * STEP))),
    "price": (
        40,
        alone(
            partial(
                wallet.add_tariff_version,
                tariff_id=TARIFF.id,
                begins_at=AT + HOUR,
                price_micros_per_hour=7,
                storage_price_micros_per_gib_hour=0,
            )
        ),
    ),
    "end of the money": (2 * HOUR, under_lock(nothing)),
    "hour": (HOUR, alone(partial(close_hour, shard=SHARD, hour=FIRST_HOUR, held=lambda: None, seals=True))),
    "hour in which the money ends": (
        2 * HOUR,
        alone(partial(close_hour, shard=SHARD, hour=FIRST_HOUR + 1, held=lambda: None)),
    ),
    "seal and checkpoint": (40, alone(seal)),
}


@pytest.mark.parametrize("what", WORKS)
async def test_a_crash_before_any_statement_leaves_nothing_and_the_same_again_is_once(
    customer: WalletRecord, what: str
) -> None:
    later, prepare = WORKS[what]
    work = prepare(customer)
    with clock.frozen(AT + later):
        if later == 2 * HOUR:
            await transact(partial(close_hour, shard=SHARD, hour=FIRST_HOUR, held=lambda: None))
        await assert_whole_or_nothing(work, statements_min=STATEMENTS_MIN)
    await assert_books_hold()
