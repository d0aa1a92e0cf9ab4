"""The provider of the local environment: it takes no money and credits at once."""

from collections.abc import Sequence
from typing import Final

from syneudp.wallet.payments.errors import SignatureInvalidError
from syneudp.wallet.payments.values import (
    CheckoutOrder,
    Notice,
    OpenedCheckout,
    PaymentReference,
    PaymentStatus,
    ToldPayment,
)

SANDBOX: Final = "sandbox"


class SandboxProvider:
    """Says that everything asked for was paid. The payment is named after the request, so that it credits once."""

    name = SANDBOX
    checkout_origin = None

    def check_amount(self, amount_micros: int, currency: str) -> None:
        """Take any amount."""

    async def open_checkout(self, order: CheckoutOrder) -> OpenedCheckout:
        """Say that the order is paid already."""
        payment = order.payment
        told = ToldPayment(
            status=PaymentStatus.PAID,
            payment_id=str(payment.request_id),
            amount_micros=payment.amount_micros,
            currency=payment.currency,
            concerns=payment.id,
            wallet_id=payment.wallet_id,
        )
        return OpenedCheckout(told=told)

    async def look(self, reference: PaymentReference) -> ToldPayment | None:
        """Know of no payment: each was settled as it was made."""

    async def notices_since(self, at: int) -> Sequence[Notice]:
        """Know of no event."""
        return ()

    def read_notice(self, body: bytes, signature: str | None) -> Notice:
        """Refuse every event, since the sandbox sends none."""
        raise SignatureInvalidError
