"""A real receiver of webhooks on loopback, which answers as it is told, and a resolver that lies."""

import asyncio
import base64
import hashlib
import hmac
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

TOLERATED_SECONDS = 300


@dataclass
class Receiver:
    url: str
    status: int = 204
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    wait_seconds: float = 0.0
    received: list[tuple[dict[str, str], str]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.received.append((dict(request.headers), await request.text()))
        await asyncio.sleep(self.wait_seconds)
        return web.Response(status=self.status, body=self.body, headers=self.headers)


@asynccontextmanager
async def receiving(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None,
) -> AsyncIterator[Receiver]:
    app = web.Application()
    receiver = Receiver(url="")
    app.router.add_post("/hook", answer or receiver.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    receiver.url = f"http://127.0.0.1:{port}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()


class LyingResolver(AbstractResolver):
    """Tells one list of addresses after another, the last one for good."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        told = self._answers[min(self.asked, len(self._answers) - 1)]
        self.asked += 1
        return [
            ResolveResult(hostname=host, host=each, port=port, family=socket.AF_INET, proto=0, flags=0) for each in told
        ]

    async def close(self) -> None:
        return None


def verify(secret: str, headers: dict[str, str], body: str, *, now: int) -> str:
    """Verify as the Standard Webhooks specification tells a receiver to; answers the message's id."""
    named = {name.lower(): told for name, told in headers.items()}
    assert abs(now - int(named["webhook-timestamp"])) <= TOLERATED_SECONDS
    key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    signed = f"{named['webhook-id']}.{named['webhook-timestamp']}.{body}".encode()
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert any(hmac.compare_digest(expected, told) for told in named["webhook-signature"].split(" "))
    return named["webhook-id"]
