"""A customer with a program and a browser without script, who keeps every answer."""

import json
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import unescape
from typing import Any

import aiohttp

from tests.stack.inside import LOOPBACK, Inside

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
FACT = re.compile(r'id="fact-(\w+)"[^>]*>([^<]*)<')
CHUNK_BYTES = 65_536


@dataclass(frozen=True)
class Answer:
    call: str
    status: int
    headers: str
    text: str
    revealing: bool

    @property
    def told(self) -> Any:
        return json.loads(self.text)

    @property
    def whole(self) -> str:
        return f"{self.headers}\n{self.text}"


class Visitor:
    def __init__(self, program: aiohttp.ClientSession, browser: aiohttp.ClientSession, kept: list[Answer]) -> None:
        self.email = f"{secrets.token_hex(8)}@example.org"
        self.password = secrets.token_urlsafe(24)
        self.answers = kept
        self._program = program
        self._browser = browser
        self._headers: dict[str, str] = {}

    async def sign_up(self, inside: Inside) -> "Visitor":
        credentials = {"email": self.email, "password": self.password}
        made = await self.page("POST", "/sign-up", form=credentials)
        assert made.status == 303, made.text
        await self.sign_in(inside)
        return self

    async def sign_in(self, inside: Inside) -> None:
        credentials = {"email": self.email, "password": self.password}
        address = f"http://{LOOPBACK}:{inside.ports.auth}/token?grant_type=password"
        async with self._program.post(address, json=credentials) as told:
            self._headers = {"Authorization": f"Bearer {(await told.json())['access_token']}"}

    async def call(
        self,
        method: str,
        path: str,
        wanted: Any = None,
        *,
        key: str | None = None,
        revealing: bool = False,
        raw: dict[str, Any] | None = None,
    ) -> Answer:
        keyed = self._headers | ({} if key is None else {"Idempotency-Key": key})
        sent = raw or ({} if wanted is None else {"json": wanted})
        headers = keyed | sent.get("headers", {})
        body = {name: told for name, told in sent.items() if name != "headers"}
        async with self._program.request(method, path, headers=headers, **body) as told:
            return self._keep(method, path, told, await told.text(), revealing=revealing)

    async def page(
        self, method: str, path: str, *, form: dict[str, str] | None = None, revealing: bool = False
    ) -> Answer:
        headers = SAME_ORIGIN if method == "POST" else {}
        sent: dict[str, Any] = {"data": form or {}} if method == "POST" else {}
        async with self._browser.request(method, path, headers=headers, allow_redirects=False, **sent) as told:
            return self._keep(method, path, told, await told.text(), revealing=revealing)

    async def first_of_stream(self, path: str) -> Answer:
        async with self._browser.get(path) as told:
            return self._keep("GET", path, told, (await told.content.read(CHUNK_BYTES)).decode(), revealing=False)

    async def top_up(self, amount_micros: int) -> Answer:
        key = secrets.token_hex(8)
        done = await self.call("POST", "/api/v1/wallet/top-ups", {"amount_micros": amount_micros}, key=key)
        assert done.status == 201, done.text
        return done

    async def create(self, name: str, engine: str = "postgresql", *, key: str | None = None) -> Answer:
        wanted = {"name": name, "engine": engine, "plan": f"{engine}-small"}
        return await self.call("POST", "/api/v1/instances", wanted, key=key, revealing=True)

    async def instances(self) -> dict[str, dict[str, Any]]:
        listed = await self.call("GET", "/api/v1/instances")
        assert listed.status == 200, listed.text
        return {item["name"]: item for item in listed.told["items"]}

    def _keep(self, method: str, path: str, told: aiohttp.ClientResponse, text: str, *, revealing: bool) -> Answer:
        headers = "\n".join(f"{name}: {said}" for name, said in told.headers.items())
        answer = Answer(call=f"{method} {path}", status=told.status, headers=headers, text=text, revealing=revealing)
        self.answers.append(answer)
        return answer


def facts_of(page: Answer) -> dict[str, str]:
    return {name: unescape(told).strip() for name, told in FACT.findall(page.text)}


@asynccontextmanager
async def visiting(inside: Inside, kept: list[Answer] | None = None) -> AsyncIterator[Visitor]:
    console = inside.stack.console
    timeout = aiohttp.ClientTimeout(total=30)
    async with (
        aiohttp.ClientSession(console, timeout=timeout) as program,
        aiohttp.ClientSession(console, timeout=timeout, cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser,
    ):
        yield await Visitor(program, browser, [] if kept is None else kept).sign_up(inside)
