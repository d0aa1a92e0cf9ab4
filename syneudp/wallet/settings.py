"""The variables the wallet reads: where money comes from."""

import re
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from syneudp.kernel.settings import Settings

SECRET_KEY: Final = re.compile(r"(?:sk|rk)_(?:test|live)_[A-Za-z0-9]{1,200}")
WEBHOOK_SECRET: Final = re.compile(r"whsec_[A-Za-z0-9+/=_-]{16,200}")


def _secret_key(told: SecretStr) -> SecretStr:
    if not SECRET_KEY.fullmatch(told.get_secret_value()):
        raise ValueError("must be a secret or restricted key of Stripe's, such as sk_live_... or rk_test_...")
    return told


def _webhook_secret(told: SecretStr) -> SecretStr:
    if not WEBHOOK_SECRET.fullmatch(told.get_secret_value()):
        raise ValueError("must be the signing secret of a webhook endpoint of Stripe's, such as whsec_...")
    return told


def _origin(text: str) -> str:
    parts = urlsplit(text)
    bare = f"{parts.scheme}://{parts.netloc}"
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc or text.rstrip("/") != bare:
        raise ValueError("must be an origin such as https://api.stripe.com, without a path")
    return bare.lower()


WebhookSecret = Annotated[SecretStr, AfterValidator(_webhook_secret)]


class WalletSettings(Settings):
    """`SYNEUDP_PAYMENTS`: the sandbox credits at once and is refused unless `SYNEUDP_ENVIRONMENT` is local.

    Stripe needs its secret key, and nothing but TLS outside the local environment. Two webhook secrets are accepted
    while one replaces the other.
    """

    payments: Literal["sandbox", "stripe"] = Field(validation_alias="SYNEUDP_PAYMENTS")
    stripe_secret_key: Annotated[SecretStr, AfterValidator(_secret_key)] | None = Field(
        None, validation_alias="STRIPE_SECRET_KEY"
    )
    stripe_webhook_secret: WebhookSecret | None = Field(None, validation_alias="STRIPE_WEBHOOK_SECRET")
    stripe_webhook_secret_next: WebhookSecret | None = Field(None, validation_alias="STRIPE_WEBHOOK_SECRET_NEXT")
    stripe_api_base: Annotated[str, AfterValidator(_origin)] = Field(
        "https://api.stripe.com", validation_alias="STRIPE_API_BASE"
    )
    stripe_checkout_origin: Annotated[str, AfterValidator(_origin)] = Field(
        "https://checkout.stripe.com", validation_alias="STRIPE_CHECKOUT_ORIGIN"
    )

    @property
    def stripe_webhook_secrets(self) -> tuple[str, ...]:
        """Every webhook secret that is accepted."""
        told = (self.stripe_webhook_secret, self.stripe_webhook_secret_next)
        return tuple(secret.get_secret_value() for secret in told if secret is not None)

    @model_validator(mode="after")
    def _money_is_real_or_at_home(self) -> Self:
        faults = self.payment_faults()
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def payment_faults(self) -> list[str]:
        """List what is wrong with how money comes in, as sentences that name their variable."""
        local = self.environment == "local"
        if self.payments == "sandbox":
            return [] if local else ["SYNEUDP_PAYMENTS: sandbox is for SYNEUDP_ENVIRONMENT=local alone"]
        faults = []
        if self.stripe_secret_key is None:
            faults.append("STRIPE_SECRET_KEY: is required where SYNEUDP_PAYMENTS is stripe")
        if not local:
            faults += [
                f"{name}: must be https outside SYNEUDP_ENVIRONMENT=local"
                for name, origin in (
                    ("STRIPE_API_BASE", self.stripe_api_base),
                    ("STRIPE_CHECKOUT_ORIGIN", self.stripe_checkout_origin),
                )
                if not origin.startswith("https://")
            ]
        return faults
