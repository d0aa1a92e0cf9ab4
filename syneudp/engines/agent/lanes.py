"""How many calls an engine works on at once, and how many may wait for that."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from syneudp.engines.agent.errors import EngineBusyError

CHANGES_AT_ONCE: Final = 8
READS_AT_ONCE: Final = 3
WAITING_MAX: Final = 64


class Lane:
    """One kind of calls on one engine: `width` at once, WAITING_MAX waiting, the next one refused."""

    def __init__(self, width: int, *, waiting_max: int = WAITING_MAX) -> None:
        self._places = asyncio.Semaphore(width)
        self._waiting_max = waiting_max
        self._waiting = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place for one call; the caller's deadline counts the wait too. Raises EngineBusyError."""
        if self._places.locked() and self._waiting >= self._waiting_max:
            raise EngineBusyError
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._places.release()


class Lanes:
    """Changes and reads apart, so that a long list never keeps a suspend waiting."""

    def __init__(self) -> None:
        self._changes = Lane(CHANGES_AT_ONCE)
        self._reads = Lane(READS_AT_ONCE)

    def of(self, *, changes: bool) -> Lane:
        """Choose the lane of a call."""
        return self._changes if changes else self._reads
