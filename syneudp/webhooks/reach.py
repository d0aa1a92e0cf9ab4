"""Reach a customer's endpoint and nothing else: each address is checked after it was resolved and as it is connected.

A name may resolve to another address at any time (DNS rebinding), so what is checked is what is connected: the resolver
refuses a host with any address that is not allowed, and so does the socket that is about to be opened, which also holds
for a literal address, of which aiohttp asks no resolver. There is no redirect, no proxy, no cookie and no cache.
"""

import asyncio
import socket
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from syneudp.webhooks.errors import AddressRefusedError, EndpointUrlInvalidError
from syneudp.webhooks.rules import check_url, is_allowed, signature, wire_id
from syneudp.webhooks.values import Failure, Outcome, Parcel

SEND_SECONDS: Final = 15.0
RESOLVE_SECONDS: Final = 5.0
ANSWER_BYTES_MAX: Final = 4096
USER_AGENT: Final = "SyneUDP-Webhooks/1"
REFUSED: Final = "an address that nothing may be sent to"
SUCCESSES: Final = range(200, 300)
REDIRECTS: Final = range(300, 400)


class CheckedResolver(AbstractResolver):
    """Resolves a host and refuses it where any of its addresses is not allowed."""

    def __init__(self, inner: AbstractResolver, *, local: bool) -> None:
        self._inner = inner
        self._local = local

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Resolve a host. Raises AddressRefusedError."""
        found = await self._inner.resolve(host, port, family)
        if not found or not all(is_allowed(str(each["host"]), local=self._local) for each in found):
            raise AddressRefusedError(REFUSED)
        return found

    async def close(self) -> None:
        """Let go of the resolver inside."""
        await self._inner.close()


class WebhookSender:
    """Sends messages to endpoints, one connection each; `local` lets them be on this very machine."""

    def __init__(self, *, local: bool, resolver: AbstractResolver | None = None, seconds: float = SEND_SECONDS) -> None:
        self._local = local
        self._resolver = resolver
        self._seconds = seconds

    async def __aenter__(self) -> Self:
        """Open the client."""
        inner = self._resolver or aiohttp.ThreadedResolver()
        connector = aiohttp.TCPConnector(
            resolver=CheckedResolver(inner, local=self._local),
            use_dns_cache=False,
            force_close=True,
            limit=0,
            socket_factory=self._open_socket,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._seconds),
            auto_decompress=False,
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the client."""
        await self._session.close()

    async def send(self, parcel: Parcel) -> Outcome:
        """Send a message once, within 15 s in all, reading at most 4 KiB of the answer; never raises."""
        headers = {
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
            "webhook-id": wire_id(parcel.message_id),
            "webhook-timestamp": str(parcel.sent_at),
            "webhook-signature": signature(parcel.keys, wire_id(parcel.message_id), parcel.sent_at, parcel.body),
        }
        try:
            url = check_url(parcel.url, local=self._local)
            async with self._session.post(
                url, data=parcel.body.encode(), headers=headers, allow_redirects=False
            ) as answer:
                if answer.status in SUCCESSES:
                    await answer.content.read(ANSWER_BYTES_MAX)
                status = answer.status
        except (TimeoutError, aiohttp.ClientError, OSError, EndpointUrlInvalidError) as fault:
            return Outcome(status=None, failure=failure_of(fault))
        if status in SUCCESSES:
            return Outcome(status=status, failure=None)
        return Outcome(status=status, failure=Failure.REDIRECT if status in REDIRECTS else Failure.STATUS)

    def _open_socket(self, info: Any) -> socket.socket:
        family, kind, protocol, _, address = info
        if not is_allowed(str(address[0]), local=self._local):
            raise AddressRefusedError(REFUSED)
        opened = socket.socket(family=family, type=kind, proto=protocol)
        opened.setblocking(False)
        return opened


async def require_reachable(url: URL, *, local: bool, resolver: AbstractResolver | None = None) -> None:
    """Resolve an endpoint's host now and refuse it where any address is not allowed, or where there is none.

    Never call it inside a transaction. Raises EndpointUrlInvalidError.
    """
    checked = CheckedResolver(resolver or aiohttp.ThreadedResolver(), local=local)
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            await checked.resolve(str(url.host), url.port or 0)
    except (TimeoutError, OSError):
        raise EndpointUrlInvalidError from None
    finally:
        await checked.close()


def failure_of(fault: BaseException) -> Failure:
    """Say why an attempt failed."""
    cause = fault.os_error if isinstance(fault, aiohttp.ClientConnectorError) else fault
    match cause:
        case AddressRefusedError() | EndpointUrlInvalidError():
            return Failure.ADDRESS_REFUSED
        case TimeoutError():
            return Failure.TIMEOUT
        case aiohttp.ClientSSLError() | aiohttp.ClientConnectorCertificateError():
            return Failure.TLS
        case aiohttp.ClientConnectionError() | OSError():
            return Failure.TLS if isinstance(fault, aiohttp.ClientSSLError) else Failure.UNREACHABLE
        case _:
            return Failure.BROKEN_ANSWER
