"""Hypercorn for every app of the platform: given binds, a graceful end, quiet logs."""

import asyncio
import json
import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config

from syneudp.kernel.identifiers import new_id
from syneudp.kernel.problems import MEDIA_TYPE, Problem

GRACE_SECONDS: Final = 15.0
KEEP_ALIVE_SECONDS: Final = 30.0
HTTP_1: Final = frozenset({"1.0", "1.1"})
OTHER_VERSION: Final = (
    HTTPStatus.HTTP_VERSION_NOT_SUPPORTED,
    "http_version_not_supported",
    "This server speaks HTTP/1.1.",
)
TWO_LENGTHS: Final = (HTTPStatus.BAD_REQUEST, "malformed_request", "The request names both a length and chunks.")
FRAMINGS: Final = frozenset({b"content-length", b"transfer-encoding"})


def plain(app: Any) -> Any:
    """Let only requests through that every proxy in front understands as we do.

    Hypercorn changes to HTTP/2 without TLS where a client asks for it; through a proxy that hands the wish on, what
    follows would reach us past the proxy, forwarding headers of the client's own making included (505). A request that
    names both its length and chunks is two different ones to two readers (400, RFC 9112, 6.1).
    """

    async def checked(scope: Any, receive: Any, send: Any) -> None:
        refusal = _refusal(scope) if scope["type"] == "http" else None
        if refusal is None:
            await app(scope, receive, send)
            return
        status, code, detail = refusal
        problem = Problem(status, code, status.phrase, detail, request_id=str(new_id()))
        body = json.dumps(problem.body()).encode()
        headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
        if scope["http_version"] in HTTP_1:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    return checked


def _refusal(scope: Any) -> tuple[HTTPStatus, str, str] | None:
    if scope["http_version"] not in HTTP_1:
        return OTHER_VERSION
    named = {name.lower() for name, _ in scope["headers"]}
    return TWO_LENGTHS if named >= FRAMINGS else None


async def serve(
    app: Any, *, binds: Sequence[str], stopping: asyncio.Event, grace_seconds: float = GRACE_SECONDS
) -> None:
    """Serve an ASGI app on ADDRESS:PORT binds until told to stop; requests in flight get `grace_seconds` to finish.

    HTTP/1 alone, and one framing a request: see `plain`.
    """
    config = Config()
    config.bind = list(binds)
    config.graceful_timeout = grace_seconds
    config.keep_alive_timeout = KEEP_ALIVE_SECONDS
    config.include_server_header = False
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    config.use_reloader = False
    await hypercorn_serve(plain(app), config, shutdown_trigger=stopping.wait)
