import json
from uuid import uuid4

import pytest
from quart import Quart

from syneudp.web.access import Access, access
from syneudp.web.console.pages import STATIC
from tests.web.console.browsing import Browser


@pytest.mark.parametrize("path", ["/nothing", "/databases/not-an-id", "/static/nothing.css", "/static/manifest.json"])
async def test_what_is_not_there_is_a_page_that_says_what_to_do(visitor: Browser, path: str) -> None:
    page = await visitor.get(path)
    assert page.status == 404
    assert "There is nothing here" in page.words
    assert "Start page" in page.words


async def test_a_fault_of_ours_is_a_page_without_its_reason(app: Quart, visitor: Browser) -> None:
    @app.get("/broken")
    @access(Access.PUBLIC)
    async def broken() -> str:
        raise RuntimeError("the secret reason")

    page = await visitor.get("/broken")
    assert page.status == 500
    assert "Something broke on our side" in page.words
    assert "Try again" in page.words
    assert "secret reason" not in page.text


async def test_nobody_is_let_in_without_signing_in(visitor: Browser) -> None:
    for path in ("/databases", "/databases/new", "/wallet"):
        assert (await visitor.get(path)).headers["Location"] == f"/sign-in?next={path}"
    assert (await visitor.get("/databases/stream", Accept="text/event-stream")).status == 401
    piece = await visitor.post("/wallet/top-ups", {"amount": "5"}, HX_Request="true")
    assert (piece.status, piece.headers["HX-Redirect"]) == (401, "/sign-in")


async def test_every_page_is_under_the_strict_policy(browser: Browser) -> None:
    for path in ("/", "/databases", "/databases/new", "/wallet", "/sign-in"):
        policy = (await browser.get(path)).headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


async def test_the_start_page_tells_every_price(visitor: Browser) -> None:
    page = await visitor.get("/")
    assert page.status == 200
    assert page.text.count('data-label="30 days"') == 6


async def test_too_many_tries_at_signing_in_are_told_to_wait(visitor: Browser) -> None:
    form = {"email": "nobody@example.com", "password": "guess guess guess"}
    answers = [await visitor.post("/sign-in", form) for _ in range(30)]
    assert "Wait a few minutes" in next(page for page in answers if page.status == 429).words


async def test_too_many_requests_are_a_page(browser: Browser) -> None:
    answers = [await browser.post(f"/databases/{uuid4()}/reveal") for _ in range(30)]
    assert answers[0].status == 404
    page = next(page for page in answers if page.status == 429)
    assert "Too many requests" in page.words
    assert "text/html" in page.headers["Content-Type"]


async def test_style_and_script_come_compressed_and_for_good(app: Quart) -> None:
    names = json.loads((STATIC / "manifest.json").read_text("utf-8"))
    for name in ("console.css", "console.js"):
        answer = await app.test_client().get(f"/static/{names[name]}", headers={"Accept-Encoding": "gzip, br"})
        assert (answer.status_code, answer.headers["Content-Encoding"]) == (200, "br")
        assert "immutable" in answer.headers["Cache-Control"]
        plain = await app.test_client().get(f"/static/{names[name]}", headers={"Accept-Encoding": "identity"})
        assert "Content-Encoding" not in plain.headers
