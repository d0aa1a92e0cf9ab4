"""How often a password may be tried for one address: a bucket of ten that gains one every thirty seconds."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from syneudp.identity.local_auth.answers import LocalAuthError

CAPACITY: Final = 10.0
SECONDS_PER_ATTEMPT: Final = 30.0
ADDRESSES_MAX: Final = 10_000


class PasswordAttempts:
    """Counts tries by address, known or not; a success gives its try back, so that only failures run out."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._buckets: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def spend(self, email: str) -> None:
        """Take one try before the work starts. Raises LocalAuthError 429 over_request_rate_limit."""
        key = _key(email)
        now = self._monotonic()
        left, at = self._buckets.pop(key, (CAPACITY, now))
        left = min(CAPACITY, left + (now - at) / SECONDS_PER_ATTEMPT)
        refused = left < 1
        self._buckets[key] = (left if refused else left - 1, now)
        if len(self._buckets) > ADDRESSES_MAX:
            self._buckets.popitem(last=False)
        if refused:
            raise LocalAuthError(429, "over_request_rate_limit", "Request rate limit reached")

    def restore(self, email: str) -> None:
        """Give the tries back after a success."""
        self._buckets.pop(_key(email), None)


def _key(email: str) -> bytes:
    return hashlib.sha256(email.strip().lower().encode("utf-8", "surrogatepass")).digest()
