"""Read Stripe's objects, as its API tells them, into what the books need; nothing here asks anybody.

Source: Stripe's API reference for Checkout Sessions, PaymentIntents, Charges, Refunds and Disputes.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from syneudp.wallet.payments.minor_units import to_micros
from syneudp.wallet.payments.values import PaymentStatus, ReversalKind, ToldPayment, ToldReversal

PAYMENT_KEY: Final = "syneudp_payment"
WALLET_KEY: Final = "syneudp_wallet"
INTENT_STATUSES: Final[Mapping[str, PaymentStatus]] = {
    "succeeded": PaymentStatus.PAID,
    "processing": PaymentStatus.PROCESSING,
    "canceled": PaymentStatus.FAILED,
}
REFUNDS_UNDONE: Final = frozenset({"failed", "canceled"})
INQUIRIES: Final = frozenset({"warning_needs_response", "warning_under_review", "warning_closed", "prevented"})

Told = Mapping[str, Any]


def identifier_of(told: Any) -> str | None:
    """Tell the id of what Stripe names by its id or, expanded, by itself."""
    if isinstance(told, str):
        return told or None
    return None if told is None else str(told["id"])


def read_session(session: Told, reversals: Iterable[ToldReversal] = ()) -> ToldPayment:
    """Read a Checkout Session whose payment intent is expanded, with its latest charge.

    A complete session that is not paid waits for the money, unless its intent asks for another payment method: then
    the money did not come. An open one is pending whatever card was tried on it.
    """
    intent = session.get("payment_intent")
    told = ToldPayment(status=PaymentStatus.PENDING) if intent is None else read_intent(intent, reversals)
    concerns, wallet_id = concern_of(session.get("metadata"))
    status = told.status
    if status is not PaymentStatus.PAID:
        status = _unpaid(session, intent)
    return ToldPayment(
        status=status,
        payment_id=told.payment_id,
        checkout_id=str(session["id"]),
        amount_micros=told.amount_micros,
        currency=told.currency,
        concerns=told.concerns or concerns,
        wallet_id=told.wallet_id or wallet_id,
        receipt_url=told.receipt_url,
        reversals=told.reversals,
    )


def read_intent(intent: Told, reversals: Iterable[ToldReversal] = ()) -> ToldPayment:
    """Read a PaymentIntent whose latest charge is expanded; only what was received counts as its amount."""
    concerns, wallet_id = concern_of(intent.get("metadata"))
    currency = str(intent["currency"]).upper()
    charge = intent.get("latest_charge")
    return ToldPayment(
        status=INTENT_STATUSES.get(str(intent["status"]), PaymentStatus.PENDING),
        payment_id=str(intent["id"]),
        amount_micros=to_micros(int(intent["amount_received"]), currency),
        currency=currency,
        concerns=concerns,
        wallet_id=wallet_id,
        receipt_url=charge.get("receipt_url") if isinstance(charge, Mapping) else None,
        reversals=tuple(reversals),
    )


def read_refund(refund: Told) -> ToldReversal:
    """Read a Refund: its money has left from its creation on, and is back once it failed or was canceled."""
    currency = str(refund["currency"]).upper()
    return ToldReversal(
        reversal_id=str(refund["id"]),
        kind=ReversalKind.REFUND,
        amount_micros=to_micros(int(refund["amount"]), currency),
        currency=currency,
        active=refund.get("status") not in REFUNDS_UNDONE,
    )


def read_dispute(dispute: Told) -> ToldReversal | None:
    """Read a Dispute: the bank has taken its amount, and gives it back once it is won; None while it only inquires."""
    if dispute["status"] in INQUIRIES:
        return None
    currency = str(dispute["currency"]).upper()
    return ToldReversal(
        reversal_id=str(dispute["id"]),
        kind=ReversalKind.DISPUTE,
        amount_micros=to_micros(int(dispute["amount"]), currency),
        currency=currency,
        active=dispute["status"] != "won",
    )


def concern_of(metadata: Any) -> tuple[UUID | None, UUID | None]:
    """Read which payment of which wallet an object was made for; two Nones for one that is not ours."""
    told = metadata if isinstance(metadata, Mapping) else {}
    try:
        return UUID(str(told[PAYMENT_KEY])), UUID(str(told[WALLET_KEY]))
    except (KeyError, ValueError):
        return None, None


def _unpaid(session: Told, intent: Any) -> PaymentStatus:
    if session.get("status") == "expired":
        return PaymentStatus.EXPIRED
    if session.get("status") != "complete":
        return PaymentStatus.PENDING
    if session.get("payment_status") == "no_payment_required" or intent is None:
        return PaymentStatus.FAILED
    return (
        PaymentStatus.FAILED
        if intent["status"] in {"requires_payment_method", "canceled"}
        else PaymentStatus.PROCESSING
    )
