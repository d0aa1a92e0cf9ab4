"""How money comes in: providers behind one interface, and payments from the first wish to the last dispute."""

from syneudp.wallet.payments.errors import (
    AmountNotPayableError,
    ModeMismatchError,
    PaymentNotFoundError,
    PaymentsUnavailableError,
    SignatureInvalidError,
)
from syneudp.wallet.payments.events import (
    forget_events,
    is_dealt_with,
    move_through,
    read_through,
    remember_event,
)
from syneudp.wallet.payments.provider import PaymentProvider
from syneudp.wallet.payments.queries import keep_receipt, payments_with_receipt, unsettled_payments
from syneudp.wallet.payments.records import (
    CHECKOUT_SECONDS,
    claim_asking,
    due_payments,
    find_referenced,
    intend,
    lapse,
    open_payments_of,
    payment_of,
    record_checkout,
    record_refusal,
)
from syneudp.wallet.payments.sandbox import SANDBOX, SandboxProvider
from syneudp.wallet.payments.settle import settle_payment
from syneudp.wallet.payments.values import (
    OPEN_STATUSES,
    CheckoutOrder,
    Notice,
    OpenedCheckout,
    Payment,
    PaymentReference,
    PaymentStatus,
    ReversalKind,
    Settled,
    ToldPayment,
    ToldReversal,
)

__all__ = [
    "CHECKOUT_SECONDS",
    "OPEN_STATUSES",
    "SANDBOX",
    "AmountNotPayableError",
    "CheckoutOrder",
    "ModeMismatchError",
    "Notice",
    "OpenedCheckout",
    "Payment",
    "PaymentNotFoundError",
    "PaymentProvider",
    "PaymentReference",
    "PaymentStatus",
    "PaymentsUnavailableError",
    "ReversalKind",
    "SandboxProvider",
    "Settled",
    "SignatureInvalidError",
    "ToldPayment",
    "ToldReversal",
    "claim_asking",
    "due_payments",
    "find_referenced",
    "forget_events",
    "intend",
    "is_dealt_with",
    "keep_receipt",
    "lapse",
    "move_through",
    "open_payments_of",
    "payment_of",
    "payments_with_receipt",
    "read_through",
    "record_checkout",
    "record_refusal",
    "remember_event",
    "settle_payment",
    "unsettled_payments",
]
