"""Payments as values: amounts in micro-units unless named minor, instants in epoch seconds."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class PaymentStatus(StrEnum):
    """Where a payment stands.

    `pending`: the customer has not paid yet. `processing`: paid, and the provider waits for the money. `paid`:
    credited, for good. `failed` and `expired`: no money came, though money that comes after all is still credited.
    """

    PENDING = "pending"
    PROCESSING = "processing"
    PAID = "paid"
    FAILED = "failed"
    EXPIRED = "expired"


OPEN_STATUSES = frozenset({PaymentStatus.PENDING, PaymentStatus.PROCESSING})


class ReversalKind(StrEnum):
    """How a provider takes money back: the operator refunds, or the customer's bank disputes the charge."""

    REFUND = "refund"
    DISPUTE = "dispute"


@dataclass(frozen=True, slots=True)
class Payment:
    """A wish to put money in, kept before the provider is told of it.

    `request_id` names it to the provider and is derived from the customer and their idempotency key. `payment_id` is
    the provider's own name, known once there is one; `checkout_url` is where the customer pays until `expires_at`.
    """

    id: UUID
    wallet_id: UUID
    provider: str
    request_id: UUID
    amount_micros: int
    currency: str
    status: PaymentStatus
    checkout_id: str | None
    checkout_url: str | None
    payment_id: str | None
    receipt_url: str | None
    failure: str
    created_at: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class ToldReversal:
    """Money that the provider took back from a payment, or gave back again where `active` is false."""

    reversal_id: str
    kind: ReversalKind
    amount_micros: int
    currency: str
    active: bool


@dataclass(frozen=True, slots=True)
class ToldPayment:
    """A payment as its provider tells it now.

    `concerns` is the payment of ours that it carries in its metadata, with its wallet; both None for one that is not
    ours. `amount_micros` is what was received, and only `paid` makes it count.
    """

    status: PaymentStatus
    payment_id: str | None = None
    checkout_id: str | None = None
    amount_micros: int = 0
    currency: str = ""
    concerns: UUID | None = None
    wallet_id: UUID | None = None
    receipt_url: str | None = None
    reversals: tuple[ToldReversal, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckoutOrder:
    """What a provider is asked to collect; the same `payment` asked for again is the same checkout."""

    payment: Payment
    success_url: str
    cancel_url: str


@dataclass(frozen=True, slots=True)
class OpenedCheckout:
    """What the provider made of an order: a page to pay on, or at once a payment that is already settled."""

    checkout_id: str | None = None
    checkout_url: str | None = None
    told: ToldPayment | None = None


@dataclass(frozen=True, slots=True)
class PaymentReference:
    """How to ask a provider for a payment: by checkout, by its own payment, or by both."""

    checkout_id: str | None = None
    payment_id: str | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """An event of the provider's: that something happened to a payment, not what; `at` is when, in epoch seconds.

    `named` says that it names a payment of ours, `foreign` that it would if it were ours. A notice without a reference
    is about nothing that moves money here.
    """

    event_id: str
    kind: str
    at: int
    reference: PaymentReference | None
    named: bool = False
    foreign: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """What telling the books about a payment changed, in micro-units; all zero where they knew already."""

    credited_micros: int = 0
    taken_micros: int = 0
    given_back_micros: int = 0

    @property
    def changed(self) -> bool:
        """Whether any money moved."""
        return bool(self.credited_micros or self.taken_micros or self.given_back_micros)
