"""How fast a route may be called, by customer and by address."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import Any, TypeVar

from quart import Quart, request
from quart_rate_limiter import RateLimit, RateLimiter, rate_limit
from quart_rate_limiter.store import RateLimiterStoreABC

from syneudp.web.access import identify

View = TypeVar("View", bound=Callable[..., Any])

REMEMBERED_CALLERS_MAX = 100_000
CUSTOMERS_BEHIND_ONE_ADDRESS = 8
NEIGHBOURHOOD_BITS = 64


@dataclass(frozen=True, slots=True)
class Pace:
    """So many calls in so many seconds, evened out (GCRA) and granted to each customer of one route."""

    calls: int
    seconds: int


READING = Pace(calls=300, seconds=60)
CHANGING = Pace(calls=60, seconds=60)
SECRETS = Pace(calls=20, seconds=60)
SIGNING_IN = Pace(calls=20, seconds=60)
NOTIFYING = Pace(calls=3000, seconds=60)
PROBING = Pace(calls=600, seconds=60)


def limited(pace: Pace) -> Callable[[View], View]:
    """Declare a route's pace: a customer gets it whole, an address eight times as much for all who share it.

    The address is counted before any token is looked at, so that guessing tokens is bounded too.
    """
    period = timedelta(seconds=pace.seconds)
    by_address = RateLimit(pace.calls * CUSTOMERS_BEHIND_ONE_ADDRESS, period, key_function=address_key)
    by_caller = RateLimit(pace.calls, period, key_function=caller_key)
    declare: Callable[[View], View] = rate_limit(limits=[by_address, by_caller])
    return declare


async def address_key() -> str:
    """Name the caller by address, which the trusted proxies have already settled; of IPv6 by the network of 64 bits.

    One customer of an IPv6 provider has at least such a network, and so 2**64 addresses to guess from.
    """
    return f"address {neighbourhood(request.remote_addr or '')}"


def neighbourhood(address: str) -> str:
    """Widen an IPv6 address to its /64; an IPv4 address, mapped or not, stands for itself, as does any other text."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Network((int(parsed), NEIGHBOURHOOD_BITS), strict=False))


async def caller_key() -> str:
    """Name the caller by who they turned out to be, else by address."""
    customer = await identify()
    return await address_key() if customer is None else f"customer {customer.user.id}"


class BoundedStore(RateLimiterStoreABC):
    """Keeps the last 100 000 callers' theoretical arrival times in this process, so that nobody can fill its memory."""

    def __init__(self, *, callers_max: int = REMEMBERED_CALLERS_MAX) -> None:
        self._callers_max = callers_max
        self._arrivals: OrderedDict[str, datetime] = OrderedDict()

    async def get(self, key: str, default: datetime) -> datetime:
        """Tell a caller's theoretical arrival time."""
        return self._arrivals.get(key, default)

    async def set(self, key: str, tat: datetime) -> None:
        """Keep a caller's theoretical arrival time and forget the one seen longest ago when there are too many."""
        self._arrivals[key] = tat
        self._arrivals.move_to_end(key)
        if len(self._arrivals) > self._callers_max:
            self._arrivals.popitem(last=False)

    async def before_serving(self) -> None:
        """Need nothing before the first request."""

    async def after_serving(self) -> None:
        """Let go of what was kept."""
        self._arrivals.clear()


def install_limits(app: Quart) -> None:
    """Hold every route to its declared pace."""
    RateLimiter(app, key_function=address_key, store=BoundedStore())
