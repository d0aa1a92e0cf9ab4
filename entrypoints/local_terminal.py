"""What the development launcher says on the terminal: steps with their seconds, and faults as one plain sentence."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator

STILL_EVERY_SECONDS = 5.0
WORTH_A_TIME_SECONDS = 0.1


class LaunchError(Exception):
    """The stack cannot start or cannot go on; the text is one plain sentence for the person at the terminal."""


def say(sentence: str) -> None:
    """Write one whole line at once, also where the output is a pipe or several threads speak."""
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


async def _remind(doing: str, started: float) -> None:
    while True:
        await asyncio.sleep(STILL_EVERY_SECONDS)
        say(f"  … still {doing[0].lower()}{doing[1:]} ({time.monotonic() - started:.0f} s)")


@contextlib.asynccontextmanager
async def step(doing: str, done: str) -> AsyncIterator[None]:
    """Announce a step, remind of it every five seconds while it lasts, and say how long it took.

    A failed step says nothing more: the error that ends it carries the sentence.
    """
    started = time.monotonic()
    say(f"  … {doing}")
    reminder = asyncio.create_task(_remind(doing, started))
    try:
        yield
    finally:
        reminder.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reminder
    took = time.monotonic() - started
    say(f"  ✓ {done}" + (f" ({took:.1f} s)" if took >= WORTH_A_TIME_SECONDS else ""))
