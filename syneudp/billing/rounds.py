"""When each loop last did its work, kept so that an operator can see which one stands still."""

import time
from collections.abc import Awaitable, Callable
from typing import Final

from syneudp.kernel import clock
from syneudp.kernel.database import execute, reading

WRITTEN_EVERY_SECONDS: Final = 10.0
WRITE_ROUND: Final = (
    "INSERT INTO billing_rounds (loop, finished_at) VALUES ($1, $2) ON CONFLICT (loop) DO UPDATE"
    " SET finished_at = excluded.finished_at WHERE billing_rounds.finished_at < excluded.finished_at"
)


def remembered(name: str, work: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[None]]:
    """Wrap a loop's work so that its success is written down, at most every 10 s a process."""
    written_at = float("-inf")

    async def work_and_remember() -> None:
        nonlocal written_at
        await work()
        if time.monotonic() - written_at >= WRITTEN_EVERY_SECONDS:
            await execute(reading(), WRITE_ROUND, name, await clock.now(reading()))
            written_at = time.monotonic()

    return work_and_remember
