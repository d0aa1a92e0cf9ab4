"""Putting money into the wallet, for programs and pages alike.

The wish to pay is committed first with its idempotency key; then the provider is asked, outside of any transaction;
then what it answered is recorded. Whoever comes again with the same key goes on from where it stands.
"""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID, uuid5

from syneudp import identity, instances
from syneudp.identity import Act
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, reading, transact
from syneudp.wallet import payments
from syneudp.wallet.payments import AmountNotPayableError, CheckoutOrder, Payment, PaymentStatus
from syneudp.web.acts import DELIVERY_SECONDS, record
from syneudp.web.customers import Customer
from syneudp.web.once import Once, bind, claim
from syneudp.web.services import WebServices

DELIVERIES_AT_ONCE_MAX: Final = 8
CHECKOUT_SECONDS_MIN: Final = 35 * 60
AMOUNT_REFUSED: Final = "amount_refused"


@dataclass(frozen=True, slots=True)
class ToppedUp:
    """A payment in micro-units as it stands, where it can be paid, and the databases that it brought back."""

    id: UUID
    amount_micros: int
    status: PaymentStatus
    checkout_url: str | None
    replayed: bool
    resumed: tuple[UUID, ...] = ()


async def top_up(services: WebServices, customer: Customer, *, amount_micros: int, wanted: Once) -> ToppedUp:
    """Put money into the wallet: at once with the sandbox, else by a checkout that the customer is sent to.

    Asks the auth server first. The request's name is derived from customer and key, so that neither the books nor the
    provider take it twice, even where the key itself was forgotten. Raises AmountInvalidError and AmountNotPayableError
    (422), and PaymentsUnavailableError (503), after which the same key goes on.
    """
    provider = services.payments
    provider.check_amount(amount_micros, customer.wallet.currency)
    await identity.confirm_live_session(services.auth, customer.access_token)
    payment, replayed = await transact(
        partial(_intend, services=services, customer=customer, amount_micros=amount_micros, wanted=wanted)
    )
    now = await clock.now(reading())
    if payment.status is not PaymentStatus.PENDING or payment.checkout_url is not None:
        return _told(payment, now, replayed=replayed)
    if payment.expires_at - now < CHECKOUT_SECONDS_MIN:
        return ToppedUp(payment.id, payment.amount_micros, PaymentStatus.EXPIRED, None, replayed)
    try:
        opened = await provider.open_checkout(_order(services, payment))
    except AmountNotPayableError:
        await transact(partial(payments.record_refusal, payment_id=payment.id, failure=AMOUNT_REFUSED))
        raise
    if opened.told is not None:
        runway = services.instances.runway_seconds
        received = await transact(
            partial(instances.receive_payment, payment=payment, told=opened.told, runway_seconds=runway)
        )
        await deliver_some(services, received.resumed)
        return ToppedUp(payment.id, payment.amount_micros, PaymentStatus.PAID, None, replayed, resumed=received.resumed)
    recorded = await transact(
        partial(
            payments.record_checkout,
            payment_id=payment.id,
            checkout_id=str(opened.checkout_id),
            checkout_url=str(opened.checkout_url),
        )
    )
    return _told(recorded, now, replayed=replayed)


async def _intend(
    tx: Connection, *, services: WebServices, customer: Customer, amount_micros: int, wanted: Once
) -> tuple[Payment, bool]:
    made = await claim(tx, customer, wanted)
    if made is not None:
        return await payments.payment_of(tx, made, wallet_id=customer.wallet.id), True
    payment = await payments.intend(
        tx,
        customer.wallet,
        provider=services.payments.name,
        request_id=uuid5(customer.user.id, f"{wanted.scope} {wanted.key}"),
        amount_micros=amount_micros,
        now=await clock.now(tx),
    )
    await record(tx, customer, Act.TOP_UP, payment.id)
    await bind(tx, customer, wanted, payment.id)
    return payment, False


def _order(services: WebServices, payment: Payment) -> CheckoutOrder:
    page = f"{services.settings.public_url}/wallet/top-ups/{payment.id}"
    return CheckoutOrder(payment=payment, success_url=f"{page}?back=paid", cancel_url=f"{page}?back=left")


def _told(payment: Payment, now: int, *, replayed: bool) -> ToppedUp:
    if payment.failure == AMOUNT_REFUSED:
        raise AmountNotPayableError
    status = payment.status
    if status is PaymentStatus.PENDING and payment.expires_at <= now:
        status = PaymentStatus.EXPIRED
    url = payment.checkout_url if status is PaymentStatus.PENDING else None
    return ToppedUp(payment.id, payment.amount_micros, status, url, replayed)


async def deliver_some(services: WebServices, resumed: tuple[UUID, ...]) -> None:
    """Have the first few that run again, or stop, carried out at once; the billing role does the rest."""
    deliveries = [
        instances.deliver(services.instances, instance_id, timeout_seconds=DELIVERY_SECONDS)
        for instance_id in resumed[:DELIVERIES_AT_ONCE_MAX]
    ]
    await asyncio.gather(*deliveries)
