"""Stripe as a payment provider, through its own library over aiohttp."""

from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import aiohttp
import stripe

from syneudp.kernel.logging import log
from syneudp.wallet.payments.errors import AmountNotPayableError, PaymentsUnavailableError
from syneudp.wallet.payments.minor_units import step_micros, to_minor
from syneudp.wallet.payments.stripe.events import HEEDED, read_event, verified
from syneudp.wallet.payments.stripe.objects import (
    PAYMENT_KEY,
    WALLET_KEY,
    identifier_of,
    read_dispute,
    read_intent,
    read_refund,
    read_session,
)
from syneudp.wallet.payments.values import (
    CheckoutOrder,
    Notice,
    OpenedCheckout,
    PaymentReference,
    ToldPayment,
    ToldReversal,
)

STRIPE: Final = "stripe"
CALL_SECONDS: Final = 8.0
RETRIES_MAX: Final = 1
PAGE: Final = 100
PRODUCT: Final = "Database credit"
LIVE_KEYS: Final = ("sk_live_", "rk_live_")
AMOUNT_REFUSALS: Final = frozenset({"amount_too_small", "amount_too_large"})
LOST: Final = (aiohttp.ClientError, TimeoutError)

Answer = TypeVar("Answer")


class StripeProvider:
    """Collects through Checkout in payment mode.

    Events are taken as notices only: what they are about is asked for again, so that order, number and age of events
    change nothing. `webhook_secrets` are all accepted, two while one replaces the other.
    """

    name = STRIPE

    def __init__(
        self, client: stripe.StripeClient, *, live: bool, webhook_secrets: Sequence[str], checkout_origin: str
    ) -> None:
        self._client = client
        self._live = live
        self._webhook_secrets = tuple(webhook_secrets)
        self._checkout_origin = checkout_origin

    @property
    def checkout_origin(self) -> str | None:
        """Tell where Checkout's pages are."""
        return self._checkout_origin

    def check_amount(self, amount_micros: int, currency: str) -> None:
        """Refuse an amount that is no whole number of the currency's minor units. Raises AmountNotPayableError."""
        try:
            to_minor(amount_micros, currency)
        except ValueError:
            raise AmountNotPayableError(
                f"Payments in {currency} are multiples of {step_micros(currency)} micro-units. Choose such an amount."
            ) from None

    async def open_checkout(self, order: CheckoutOrder) -> OpenedCheckout:
        """Open a Checkout Session under an idempotency key that is the payment's own.

        The key and every parameter follow from the payment, so that a repetition within 24 hours gives the same
        session. Raises AmountNotPayableError and PaymentsUnavailableError.
        """
        payment = order.payment
        concerns = {PAYMENT_KEY: str(payment.id), WALLET_KEY: str(payment.wallet_id)}
        session = await self._ask(
            self._client.v1.checkout.sessions.create_async(
                {
                    "mode": "payment",
                    "line_items": [
                        {
                            "quantity": 1,
                            "price_data": {
                                "currency": payment.currency.lower(),
                                "unit_amount": to_minor(payment.amount_micros, payment.currency),
                                "product_data": {"name": PRODUCT},
                            },
                        }
                    ],
                    "client_reference_id": str(payment.wallet_id),
                    "metadata": concerns,
                    "payment_intent_data": {"metadata": concerns},
                    "adaptive_pricing": {"enabled": False},
                    "expires_at": payment.expires_at,
                    "success_url": order.success_url,
                    "cancel_url": order.cancel_url,
                },
                {"idempotency_key": f"syneudp-{payment.request_id}"},
            )
        )
        if session is None or session.url is None:
            raise PaymentsUnavailableError
        if not session.url.startswith(f"{self._checkout_origin}/"):
            log.error("checkout_at_another_origin", expected=self._checkout_origin, variable="STRIPE_CHECKOUT_ORIGIN")
        return OpenedCheckout(checkout_id=session.id, checkout_url=session.url)

    async def look(self, reference: PaymentReference) -> ToldPayment | None:
        """Ask for the session or the intent, and for its refunds and disputes once there is an intent."""
        if reference.checkout_id is not None:
            session = await self._ask(
                self._client.v1.checkout.sessions.retrieve_async(
                    reference.checkout_id, {"expand": ["payment_intent.latest_charge"]}
                )
            )
            if session is None:
                return None
            told = session.to_dict()
            payment_id = identifier_of(told.get("payment_intent"))
            return read_session(told, await self._reversals(payment_id) if payment_id else ())
        intent = await self._ask(
            self._client.v1.payment_intents.retrieve_async(str(reference.payment_id), {"expand": ["latest_charge"]})
        )
        if intent is None:
            return None
        return read_intent(intent.to_dict(), await self._reversals(str(reference.payment_id)))

    async def notices_since(self, at: int) -> Sequence[Notice]:
        """List Stripe's events of the last 30 days at most that were made at or after an instant, oldest first."""
        page = await self._ask(
            self._client.v1.events.list_async({"types": list(HEEDED), "created": {"gte": at}, "limit": PAGE})
        )
        if page is None:
            return ()
        events = [each.to_dict() async for each in self._all(page)]
        return [read_event(each, live=self._live) for each in reversed(events)]

    def read_notice(self, body: bytes, signature: str | None) -> Notice:
        """Check the signature over the raw body, then read which payment the event is about.

        Raises SignatureInvalidError, ModeMismatchError, MalformedRequestError.
        """
        return read_event(verified(body, signature, self._webhook_secrets), live=self._live)

    async def _reversals(self, payment_id: str) -> list[ToldReversal]:
        refunds = await self._ask(self._client.v1.refunds.list_async({"payment_intent": payment_id, "limit": PAGE}))
        disputes = await self._ask(self._client.v1.disputes.list_async({"payment_intent": payment_id, "limit": PAGE}))
        told: list[ToldReversal | None] = []
        if refunds is not None:
            told += [read_refund(each.to_dict()) async for each in self._all(refunds)]
        if disputes is not None:
            told += [read_dispute(each.to_dict()) async for each in self._all(disputes)]
        return [reversal for reversal in told if reversal is not None]

    async def _all(self, page: Any) -> AsyncIterator[Any]:
        items = aiter(page.auto_paging_iter())
        while True:
            try:
                item = await anext(items)
            except StopAsyncIteration:
                return
            except stripe.StripeError as failure:
                raise _unavailable(failure) from None
            except LOST as failure:
                log.error("stripe_answer_lost", kind=type(failure).__name__)
                raise PaymentsUnavailableError from None
            yield item

    async def _ask(self, call: Awaitable[Answer]) -> Answer | None:
        try:
            return await call
        except stripe.InvalidRequestError as failure:
            if failure.code == "resource_missing":
                return None
            if failure.code in AMOUNT_REFUSALS:
                raise AmountNotPayableError from None
            raise _unavailable(failure) from None
        except stripe.StripeError as failure:
            raise _unavailable(failure) from None
        except LOST as failure:
            log.error("stripe_answer_lost", kind=type(failure).__name__)
            raise PaymentsUnavailableError from None


@asynccontextmanager
async def open_stripe(
    *, secret_key: str, webhook_secrets: Sequence[str], api_base: str, checkout_origin: str
) -> AsyncIterator[StripeProvider]:
    """Open a client of Stripe's API for the life of a role; the key says whether live money counts."""
    stripe.enable_telemetry = False
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=CALL_SECONDS)) as session:
        client = stripe.StripeClient(
            secret_key,
            base_addresses={"api": api_base},
            http_client=stripe.AIOHTTPClient(session=session, timeout=CALL_SECONDS),
            max_network_retries=RETRIES_MAX,
        )
        yield StripeProvider(
            client,
            live=secret_key.startswith(LIVE_KEYS),
            webhook_secrets=webhook_secrets,
            checkout_origin=checkout_origin,
        )


def _unavailable(failure: stripe.StripeError) -> PaymentsUnavailableError:
    log.error(
        "stripe_call_failed",
        kind=type(failure).__name__,
        status=failure.http_status,
        stripe_code=failure.code,
        stripe_request=failure.request_id,
    )
    return PaymentsUnavailableError()
