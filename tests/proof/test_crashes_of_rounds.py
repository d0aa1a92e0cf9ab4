"""Cut the connection right before each statement of each transaction of billing's rounds over wallets."""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from uuid import UUID

import pytest

from syneudp import wallet, webhooks
from syneudp.billing.close_hours import close_hour
from syneudp.billing.quarantine import _readmit, _set_aside
from syneudp.billing.raise_alerts import _raise_runway
from syneudp.billing.reckon_prices import _finish, _look
from syneudp.billing.send_webhooks import _announce
from syneudp.commands.ledger_audit import audit_books
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, reading, transact
from syneudp.kernel.sealing import Keyring
from syneudp.wallet import WalletRecord
from syneudp.webhooks import Failure
from syneudp.webhooks.deliver import GONE, _claim, record_outcome
from syneudp.webhooks.values import Outcome
from tests.proof.books import assert_whole_or_nothing
from tests.servers import ControlDatabase
from tests.wallet.customers import HOUR, begin_shards_at, new_customer, usage_posted
from tests.wallet.pricing import Tariff, reckonings, use

FIRST_HOUR = 700_000
AT = FIRST_HOUR * HOUR
SHARD = 7
STATEMENTS_MIN = 2
PRICE = 36_000
BALANCE = 2 * PRICE
KEYRING = Keyring({"k1": bytes(range(32))})
RUNS = UUID(int=1)
TARIFF = Tariff(UUID(int=3))
Work = Callable[[Connection], Awaitable[object]]


@pytest.fixture
async def customer(control: ControlDatabase) -> WalletRecord:
    """A customer with money for two hours of what runs since the beginning of the first one."""
    await begin_shards_at(control, FIRST_HOUR)
    with clock.frozen(AT):
        made = await new_customer(shard=SHARD, balance_micros=BALANCE)
        await TARIFF.cost(0, PRICE)
        await use(made, RUNS, TARIFF)
    return made


def close(hour: int) -> Work:
    return partial(close_hour, shard=SHARD, hour=hour, held=lambda: None)


async def set_aside(record: WalletRecord) -> AsyncIterator[Work]:
    yield partial(_set_aside, shard=SHARD, hour=FIRST_HOUR, culprits=[(record.id, "refused")])
    yield close(FIRST_HOUR)
    yield partial(_readmit, wallet_id=record.id)


async def set_aside_until_after_the_money(record: WalletRecord) -> AsyncIterator[Work]:
    await transact(partial(_set_aside, shard=SHARD, hour=FIRST_HOUR, culprits=[(record.id, "refused")]))
    for hour in range(3):
        await transact(close(FIRST_HOUR + hour))
    yield partial(_readmit, wallet_id=record.id)


async def price_reckoned(record: WalletRecord) -> AsyncIterator[Work]:
    await TARIFF.cost(AT + 2 * HOUR, 2 * PRICE)
    [told] = [each for each in await reckonings() if each.shard == SHARD]
    assert await wallet.wallets_of(reading(), told, after=None, limit=2) == [record.id]
    yield partial(_look, wallet_id=record.id)
    yield partial(_finish, reckoning=told)


async def alert_told(record: WalletRecord) -> AsyncIterator[Work]:
    await transact(
        partial(
            webhooks.add_endpoint, owner_id=record.user_id, url="https://customer.example.com/hook", keyring=KEYRING
        )
    )
    yield partial(_raise_runway, wallet_id=record.id)
    yield _announce
    yield partial(_claim, keyring=KEYRING, busy=[])
    for hours, outcome in enumerate((Outcome(503, Failure.STATUS), Outcome(GONE, Failure.STATUS)), start=2):
        with clock.frozen(AT + hours * HOUR):
            parcel = await webhooks.claim_delivery(keyring=KEYRING, busy=[])
            assert parcel is not None
            yield partial(record_outcome, parcel=parcel, outcome=outcome)


WORKS: dict[str, tuple[int, Callable[[WalletRecord], AsyncIterator[Work]]]] = {
    "set aside": (HOUR + 40, set_aside),
    "set aside until after the money": (3 * HOUR, set_aside_until_after_the_money),
    "price reckoned": (40, price_reckoned),
    "alert told": (HOUR, alert_told),
}


@pytest.mark.parametrize("what", WORKS)
async def test_a_crash_in_a_round_leaves_nothing_and_the_same_again_is_once(customer: WalletRecord, what: str) -> None:
    later, works = WORKS[what]
    with clock.frozen(AT + later):
        async for work in works(customer):
            await assert_whole_or_nothing(work, statements_min=STATEMENTS_MIN)
        for hour in range(FIRST_HOUR, FIRST_HOUR + later // HOUR):
            await transact(close(hour))
    assert await audit_books() == []
    assert await usage_posted(customer) == min(later // HOUR * PRICE, BALANCE)
