"""Tell the books what a provider tells of a payment: credit it once, take back what was taken, give back what came."""

from typing import Any, Final

from syneudp.kernel.database import Connection, execute, row
from syneudp.kernel.logging import log
from syneudp.ledger import AccountKind, Reason, reversible
from syneudp.wallet.corrections import credit, debit
from syneudp.wallet.payments.errors import PaymentNotFoundError
from syneudp.wallet.payments.records import ASKED_EVERY_SECONDS_MIN
from syneudp.wallet.payments.values import (
    OPEN_STATUSES,
    Payment,
    PaymentStatus,
    ReversalKind,
    Settled,
    ToldPayment,
    ToldReversal,
)
from syneudp.wallet.top_ups import credit_top_up
from syneudp.wallet.values import LockedWallet, TopUp

LOCK: Final = "SELECT status, payment_id FROM payments WHERE id = $1 AND wallet_id = $2 FOR NO KEY UPDATE"
UPDATE: Final = (
    "UPDATE payments SET status = $2, payment_id = coalesce(payment_id, $3), receipt_url = coalesce($4, receipt_url),"
    " ask_at = CASE WHEN $5 THEN coalesce(ask_at, $7) END, failure = $6 WHERE id = $1"
)
FIND_REVERSAL: Final = (
    "SELECT taken_id, undone, amount_micros FROM payment_reversals"
    " WHERE provider = $1 AND reversal_id = $2 FOR NO KEY UPDATE"
)
INSERT_REVERSAL: Final = (
    "INSERT INTO payment_reversals"
    " (provider, reversal_id, payment_id, kind, amount_micros, taken_id, undone, created_at)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
)
UNDO_REVERSAL: Final = (
    "UPDATE payment_reversals SET given_back_id = $3, undone = true WHERE provider = $1 AND reversal_id = $2"
)
NOT_PAID: Final = "not_paid"
TAKEN_FOR: Final = {ReversalKind.REFUND: Reason.REFUND, ReversalKind.DISPUTE: Reason.DISPUTE}
GIVEN_BACK_FOR: Final = {ReversalKind.REFUND: Reason.REFUND_UNDONE, ReversalKind.DISPUTE: Reason.DISPUTE_WON}


async def settle_payment(tx: Connection, locked: LockedWallet, payment: Payment, told: ToldPayment) -> Settled:
    """Bring the books to what the provider tells, whatever they know already; the same twice changes nothing.

    A payment is credited once for its provider and the provider's own id. A refund or dispute takes its amount back
    once and, undone, gives it back once; one that came undone before it was heard of takes nothing. The caller freezes
    or resumes what the wallet pays for. A payment in another currency than the wallet's is left alone, with an alarm; a
    dispute in another currency takes what is left of the payment.
    """
    held: Any = await row(tx, LOCK, payment.id, locked.wallet.id)
    if told.payment_id is not None and told.currency != locked.wallet.currency:
        log.error("payment_of_another_currency", payment=str(payment.id), told=told.currency)
        return Settled()
    if held is None:
        raise PaymentNotFoundError
    paid = told.status is PaymentStatus.PAID and told.payment_id is not None and told.amount_micros > 0
    top_up = None
    if paid:
        first = held["payment_id"] in {None, told.payment_id}
        top_up = await credit_top_up(
            tx,
            locked,
            provider=payment.provider,
            payment_id=str(told.payment_id),
            amount_micros=told.amount_micros,
            top_up_id=payment.id if first else None,
        )
    status = next_status(PaymentStatus(held["status"]), told.status, paid=paid)
    await execute(
        tx,
        UPDATE,
        payment.id,
        status.value,
        told.payment_id,
        told.receipt_url,
        status in OPEN_STATUSES,
        NOT_PAID if status is PaymentStatus.FAILED else "",
        locked.now + ASKED_EVERY_SECONDS_MIN,
    )
    if top_up is None:
        return Settled()
    taken = given_back = 0
    for reversal in told.reversals:
        moved = await _reverse(tx, locked, payment, reversal, top_up=top_up)
        taken += max(moved, 0)
        given_back += max(-moved, 0)
    credited = 0 if top_up.replayed else top_up.amount_micros
    return Settled(credited_micros=credited, taken_micros=taken, given_back_micros=given_back)


def next_status(held: PaymentStatus, told: PaymentStatus, *, paid: bool) -> PaymentStatus:
    """Decide where a payment stands after it was told: paid is for good, and pending is no news."""
    if paid or held is PaymentStatus.PAID:
        return PaymentStatus.PAID
    return held if told in {PaymentStatus.PAID, PaymentStatus.PENDING} else told


async def _reverse(tx: Connection, locked: LockedWallet, payment: Payment, told: ToldReversal, *, top_up: TopUp) -> int:
    found: Any = await row(tx, FIND_REVERSAL, payment.provider, told.reversal_id)
    if found is None:
        return await _take(tx, locked, payment, told, top_up=top_up)
    if told.active or found["undone"]:
        return 0
    given = await credit(
        tx,
        locked,
        key=f"undone-{told.kind.value}:{payment.provider}:{told.reversal_id}",
        amount_micros=found["amount_micros"],
        reason=GIVEN_BACK_FOR[told.kind],
        counter=AccountKind.CLEARING,
        provider=payment.provider,
        subject_id=top_up.id,
        reverses_id=found["taken_id"],
    )
    await execute(tx, UNDO_REVERSAL, payment.provider, told.reversal_id, given.transfer_id)
    return -int(found["amount_micros"])


async def _take(tx: Connection, locked: LockedWallet, payment: Payment, told: ToldReversal, *, top_up: TopUp) -> int:
    left = await reversible(tx, top_up.transfer_id)
    amount = told.amount_micros if told.currency == locked.wallet.currency else left
    if amount <= 0:
        return 0
    taken_id = None
    if told.active:
        taken = await debit(
            tx,
            locked,
            reason=TAKEN_FOR[told.kind],
            key=f"{told.kind.value}:{payment.provider}:{told.reversal_id}",
            amount_micros=amount,
            counter=AccountKind.CLEARING,
            provider=payment.provider,
            subject_id=top_up.id,
            reverses_id=top_up.transfer_id if amount <= left else None,
        )
        taken_id = taken.transfer_id
    await execute(
        tx,
        INSERT_REVERSAL,
        payment.provider,
        told.reversal_id,
        payment.id,
        told.kind.value,
        amount,
        taken_id,
        not told.active,
        locked.now,
    )
    return amount if told.active else 0
