"""Receive what a provider tells of a payment: the books, then what the wallet pays for, in one transaction."""

from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID

from syneudp.instances.change_holds import freeze_indebted, resume_covered
from syneudp.instances.lock_wallet import lock_wallet
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, reading, transact
from syneudp.kernel.logging import log
from syneudp.wallet import payments
from syneudp.wallet.payments import Notice, Payment, PaymentProvider, PaymentReference, Settled, ToldPayment


@dataclass(frozen=True, slots=True)
class Received:
    """What telling the books changed, and the instances that are due to be sent: run again or stopped."""

    settled: Settled
    resumed: tuple[UUID, ...] = ()
    frozen: tuple[UUID, ...] = ()


NOTHING: Final = Received(Settled())


async def receive_payment(tx: Connection, payment: Payment, told: ToldPayment, *, runway_seconds: int) -> Received:
    """Settle a payment under its wallet's lock, then freeze what an indebted wallet runs or resume what it covers.

    Raises what the books refuse, so that nothing of it stays.
    """
    locked = await lock_wallet(tx, payment.wallet_id)
    settled = await payments.settle_payment(tx, locked, payment, told)
    if not settled.changed:
        return NOTHING
    frozen = await freeze_indebted(tx, locked)
    resumed = await resume_covered(tx, locked, runway_seconds=runway_seconds)
    return Received(settled, tuple(resumed), tuple(frozen))


async def ask_payment(provider: PaymentProvider, payment: Payment, *, runway_seconds: int) -> Received:
    """Ask a provider how a payment stands and receive it. Raises PaymentsUnavailableError (503)."""
    reference = PaymentReference(checkout_id=payment.checkout_id, payment_id=payment.payment_id)
    if reference == PaymentReference():
        return NOTHING
    told = await provider.look(reference)
    if told is None:
        log.error("payment_unknown_to_provider", payment=str(payment.id), provider=provider.name)
        return NOTHING
    received = await transact(partial(receive_payment, payment=payment, told=told, runway_seconds=runway_seconds))
    _tell(payment, received)
    return received


async def receive_notice(provider: PaymentProvider, notice: Notice, *, runway_seconds: int) -> Received:
    """Receive what an event of a provider is about, as the provider tells it now; the event is then dealt with.

    An event of nothing that moves money here, or of a payment that is not ours, changes nothing. Raises
    PaymentsUnavailableError (503), also where the provider knows nothing of a payment of ours that its event is about,
    and what the books refuse: the event is then not dealt with.
    """
    if notice.reference is None or notice.foreign:
        log.info("payment_event_passed_over", kind=notice.kind, event_id=notice.event_id, foreign=notice.foreign)
        return NOTHING
    if await payments.is_dealt_with(reading(), provider.name, notice.event_id):
        return NOTHING
    told = await provider.look(notice.reference)
    if told is None and (notice.named or await payments.find_referenced(reading(), provider.name, notice.reference)):
        log.error("payment_unknown_to_provider", event_id=notice.event_id, provider=provider.name)
        raise payments.PaymentsUnavailableError
    payment = None if told is None else await _payment_of(provider, told)
    if told is None or payment is None:
        log.info("payment_event_passed_over", kind=notice.kind, event_id=notice.event_id, foreign=True)
        return NOTHING
    received = await transact(
        partial(_receive_event, payment=payment, told=told, event_id=notice.event_id, runway_seconds=runway_seconds)
    )
    _tell(payment, received, kind=notice.kind)
    return received


async def _receive_event(
    tx: Connection, *, payment: Payment, told: ToldPayment, event_id: str, runway_seconds: int
) -> Received:
    received = await receive_payment(tx, payment, told, runway_seconds=runway_seconds)
    await payments.remember_event(tx, payment.provider, event_id, now=await clock.now(tx))
    return received


async def _payment_of(provider: PaymentProvider, told: ToldPayment) -> Payment | None:
    reference = PaymentReference(checkout_id=told.checkout_id, payment_id=told.payment_id)
    found = await payments.find_referenced(reading(), provider.name, reference)
    if found is not None or told.concerns is None:
        return found
    try:
        named = await payments.payment_of(reading(), told.concerns, wallet_id=told.wallet_id)
    except payments.PaymentNotFoundError:
        return None
    return named if named.provider == provider.name else None


def _tell(payment: Payment, received: Received, **more: str) -> None:
    settled = received.settled
    if settled.changed:
        log.info(
            "payment_settled",
            payment=str(payment.id),
            credited_micros=settled.credited_micros,
            taken_micros=settled.taken_micros,
            given_back_micros=settled.given_back_micros,
            frozen=len(received.frozen),
            **more,
        )
