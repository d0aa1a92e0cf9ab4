"""Ask the payment provider for what it should have told: payments still open, and events that never arrived."""

from collections.abc import Callable
from functools import partial
from typing import Final
from uuid import UUID

from syneudp import instances
from syneudp.kernel import clock
from syneudp.kernel.database import reading, transact
from syneudp.kernel.logging import log
from syneudp.wallet import payments
from syneudp.wallet.payments import Notice, Payment, PaymentProvider, PaymentsUnavailableError

DUE_AT_ONCE: Final = 50
EVENTS_EVERY_SECONDS: Final = 300
OVERLAP_SECONDS: Final = 600


async def poll_payments(provider: PaymentProvider, *, runway_seconds: int, moved: Callable[[], None]) -> int:
    """Ask about every open payment that is due, and every five minutes for events; answers how many moved money.

    `moved` is called where any did, since instances may wait to be told. Any number of processes share it. What cannot
    be received is logged and asked for again. Raises PaymentsUnavailableError where the provider does not answer.
    """
    now = await clock.now(reading())
    received = 0
    for payment in await payments.due_payments(reading(), now, DUE_AT_ONCE):
        received += await _ask_due(provider, payment, now=now, runway_seconds=runway_seconds)
    received += await _read_events(provider, now=now, runway_seconds=runway_seconds)
    if received:
        moved()
    return received


async def ask_open_payments(wallet_id: UUID, *, provider: PaymentProvider, runway_seconds: int) -> None:
    """Ask about every payment of a wallet that is still open. Raises PaymentsUnavailableError."""
    for payment in await payments.open_payments_of(reading(), wallet_id):
        if payment.provider == provider.name:
            await instances.ask_payment(provider, payment, runway_seconds=runway_seconds)


async def _ask_due(provider: PaymentProvider, payment: Payment, *, now: int, runway_seconds: int) -> bool:
    if not await transact(partial(payments.claim_asking, payment=payment, now=now)):
        return False
    if payment.checkout_id is None or payment.provider != provider.name:
        if await transact(partial(payments.lapse, payment=payment, now=now)):
            log.info("payment_lapsed", payment=str(payment.id))
        return False
    try:
        received = await instances.ask_payment(provider, payment, runway_seconds=runway_seconds)
    except PaymentsUnavailableError:
        raise
    except Exception:
        log.exception("payment_not_received", payment=str(payment.id))
        return False
    return received.settled.changed


async def _read_events(provider: PaymentProvider, *, now: int, runway_seconds: int) -> int:
    through = await payments.read_through(reading(), provider.name)
    if through is None:
        await transact(partial(payments.move_through, provider=provider.name, at=now))
        return 0
    if now < through + EVENTS_EVERY_SECONDS:
        return 0
    moved, failed = 0, False
    for notice in await provider.notices_since(through - OVERLAP_SECONDS):
        received = await _receive(provider, notice, runway_seconds=runway_seconds)
        failed = failed or received is None
        moved += bool(received)
    if not failed:
        await transact(partial(payments.move_through, provider=provider.name, at=now))
        await transact(partial(payments.forget_events, now=now))
    return moved


async def _receive(provider: PaymentProvider, notice: Notice, *, runway_seconds: int) -> bool | None:
    try:
        received = await instances.receive_notice(provider, notice, runway_seconds=runway_seconds)
    except PaymentsUnavailableError:
        raise
    except Exception:
        log.exception("payment_event_not_received", event_id=notice.event_id, kind=notice.kind)
        return None
    if received.settled.changed:
        log.warning("payment_event_was_missed", event_id=notice.event_id, kind=notice.kind)
    return received.settled.changed
