"""The auth server's public keys, each bound to the one algorithm it may be used with, and their cache."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from jwt import PyJWK, PyJWTError

from syneudp.identity.errors import AuthRateLimitedError, AuthUnavailableError
from syneudp.kernel.logging import log

FRESH_SECONDS: Final = 600.0
STALE_SECONDS: Final = 1_200.0
UNKNOWN_KEY_PAUSE_SECONDS: Final = 30.0
FAILURE_PAUSE_SECONDS: Final = 30.0
EMPTY_PAUSE_SECONDS: Final = 1.0
RSA_BITS_MIN: Final = 2_048
KEY_ID_LENGTH_MAX: Final = 256
KEYS_MAX: Final = 64
ALGORITHMS: Final[Mapping[tuple[str, str | None], str]] = {
    ("EC", "P-256"): "ES256",
    ("RSA", None): "RS256",
    ("OKP", "Ed25519"): "EdDSA",
}


@dataclass(frozen=True, slots=True)
class BoundKey:
    """A public key and the only algorithm a signature by it may claim (RFC 8725, section 3.1)."""

    algorithm: str
    key: PyJWK


def bind_keys(documents: list[dict[str, Any]]) -> dict[str, BoundKey]:
    """Read a key set; what has no id, no known algorithm, another use, or too short a modulus is left out."""
    bound: dict[str, BoundKey] = {}
    for document in documents[:KEYS_MAX]:
        key_id = document.get("kid")
        curve = document.get("crv")
        algorithm = ALGORITHMS.get((str(document.get("kty")), None if curve is None else str(curve)))
        if not isinstance(key_id, str) or not 0 < len(key_id) <= KEY_ID_LENGTH_MAX or algorithm is None:
            continue
        if document.get("use", "sig") != "sig" or document.get("alg", algorithm) != algorithm:
            continue
        try:
            key = PyJWK(document, algorithm)
        except (PyJWTError, ValueError, TypeError):
            continue
        if algorithm == "RS256" and key.key.key_size < RSA_BITS_MIN:
            continue
        bound[key_id] = BoundKey(algorithm=algorithm, key=key)
    return bound


class SigningKeys:
    """The cached key set: fresh for ten minutes, usable for twenty while the auth server is down, then refused.

    An unknown key id fetches again at most every 30 s, so that made-up ids cannot be turned against the auth server.
    One fetch is under way at a time: callers with usable keys go on with them, the others wait for it.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[list[dict[str, Any]]]],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._monotonic = monotonic
        self._keys: dict[str, BoundKey] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._one_flight = asyncio.Lock()

    async def key(self, key_id: str) -> BoundKey | None:
        """Find a key, or None for an id the auth server does not know.

        Raises AuthUnavailableError when no key set younger than twenty minutes is to be had.
        """
        if not self._fresh() and not (self._usable() and self._one_flight.locked()):
            await self._refresh(self._fresh, pause=FAILURE_PAUSE_SECONDS if self._usable() else EMPTY_PAUSE_SECONDS)
            if not self._usable():
                raise AuthUnavailableError
        if key_id not in self._keys:
            await self._refresh(lambda: key_id in self._keys, pause=UNKNOWN_KEY_PAUSE_SECONDS)
        return self._keys.get(key_id)

    def flush(self) -> None:
        """Forget every key, so that the next verification fetches them."""
        self._keys = {}
        self._fetched_at = self._tried_at = None

    def _age(self) -> float | None:
        return None if self._fetched_at is None else self._monotonic() - self._fetched_at

    def _fresh(self) -> bool:
        age = self._age()
        return age is not None and age < FRESH_SECONDS

    def _usable(self) -> bool:
        age = self._age()
        return age is not None and age < STALE_SECONDS

    async def _refresh(self, satisfied: Callable[[], bool], *, pause: float) -> None:
        async with self._one_flight:
            if satisfied() or (self._tried_at is not None and self._monotonic() - self._tried_at < pause):
                return
            self._tried_at = self._monotonic()
            try:
                keys = bind_keys(await self._fetch())
            except (AuthUnavailableError, AuthRateLimitedError):
                log.warning("signing_keys_unavailable")
                return
            if not keys:
                log.warning("signing_keys_empty")
                return
            self._keys = keys
            self._fetched_at = self._monotonic()
