"""Cut the connection right before each statement of what moves money and instances in one transaction."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from functools import partial
from uuid import UUID

import pytest

from syneudp import instances
from syneudp.commands.ledger_audit import audit_books
from syneudp.engines.client import AgentClient
from syneudp.instances import InstanceServices, InstanceView, Status
from syneudp.instances.deliver import _claim
from syneudp.instances.outcomes import record_applied
from syneudp.instances.parcels import Parcel
from syneudp.instances.receive_payment import _receive_event
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, reading, transact
from syneudp.wallet import payments
from syneudp.wallet.payments import PaymentStatus, ReversalKind, ToldPayment, ToldReversal
from tests.billing.past import applied, running_since
from tests.instances.shop import LARGE_PRICE, TOKEN, Customer, customer, services, stock
from tests.proof.books import assert_whole_or_nothing
from tests.servers import ControlDatabase
from tests.wallet.customers import HOUR, begin_shards_at

FIRST_HOUR = 700_000
AT = FIRST_HOUR * HOUR
STATEMENTS_MIN = 3
PAID = 10 * LARGE_PRICE
Work = Callable[[Connection], Awaitable[object]]


@pytest.fixture
async def reach(control: ControlDatabase) -> AsyncIterator[InstanceServices]:
    """Plans and hosts since the first hour, and what delivers to them."""
    await begin_shards_at(control, FIRST_HOUR)
    with clock.frozen(AT):
        await stock()
    async with AgentClient(TOKEN) as agents:
        yield services(agents)


async def owner_of_one(reach: InstanceServices, *, hours: int, shard: int = 7) -> tuple[Customer, InstanceView]:
    with clock.frozen(AT):
        buyer = await customer(balance_micros=hours * LARGE_PRICE, shard=shard)
    return buyer, await running_since(reach, buyer, AT)


async def money_ends_of_many(reach: InstanceServices) -> AsyncIterator[Work]:
    owners = [await owner_of_one(reach, hours=1, shard=shard) for shard in (0, 0, 7)]
    yield partial(instances.settle_many, wallet_ids=[buyer.wallet.id for buyer, _ in owners])
    for buyer, made in owners:
        assert (await buyer.see(made.id)).status is Status.SUSPENDING
        assert await buyer.balance() == 0


async def payment_to_the_last_dispute(reach: InstanceServices) -> AsyncIterator[Work]:
    buyer, made = await owner_of_one(reach, hours=1)
    await transact(partial(instances.settle_many, wallet_ids=[buyer.wallet.id]))
    payment = await transact(
        partial(
            payments.intend, wallet=buyer.wallet, provider="stripe", request_id=UUID(int=1), amount_micros=PAID, now=AT
        )
    )
    paid = ToldPayment(PaymentStatus.PAID, "pi_1", "cs_1", amount_micros=PAID, currency=payment.currency)
    refund = ToldReversal("re_1", ReversalKind.REFUND, LARGE_PRICE, payment.currency, active=True)
    dispute = ToldReversal("dp_1", ReversalKind.DISPUTE, PAID, payment.currency, active=True)
    for number, (reversals, balance, holds) in enumerate(
        (
            ((), PAID, ()),
            ((refund, dispute), 0, ("frozen",)),
            ((refund, replace(dispute, active=False)), PAID - LARGE_PRICE, ()),
        )
    ):
        yield partial(
            _receive_event,
            payment=payment,
            told=replace(paid, reversals=reversals),
            event_id=f"evt_{number}",
            runway_seconds=HOUR,
        )
        assert await buyer.balance() == balance
        assert (await buyer.see(made.id)).holds == holds


async def delivery_confirmed(reach: InstanceServices) -> AsyncIterator[Work]:
    buyer = await customer(balance_micros=2 * LARGE_PRICE)
    made = await buyer.create()
    yield partial(_claim, services=reach, instance_id=made.id, seconds=1)
    with clock.frozen(await clock.now(reading()) + HOUR):
        claimed = await transact(partial(_claim, services=reach, instance_id=made.id, seconds=1))
        assert isinstance(claimed, Parcel)
        yield partial(record_applied, sent=claimed.sent, applied=applied(claimed.sent))
        assert (await buyer.see(made.id)).status is Status.RUNNING


WORKS: dict[str, Callable[[InstanceServices], AsyncIterator[Work]]] = {
    "money ends of many": money_ends_of_many,
    "payment to the last dispute": payment_to_the_last_dispute,
    "delivery confirmed": delivery_confirmed,
}


@pytest.mark.parametrize("what", WORKS)
async def test_a_crash_around_instances_leaves_nothing_and_the_same_again_is_once(
    reach: InstanceServices, what: str
) -> None:
    with clock.frozen(AT + 2 * HOUR):
        async for work in WORKS[what](reach):
            await assert_whole_or_nothing(work, statements_min=STATEMENTS_MIN)
    assert await audit_books() == []
