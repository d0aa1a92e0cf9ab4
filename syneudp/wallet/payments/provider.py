"""Where money comes from: the one interface that every payment provider has."""

from collections.abc import Sequence
from typing import Protocol

from syneudp.wallet.payments.values import (
    CheckoutOrder,
    Notice,
    OpenedCheckout,
    PaymentReference,
    ToldPayment,
)


class PaymentProvider(Protocol):
    """A payment provider. Its calls go over the network, so that none is made inside a transaction.

    Each may raise PaymentsUnavailableError (503). `checkout_origin` is the origin that a browser is sent to, if any.
    """

    @property
    def name(self) -> str:
        """Name the provider as the books do."""

    @property
    def checkout_origin(self) -> str | None:
        """Tell where customers pay, or None where they are sent nowhere."""

    def check_amount(self, amount_micros: int, currency: str) -> None:
        """Refuse an amount that cannot be collected exactly. Raises AmountNotPayableError."""

    async def open_checkout(self, order: CheckoutOrder) -> OpenedCheckout:
        """Ask for the money; asked again for the same payment, the answer is the same.

        Raises AmountNotPayableError where the provider takes no payment of that size.
        """

    async def look(self, reference: PaymentReference) -> ToldPayment | None:
        """Ask how a payment stands now, with everything taken back from it; None where the provider knows none."""

    async def notices_since(self, at: int) -> Sequence[Notice]:
        """List what happened since an instant (epoch seconds), oldest first."""

    def read_notice(self, body: bytes, signature: str | None) -> Notice:
        """Read an event that was sent here, once its signature is found good.

        Raises SignatureInvalidError and ModeMismatchError.
        """
