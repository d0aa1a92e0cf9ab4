"""The life of a role: it runs until it is told to stop, and its loops survive whatever their work throws."""

import asyncio
import contextlib
import random
import signal
from collections.abc import Awaitable, Callable
from typing import Final

from syneudp.kernel.logging import log

LONGEST_PAUSE_SECONDS: Final = 30.0
FIRST_PAUSE_SECONDS: Final = 0.2
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


async def run_until_stopped(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run a role with an event that SIGINT and SIGTERM set; a second signal changes nothing, not even on the way out.

    An event loop that closes gives signals their default effect back, which would end a role that stopped in good order
    with a failure; so they are ignored from here on.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for received in STOP_SIGNALS:
        loop.add_signal_handler(received, stopping.set)
    try:
        await main(stopping)
    finally:
        for received in STOP_SIGNALS:
            loop.remove_signal_handler(received)
            signal.signal(received, signal.SIG_IGN)


async def supervise(
    name: str,
    work: Callable[[], Awaitable[object]],
    *,
    every_seconds: float,
    stopping: asyncio.Event,
    wake: asyncio.Event | None = None,
) -> None:
    """Repeat a piece of work until told to stop, never overlapping itself.

    A failure is logged and survived, with a pause that doubles up to 30 s and carries jitter. Setting `wake` starts the
    next round at once.
    """
    failures = 0
    while not stopping.is_set():
        try:
            await work()
            failures = 0
            pause_seconds = every_seconds
        except Exception:
            failures += 1
            pause_seconds = min(LONGEST_PAUSE_SECONDS, max(every_seconds, FIRST_PAUSE_SECONDS) * 2**failures)
            pause_seconds *= 0.5 + random.random() / 2
            log.exception("loop_failed", loop=name, failures=failures, pause_seconds=round(pause_seconds, 3))
        await pause(pause_seconds, stopping, wake)


async def pause(seconds: float, stopping: asyncio.Event, wake: asyncio.Event | None = None) -> None:
    """Wait for a while, or until told to stop or to wake; clears `wake`."""
    events = [stopping] if wake is None else [stopping, wake]
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await wait
    if wake is not None:
        wake.clear()
