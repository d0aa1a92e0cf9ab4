"""Who may talk to the agent: internal peers that carry a token, on every path there is and is not."""

import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Final

from quart import Quart, request, websocket
from quart.wrappers import BaseRequestWebsocket

from syneudp.engines.agent.errors import AgentTokenInvalidError, HostRefusedError, PeerRefusedError
from syneudp.kernel.addresses import is_internal

HOST_HEADER: Final = re.compile(r"(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<name>[0-9A-Za-z._-]+))(?::\d{1,5})?")
GUARD_HEADER: Final = "X-Agent-Token"


def is_own_host(presented: Sequence[str], *, names: frozenset[str]) -> bool:
    """Tell whether one Host header was sent and names the agent: an internal address, or one of its names."""
    match = HOST_HEADER.fullmatch(presented[0]) if len(presented) == 1 else None
    if match is None:
        return False
    host = match["address"] or match["name"]
    return is_internal(host) or host.lower().removesuffix(".") in names


class TokenGuard:
    """Knows the accepted tokens by their SHA-256 digests alone."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self._digests = _digests(tokens)

    def replace(self, tokens: Sequence[str]) -> bool:
        """Accept these tokens and no others from now on; tell whether that changed anything."""
        before, self._digests = self._digests, _digests(tokens)
        return before != self._digests

    def accepts(self, presented: Sequence[str]) -> bool:
        """Tell whether exactly one token was presented and is accepted, in a time that depends on neither.

        Header values are latin-1 text, as ASGI servers decode them.
        """
        text = presented[0] if len(presented) == 1 else ""
        digest = hashlib.sha256(text.encode("latin-1", "replace")).digest()
        matches = [hmac.compare_digest(digest, accepted) for accepted in self._digests]
        return any(matches)


def install_guard(app: Quart, guard: TokenGuard, *, names: frozenset[str]) -> None:
    """Check peer, host and token before routing errors, bodies and handlers, on HTTP and websocket requests alike.

    `names` are the agent's own in lower case; an internal address is always right.
    """

    def check(connection: BaseRequestWebsocket) -> None:
        peer = connection.scope.get("client") or ("",)
        if not is_internal(peer[0]):
            raise PeerRefusedError
        if not is_own_host(connection.headers.getlist("Host"), names=names):
            raise HostRefusedError
        if not guard.accepts(connection.headers.getlist(GUARD_HEADER)):
            raise AgentTokenInvalidError

    @app.before_request
    async def check_request() -> None:
        check(request)

    @app.before_websocket
    async def check_websocket() -> None:
        check(websocket)


def _digests(tokens: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(hashlib.sha256(token.encode()).digest() for token in tokens)
