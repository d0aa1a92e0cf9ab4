"""One payment: where the customer comes back to after paying, or not, and what happens next."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from quart import Blueprint, Response, request
from quart_schema import hide

from syneudp.kernel import clock
from syneudp.kernel.database import reading
from syneudp.wallet import payments
from syneudp.wallet.payments import Payment, PaymentReference, PaymentStatus
from syneudp.web.access import Access, access, current_customer
from syneudp.web.console.answers import current_writer, page, see_other
from syneudp.web.console.streams import Glimpse, stream
from syneudp.web.console.views import Tone
from syneudp.web.customers import Customer
from syneudp.web.limits import READING, SECRETS, limited
from syneudp.web.services import current_services

BACK: Final = "back"
LEFT: Final = "left"
WORDS: Final[Mapping[PaymentStatus, tuple[str, Tone, str]]] = {
    PaymentStatus.PENDING: ("Not paid yet", Tone.WAIT, "can still be paid"),
    PaymentStatus.PROCESSING: ("On its way", Tone.WAIT, "paid, the bank is sending it"),
    PaymentStatus.PAID: ("Paid", Tone.LIVE, "in your wallet"),
    PaymentStatus.FAILED: ("Failed", Tone.STOP, "nothing was charged"),
    PaymentStatus.EXPIRED: ("Expired", Tone.GONE, "nothing was charged"),
}
SENTENCES: Final[Mapping[PaymentStatus, str]] = {
    PaymentStatus.PENDING: "As soon as Stripe confirms the payment, the money is in your wallet. This page tells you.",
    PaymentStatus.PROCESSING: (
        "Your bank is sending the money, which takes some days with some ways of paying. It is in your wallet as soon"
        " as it arrives; you need do nothing more."
    ),
    PaymentStatus.PAID: "The money is in your wallet, and what had stopped for want of it is coming back.",
    PaymentStatus.FAILED: "The payment did not go through and nothing was charged. Try again, perhaps another way.",
    PaymentStatus.EXPIRED: "The page to pay on has expired and nothing was charged. Begin anew from your wallet.",
}
LEFT_SENTENCE: Final = "You came back before paying, so nothing was charged. You can go on paying, or leave it."


@dataclass(frozen=True, slots=True)
class PaymentView:
    """A payment in words; `checkout_url` is where it can still be paid, `receipt` says that there is one to look at."""

    id: UUID
    amount_micros: int
    created_at: int
    expires_at: int
    word: str
    tone: Tone
    short: str
    sentence: str
    checkout_url: str | None
    receipt: bool
    over: bool


def add_routes(blueprint: Blueprint) -> None:
    """Add this noun's routes."""
    blueprint.get("/wallet/top-ups/<uuid:payment_id>")(show_payment)
    blueprint.get("/wallet/top-ups/<uuid:payment_id>/stream")(stream_payment)
    blueprint.get("/wallet/top-ups/<uuid:payment_id>/receipt")(show_receipt)


@hide
@access(Access.SESSION)
@limited(READING)
async def show_payment(payment_id: UUID) -> Response:
    """Show how a payment stands, with what to do next."""
    left = request.args.get(BACK) == LEFT
    shown = await payment_of(current_customer(), payment_id, left=left)
    return await page("wallet/payment.html", section="wallet", payment=shown, left=left)


@hide
@access(Access.SESSION)
@limited(READING)
async def stream_payment(payment_id: UUID) -> Response:
    """Tell how a payment stands until that is known for good."""
    customer, write, left = current_customer(), current_writer(), request.args.get(BACK) == LEFT

    async def look() -> Glimpse:
        shown = await payment_of(customer, payment_id, left=left)
        return Glimpse(shape=shown, text=write("wallet/payment_live.html", payment=shown), over=shown.over)

    return await stream(look)


@hide
@access(Access.SESSION)
@limited(SECRETS)
async def show_receipt(payment_id: UUID) -> Response:
    """Send the customer to the provider's receipt, asked for where it is not known yet.

    Raises PaymentNotFoundError (404), also while there is no receipt, and PaymentsUnavailableError (503).
    """
    payment = await payments.payment_of(reading(), payment_id, wallet_id=current_customer().wallet.id)
    return see_other(payment.receipt_url or await _asked(payment))


async def unsettled_of(customer: Customer) -> tuple[PaymentView, ...]:
    """Read the payments that are under way, and those of the last day that came to nothing."""
    now = await clock.now(reading())
    found = await payments.unsettled_payments(reading(), customer.wallet.id, now)
    return tuple(_view(payment, now) for payment in found)


async def payment_of(customer: Customer, payment_id: UUID, *, left: bool = False) -> PaymentView:
    """Read one payment; `left` says that its customer came back without paying. Raises PaymentNotFoundError (404)."""
    now = await clock.now(reading())
    return _view(await payments.payment_of(reading(), payment_id, wallet_id=customer.wallet.id), now, left=left)


async def _asked(payment: Payment) -> str:
    provider = current_services().payments
    reference = PaymentReference(checkout_id=payment.checkout_id, payment_id=payment.payment_id)
    if reference == PaymentReference() or payment.provider != provider.name:
        raise payments.PaymentNotFoundError
    told = await provider.look(reference)
    if told is None or told.receipt_url is None:
        raise payments.PaymentNotFoundError("There is no receipt for this payment yet.")
    await payments.keep_receipt(reading(), payment.id, told.receipt_url)
    return told.receipt_url


def _view(payment: Payment, now: int, *, left: bool = False) -> PaymentView:
    status = payment.status
    if status is PaymentStatus.PENDING and payment.expires_at <= now:
        status = PaymentStatus.EXPIRED
    word, tone, short = WORDS[status]
    waits = status is PaymentStatus.PENDING
    return PaymentView(
        id=payment.id,
        amount_micros=payment.amount_micros,
        created_at=payment.created_at,
        expires_at=payment.expires_at,
        word=word,
        tone=tone,
        short=short,
        sentence=LEFT_SENTENCE if waits and left else SENTENCES[status],
        checkout_url=payment.checkout_url if waits else None,
        receipt=status is PaymentStatus.PAID and payment.checkout_id is not None,
        over=status not in payments.OPEN_STATUSES,
    )
