"""What every page says at its top while it holds: ends of money or limit, data kept unpaid, a webhook switched off."""

from collections.abc import Sequence
from typing import Final

from syneudp import instances, wallet, webhooks
from syneudp.instances import KeptData
from syneudp.kernel import clock
from syneudp.kernel.database import reading
from syneudp.kernel.money import SECONDS_PER_HOUR
from syneudp.wallet import WalletOverview
from syneudp.web.console.figures import SECONDS_PER_DAY, duration, instant
from syneudp.web.console.views import BannerView, Tone
from syneudp.web.customers import Customer
from syneudp.webhooks import DisabledFor, Endpoint

LOW_SECONDS: Final = 72 * SECONDS_PER_HOUR
URGENT_SECONDS: Final = SECONDS_PER_HOUR
NAMED_MAX: Final = 3
TOP_UP: Final = ("Top up", "/wallet#top-up")
LIMIT: Final = ("Look at the limit", "/wallet#limit")
WHY_DISABLED: Final = {
    DisabledFor.FAILING: "It refused or missed every attempt for three days.",
    DisabledFor.GONE: "It answered 410 Gone.",
}


async def banners_of(customer: Customer, *, retention_seconds: int) -> tuple[BannerView, ...]:
    """Look at what holds now; the most urgent comes first. `retention_seconds` is how long unpaid data is kept."""
    connection = reading()
    now = await clock.now(connection)
    overview = await wallet.overview(connection, customer.wallet.id, now)
    kept = await instances.kept_data(connection, customer.wallet.id, retention_seconds=retention_seconds)
    endpoints = await webhooks.endpoints_of(connection, customer.user.id)
    money = (kept_banner(kept, now=now), runway_banner(overview, now=now), cap_banner(overview, now=now))
    found = (*money, *map(endpoint_banner, endpoints))
    return tuple(banner for banner in found if banner is not None)


def kept_banner(kept: Sequence[KeptData], *, now: int) -> BannerView | None:
    """Say what is suspended for want of money and when its data goes."""
    if not kept:
        return None
    until_at = kept[0].until_at
    days = -(-max(until_at - now, 0) // SECONDS_PER_DAY)
    first = "Its data is" if len(kept) == 1 else "Their data is"
    left = "today" if days <= 1 else f"in {days} days"
    return BannerView(
        tone=Tone.STOP if days <= NAMED_MAX else Tone.HALT,
        title=f"The wallet is empty, and {named([each.name for each in kept])} stopped.",
        text=f"{first} kept until {instant(until_at)} and deleted for good {left}, unless you top up.",
        act=TOP_UP[0],
        href=TOP_UP[1],
    )


def runway_banner(overview: WalletOverview, *, now: int) -> BannerView | None:
    """Say how long the money lasts once that is less than 72 hours."""
    ends_at = overview.depletes_at
    if ends_at is None or ends_at - now > LOW_SECONDS:
        return None
    left = max(ends_at - now, 0)
    return BannerView(
        tone=Tone.STOP if left <= URGENT_SECONDS else Tone.HALT,
        title=f"The money lasts for {duration(left)}.",
        text=f"Everything that runs is suspended on {instant(ends_at)}, unless you top up. Data is kept.",
        act=TOP_UP[0],
        href=TOP_UP[1],
    )


def cap_banner(overview: WalletOverview, *, now: int) -> BannerView | None:
    """Say that the month's spending limit is reached, or will be within 72 hours."""
    at = overview.cap_reached_at
    if at is None or at - now > LOW_SECONDS:
        return None
    if at > now:
        title = f"The month's spending limit is reached in {duration(at - now)}."
        text = f"Everything that runs is suspended on {instant(at)} and resumed next month, unless you raise the limit."
    else:
        title = "The month's spending limit is reached."
        text = f"What ran stopped on {instant(at)}. It resumes next month, or as soon as you raise the limit."
    return BannerView(tone=Tone.HALT, title=title, text=f"{text} Data is kept.", act=LIMIT[0], href=LIMIT[1])


def endpoint_banner(endpoint: Endpoint) -> BannerView | None:
    """Say that an endpoint is sent nothing any more."""
    if endpoint.disabled_for is None:
        return None
    return BannerView(
        tone=Tone.HALT,
        title="A webhook endpoint is switched off.",
        text=WHY_DISABLED[endpoint.disabled_for],
        act="Look at it",
        href=f"/webhooks/{endpoint.id}",
    )


def named(names: Sequence[str]) -> str:
    """Name a few things in a sentence, and count the rest."""
    shown = list(names[:NAMED_MAX])
    if len(names) > NAMED_MAX:
        shown.append(f"{len(names) - NAMED_MAX} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
