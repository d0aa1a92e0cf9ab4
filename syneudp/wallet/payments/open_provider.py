"""Open the provider that the settings name, for the life of a role."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from syneudp.wallet.payments.provider import PaymentProvider
from syneudp.wallet.payments.sandbox import SANDBOX, SandboxProvider
from syneudp.wallet.settings import WalletSettings


@asynccontextmanager
async def open_provider(settings: WalletSettings) -> AsyncIterator[PaymentProvider]:
    """Open the payment provider, to be closed with the role.

    Stripe's library takes longer to import than everything else together, so that only who pays with it waits for it.
    """
    if settings.payments == SANDBOX:
        yield SandboxProvider()
        return
    if settings.stripe_secret_key is None:
        raise ValueError("STRIPE_SECRET_KEY is required where SYNEUDP_PAYMENTS is stripe")
    from syneudp.wallet.payments.stripe.provider import open_stripe

    async with open_stripe(
        secret_key=settings.stripe_secret_key.get_secret_value(),
        webhook_secrets=settings.stripe_webhook_secrets,
        api_base=settings.stripe_api_base,
        checkout_origin=settings.stripe_checkout_origin,
    ) as provider:
        yield provider
