"""Connecting to whichever host of a URL takes writes, even while another of them hangs or is still starting up."""

import asyncio
from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg
from asyncpg.connect_utils import SessionAttribute

HOST_TIMEOUT_SECONDS: Final = 2.0
DEFAULT_PORT: Final = 5432
NEXT_HOST: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TargetServerAttributeNotMatched,
)


def hosts_of(url: str) -> list[tuple[str, int]]:
    """List the hosts that a URL names, in its order; none where it leaves them to the environment."""
    named = urlsplit(url).netloc.rpartition("@")[2]
    return [_host_and_port(text) for text in named.split(",") if text]


async def connect_writable(url: str, **options: Any) -> "asyncpg.Connection[Any]":
    """Connect to the first host that takes writes; `options` are asyncpg's.

    Each host gets two seconds of its own where there are several, so that one which swallows packets does not keep
    the others from being asked. Raises what the last host raised.
    """
    hosts = hosts_of(url)
    if len(hosts) <= 1:
        return await _connect(url, **options)
    failure: BaseException | None = None
    for host, port in hosts:
        try:
            async with asyncio.timeout(HOST_TIMEOUT_SECONDS):
                return await _connect(url, **{**options, "host": host, "port": port, "timeout": None})
        except NEXT_HOST as unusable:
            failure = unusable
    raise failure or OSError("the URL names no host")


async def _connect(url: str, **options: Any) -> "asyncpg.Connection[Any]":
    connection: asyncpg.Connection[Any] = await asyncpg.connect(
        url, target_session_attrs=SessionAttribute.read_write, **options
    )
    return connection


def _host_and_port(text: str) -> tuple[str, int]:
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    else:
        host, _, port = text.partition(":")
    return host, int(port or DEFAULT_PORT)
