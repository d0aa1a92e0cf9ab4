"""Server-sent events (WHATWG HTML, 9.2): a piece of a page whenever what it shows has changed, and every so often."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from quart import Response

from syneudp.kernel.errors import ProblemError
from syneudp.kernel.logging import log
from syneudp.web.access import current_customer
from syneudp.web.services import current_services

LOOK_EVERY_SECONDS: Final = 1.0
TELL_EVERY_SECONDS: Final = 10.0
STREAM_SECONDS: Final = 45.0
STREAMS_A_CUSTOMER_MAX: Final = 12
MEDIA_TYPE: Final = "text/event-stream"
RETRY_MILLISECONDS: Final = 1000

_OPEN: Counter[str] = Counter()


class TooManyStreamsError(ProblemError):
    """A customer has more live pages open than one person looks at."""

    status = 429
    code = "too_many_streams"
    title = "Too many live pages"
    sentence = "Too many pages are open at once. This one stays as it is; close some and reload."


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What a page shows now: `shape` changes when there is news, `over` says that nothing more will come."""

    shape: object
    text: str
    over: bool = False


Look = Callable[[], Awaitable[Glimpse]]


async def stream(look: Look) -> Response:
    """Answer with a stream of glimpses that ends by itself after 45 seconds, when the page asks again.

    Looks once before it answers, so that what there is no looking at is refused as on any page and is not asked for
    again. Raises TooManyStreamsError (429) for a customer who has twelve open in this process.
    """
    owner = str(current_customer().user.id)
    if _OPEN[owner] >= STREAMS_A_CUSTOMER_MAX:
        raise TooManyStreamsError
    await look()
    told = _counted(owner, _glimpses(look, current_services().stopping))
    response = Response(told, content_type=MEDIA_TYPE)
    response.timeout = None
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def message(text: str) -> bytes:
    """Write one unnamed event."""
    lines = "".join(f"data: {line}\n" for line in text.splitlines())
    return f"{lines}\n".encode()


async def _counted(owner: str, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    _OPEN[owner] += 1
    try:
        async for chunk in chunks:
            yield chunk
    finally:
        _OPEN[owner] -= 1
        if not _OPEN[owner]:
            del _OPEN[owner]


async def _glimpses(look: Look, stopping: asyncio.Event) -> AsyncIterator[bytes]:
    time = asyncio.get_running_loop().time
    ends = time() + STREAM_SECONDS
    told_at = time()
    shape: object = None
    yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
    while time() < ends and not stopping.is_set():
        try:
            glimpse = await look()
        except ProblemError as fault:
            log.info("stream_ended", code=fault.code)
            return
        if glimpse.shape != shape or time() >= told_at + TELL_EVERY_SECONDS:
            shape, told_at = glimpse.shape, time()
            yield message(glimpse.text)
        if glimpse.over:
            yield b"event: over\ndata: over\n\n"
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), LOOK_EVERY_SECONDS)
