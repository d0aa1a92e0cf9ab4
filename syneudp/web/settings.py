"""The variables the web reads: where it listens, how browsers reach it, whose word counts, who takes money."""

from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from syneudp.catalog import CatalogSettings
from syneudp.kernel.addresses import BindRefusedError, internal_binds, split_bind
from syneudp.wallet import WalletSettings
from syneudp.wallet.payments.minor_units import NOT_TAKEN
from syneudp.web.proxies import Network, parse_networks


def _origin(text: str) -> str:
    parts = urlsplit(text)
    bare = f"{parts.scheme}://{parts.netloc}"
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc or text.rstrip("/") != bare:
        raise ValueError("must be an origin such as https://console.example.com, without a path")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ValueError("must begin with https:// for every name but this machine's own, since cookies go that way")
    return bare.lower()


def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _bind(text: str) -> str:
    try:
        split_bind(text)
    except BindRefusedError as fault:
        raise ValueError(str(fault)) from None
    return text


def _networks(text: str) -> str:
    try:
        parse_networks(text)
    except ValueError:
        raise ValueError("must be networks parted by commas, such as 10.0.0.0/8, ::1") from None
    return text


class WebSettings(CatalogSettings, WalletSettings):
    """What the `api` role needs for HTTP itself.

    `sandbox` payments credit at once, so they are refused unless the environment is `local` and the bind internal;
    Stripe's events are believed by their signature alone, so that a webhook secret is needed.
    """

    bind: Annotated[str, AfterValidator(_bind)] = Field("127.0.0.1:8000", validation_alias="SYNEUDP_BIND")
    public_url: Annotated[str, AfterValidator(_origin)] = Field(validation_alias="SYNEUDP_PUBLIC_URL")
    trusted_proxies: Annotated[str, AfterValidator(_networks)] = Field("", validation_alias="SYNEUDP_TRUSTED_PROXIES")

    def payment_faults(self) -> list[str]:
        """List what else is wrong with how money comes in, where it comes in by the web."""
        faults = super().payment_faults()
        if self.payments == "sandbox":
            try:
                internal_binds(self.bind)
            except BindRefusedError:
                faults.append("SYNEUDP_BIND: must be internal while SYNEUDP_PAYMENTS is sandbox")
            return faults
        if not self.stripe_webhook_secrets:
            faults.append("STRIPE_WEBHOOK_SECRET: is required where SYNEUDP_PAYMENTS is stripe")
        if self.currency in NOT_TAKEN:
            faults.append("SYNEUDP_CURRENCY: cannot be paid with through Stripe")
        return faults

    @property
    def https(self) -> bool:
        """Whether browsers reach the platform over TLS."""
        return self.public_url.startswith("https://")

    @property
    def trusted_networks(self) -> tuple[Network, ...]:
        """The networks whose forwarding headers count."""
        return parse_networks(self.trusted_proxies)
