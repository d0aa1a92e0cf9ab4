"""Quart, told whose forwarded headers count and how to read a body."""

from collections.abc import Sequence
from typing import Any, Final

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from quart import Quart

from syneudp.web.proxies import Network, resolve_caller
from syneudp.web.strict_json import StrictRequest

POLICY_VIOLATION: Final = 1008


class Application(Quart):
    """An app whose requests carry the caller's own address and scheme, and whose JSON is JSON."""

    request_class = StrictRequest

    def __init__(self, name: str, *, trusted: Sequence[Network]) -> None:
        super().__init__(name, static_folder=None)
        self._trusted = trusted

    async def asgi_app(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Settle who is calling, then go on as any app does; nothing here speaks over websockets."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": None})
            return
        resolved: Any = scope
        if scope["type"] != "lifespan":
            resolved = resolve_caller(dict(scope), self._trusted)
        await super().asgi_app(resolved, receive, send)
