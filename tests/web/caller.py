"""A signed-in customer as tests use one: calls with a bearer token and answers as values."""

import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from quart import Quart

from syneudp.identity import AuthTokens
from syneudp.web.services import WebServices

PASSWORD = "correct horse battery staple"
ONE_UNIT_MICROS = 1_000_000


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: Any
    text: str


@dataclass(frozen=True)
class Caller:
    app: Quart
    email: str
    tokens: AuthTokens

    @property
    def access_token(self) -> str:
        return self.tokens.access_token

    async def call(
        self,
        method: str,
        path: str,
        *,
        told: Any = None,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
        key: str | None = None,
    ) -> Answer:
        sent = {"Authorization": f"Bearer {self.access_token}", **(headers or {})}
        if key is not None:
            sent["Idempotency-Key"] = key
        body = {} if told is None else {"json": told}
        if data is not None:
            body = {"data": data}
        return await answered(self.app, method, path, headers=sent, **body)

    async def get(self, path: str) -> Answer:
        return await self.call("GET", path)

    async def post(self, path: str, told: Any = None, *, key: str | None = None) -> Answer:
        return await self.call("POST", path, told=told, key=key)

    async def top_up(self, amount_micros: int = 20 * ONE_UNIT_MICROS) -> Answer:
        return await self.post(
            "/api/v1/wallet/top-ups", {"amount_micros": amount_micros}, key=secrets.token_urlsafe(12)
        )

    async def create(
        self, name: str = "shop", *, engine: str = "postgresql", plan: str | None = None, key: str | None = None
    ) -> Answer:
        wanted = {"name": name, "engine": engine, "plan": plan or f"{engine}-small"}
        return await self.post("/api/v1/instances", wanted, key=key)


SignUp = Callable[[], Awaitable[Caller]]


async def answered(app: Quart, method: str, path: str, **sent: Any) -> Answer:
    response = await app.test_client().open(path, method=method, **sent)
    text = await response.get_data(as_text=True)
    body = json.loads(text) if (response.mimetype or "").endswith("json") else None
    return Answer(status=response.status_code, body=body, headers=response.headers, text=text)


async def sign_up(app: Quart, services: WebServices) -> Caller:
    email = f"{secrets.token_hex(8)}@example.com"
    tokens = await services.auth.sign_up(email=email, password=PASSWORD)
    assert isinstance(tokens, AuthTokens)
    return Caller(app=app, email=email, tokens=tokens)
