"""Stripe: Checkout to collect, signed events as notices, and its own objects, asked again, as the truth."""

from syneudp.wallet.payments.stripe.provider import StripeProvider

__all__ = ["StripeProvider"]
