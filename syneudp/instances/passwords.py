"""Passwords for databases to come, with their verifiers, made while nothing else is to be done.

A verifier of MySQL's takes 5000 rounds of SHA-256 (some milliseconds of the processor), which a creation need not wait
for. They are kept in this process's memory alone, each is handed out once, and a process that ends forgets them.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from syneudp.engines.contract import Engine, Scheme
from syneudp.engines.verifiers import generate_password, verifiers_for

KEPT_EACH: Final = 16
PAUSE_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True, repr=False)
class Drafted:
    """A password that nobody has yet, and its verifiers; has no repr, so that no log line shows it."""

    password: str
    verifiers: Mapping[Scheme, str]


def draft(engine: Engine) -> Drafted:
    """Choose a password and compute its verifiers."""
    password = generate_password()
    return Drafted(password=password, verifiers=verifiers_for(engine, password))


class PasswordStock:
    """A few drafted passwords an engine; what is taken is made again a moment later, in a thread."""

    def __init__(self, *, kept_each: int = KEPT_EACH) -> None:
        self._kept_each = kept_each
        self._kept: dict[Engine, deque[Drafted]] = {engine: deque() for engine in Engine}
        self._refilling: dict[Engine, asyncio.Task[None]] = {}

    def count(self, engine: Engine) -> int:
        """Count what could be handed out at once."""
        return len(self._kept[engine])

    async def take(self, engine: Engine) -> Drafted:
        """Hand one out, drafted now where none is left, and have the stock filled again."""
        kept = self._kept[engine]
        taken = kept.popleft() if kept else await asyncio.to_thread(draft, engine)
        refilling = self._refilling.get(engine)
        if refilling is None or refilling.done():
            self._refilling[engine] = asyncio.create_task(self._refill(engine))
        return taken

    async def _refill(self, engine: Engine) -> None:
        """Wait until a burst of creations has passed, then draft one after the other."""
        await asyncio.sleep(PAUSE_SECONDS)
        while self.count(engine) < self._kept_each:
            self._kept[engine].append(await asyncio.to_thread(draft, engine))
