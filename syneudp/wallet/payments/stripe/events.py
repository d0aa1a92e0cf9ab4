"""Read Stripe's events as notices: which payment something happened to. What happened is asked for afterwards.

The signature is checked by Stripe's own library over the raw body (Stripe-Signature, scheme v1, within 300 s).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import stripe

from syneudp.kernel.errors import MalformedRequestError
from syneudp.wallet.payments.errors import ModeMismatchError, SignatureInvalidError
from syneudp.wallet.payments.stripe.objects import concern_of, identifier_of
from syneudp.wallet.payments.values import Notice, PaymentReference

TOLERANCE_SECONDS: Final = 300
SESSION_EVENTS: Final = (
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
)
INTENT_EVENTS: Final = ("payment_intent.succeeded",)
REVERSAL_EVENTS: Final = (
    "charge.refunded",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
)
HEEDED: Final = (*SESSION_EVENTS, *INTENT_EVENTS, *REVERSAL_EVENTS)


def verified(body: bytes, signature: str | None, secrets: Sequence[str]) -> dict[str, Any]:
    """Check a body against each accepted secret in turn and parse it.

    Raises SignatureInvalidError, and MalformedRequestError where a signed body is no event.
    """
    if not any(_signed_with(secret, body, signature) for secret in secrets):
        raise SignatureInvalidError
    try:
        event = json.loads(body)
    except ValueError:
        raise MalformedRequestError from None
    if not isinstance(event, dict) or event.get("object") != "event":
        raise MalformedRequestError
    return event


def read_event(event: Mapping[str, Any], *, live: bool) -> Notice:
    """Read an event; `live` says in which mode money counts here.

    An object that carries metadata of its own and names no payment of ours is foreign. Raises ModeMismatchError, and
    MalformedRequestError where the event lacks what every event has.
    """
    try:
        kind, mode = str(event["type"]), event["livemode"]
        if mode is not live:
            raise ModeMismatchError
        told = event["data"]["object"]
        heeded = kind in HEEDED
        named = heeded and concern_of(told.get("metadata"))[0] is not None
        return Notice(
            event_id=str(event["id"]),
            kind=kind,
            at=int(event["created"]),
            reference=_reference(kind, told) if heeded else None,
            named=named,
            foreign=heeded and kind not in REVERSAL_EVENTS and not named,
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise MalformedRequestError from None


def _reference(kind: str, told: Mapping[str, Any]) -> PaymentReference | None:
    if kind in SESSION_EVENTS:
        return PaymentReference(checkout_id=str(told["id"]), payment_id=identifier_of(told.get("payment_intent")))
    payment_id = str(told["id"]) if kind in INTENT_EVENTS else identifier_of(told.get("payment_intent"))
    return None if payment_id is None else PaymentReference(payment_id=payment_id)


def _signed_with(secret: str, body: bytes, signature: str | None) -> bool:
    if signature is None or not signature.isascii():
        return False
    try:
        return bool(stripe.WebhookSignature.verify_header(body, signature, secret, tolerance=TOLERANCE_SECONDS))
    except (stripe.SignatureVerificationError, UnicodeDecodeError):
        return False
