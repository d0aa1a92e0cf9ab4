"""Passwords hashed with argon2id (RFC 9106, at OWASP's minimum of 19 MiB and two passes), off the event loop."""

import asyncio
from typing import Final

from argon2 import PasswordHasher, Type
from argon2.exceptions import Argon2Error

from syneudp.identity.local_auth.answers import LocalAuthError

TIME_COST: Final = 2
MEMORY_KIBIBYTES: Final = 19 * 1024
PARALLELISM: Final = 1
AT_ONCE_MAX: Final = 2
WAITING_MAX: Final = 64


class Passwords:
    """Hashes and verifies, two at a time; a longer queue than 64 is refused rather than served late."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(
            time_cost=TIME_COST, memory_cost=MEMORY_KIBIBYTES, parallelism=PARALLELISM, type=Type.ID
        )
        self._nobody = self._hasher.hash(b"nobody has this password")
        self._slots = asyncio.Semaphore(AT_ONCE_MAX)
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """Hash a password into argon2's own text form."""
        await self._enter()
        try:
            return await asyncio.to_thread(self._hasher.hash, _bytes(password))
        finally:
            self._leave()

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Tell whether a password fits; without a hash the same work is done, so that time tells nothing."""
        await self._enter()
        try:
            fits = await asyncio.to_thread(self._fits, password, password_hash or self._nobody)
        finally:
            self._leave()
        return fits and password_hash is not None

    def _fits(self, password: str, password_hash: str) -> bool:
        try:
            return self._hasher.verify(password_hash, _bytes(password))
        except Argon2Error:
            return False

    async def _enter(self) -> None:
        if self._waiting >= WAITING_MAX:
            raise LocalAuthError(429, "over_request_rate_limit", "Request rate limit reached")
        self._waiting += 1
        try:
            await self._slots.acquire()
        except BaseException:
            self._waiting -= 1
            raise

    def _leave(self) -> None:
        self._waiting -= 1
        self._slots.release()


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")
