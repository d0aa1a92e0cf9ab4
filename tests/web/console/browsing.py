"""A browser without script, as tests of the console use one: a cookie, forms, and pages as text."""

import re
import secrets
from dataclasses import dataclass
from html import unescape
from typing import Any

from quart import Quart
from quart.typing import TestClientProtocol

PASSWORD = "correct horse battery staple"
OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}


@dataclass(frozen=True)
class Page:
    status: int
    text: str
    headers: Any

    @property
    def words(self) -> str:
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", self.text)).split())


class Browser:
    def __init__(self, app: Quart) -> None:
        self._client: TestClientProtocol = app.test_client()
        self.email = f"{secrets.token_hex(8)}@example.com"

    async def get(self, path: str, **headers: str) -> Page:
        return await self._open("GET", path, headers)

    async def post(self, path: str, form: dict[str, str] | None = None, **headers: str) -> Page:
        return await self._open("POST", path, {**OWN_PAGE, **headers}, form=form or {})

    async def follow(self, page: Page) -> Page:
        assert page.status == 303, page.text
        return await self.get(page.headers["Location"])

    @property
    def cookie(self) -> str:
        jar = self._client.cookie_jar
        assert jar is not None
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)

    async def sign_up(self, password: str = PASSWORD) -> "Browser":
        page = await self.post("/sign-up", {"email": self.email, "password": password})
        assert (page.status, page.headers["Location"]) == (303, "/databases")
        return self

    async def sign_in(self, email: str) -> "Browser":
        self.email = email
        page = await self.post("/sign-in", {"email": email, "password": PASSWORD})
        assert (page.status, page.headers["Location"]) == (303, "/databases")
        return self

    async def top_up(self, amount: str = "25") -> Page:
        return await self.post("/wallet/top-ups", {"amount": amount, "key": secrets.token_hex(8)})

    async def create(self, name: str = "orders", engine: str = "postgresql") -> str:
        made = await self.post(
            "/databases", {"engine": engine, f"{engine}-plan": f"{engine}-small", "name": name, "key": name}
        )
        assert made.status == 303, made.text
        return str(made.headers["Location"]).removesuffix("/making")

    async def _open(self, method: str, path: str, headers: dict[str, str], **sent: Any) -> Page:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        response = await self._client.open(path, method=method, headers=named, **sent)
        return Page(response.status_code, await response.get_data(as_text=True), response.headers)
