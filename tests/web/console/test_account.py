import pytest
from quart import Quart

from syneudp.web.console.account import safe_path
from tests.web.console.browsing import PASSWORD, Browser


async def test_a_newcomer_signs_up_out_and_in_again(app: Quart, visitor: Browser) -> None:
    browser = await visitor.sign_up()
    home = await browser.get("/databases")
    assert (home.status, browser.email in home.words) == (200, True)
    assert home.headers["Cache-Control"] == "no-store"
    out = await browser.post("/sign-out")
    assert (await browser.follow(out)).words.count("You are signed out.") == 1
    assert (await browser.get("/databases")).headers["Location"] == "/sign-in?next=/databases"
    back = await browser.post("/sign-in", {"email": browser.email, "password": PASSWORD, "next": "/wallet"})
    assert back.headers["Location"] == "/wallet"
    assert "HttpOnly" in back.headers["Set-Cookie"]
    assert "SameSite=Lax" in back.headers["Set-Cookie"]


async def test_an_unknown_address_and_a_wrong_password_read_the_same(browser: Browser, visitor: Browser) -> None:
    wrong = await visitor.post("/sign-in", {"email": browser.email, "password": "not it at all"})
    unknown = await visitor.post("/sign-in", {"email": "nobody@example.com", "password": "not it at all"})
    assert wrong.status == unknown.status == 422
    assert wrong.words.replace(browser.email, "") == unknown.words.replace("nobody@example.com", "")
    assert "not it at all" not in wrong.text + unknown.text


async def test_a_weak_password_is_told_in_a_sentence_and_not_repeated(visitor: Browser) -> None:
    page = await visitor.post("/sign-up", {"email": visitor.email, "password": "kurz7"})
    assert page.status == 422
    assert "Choose a longer password" in page.words
    assert "kurz7" not in page.text


@pytest.mark.parametrize("origin", [{"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"}])
async def test_another_site_cannot_sign_anybody_in(visitor: Browser, origin: dict[str, str]) -> None:
    page = await visitor.post("/sign-in", {"email": "a@example.com", "password": PASSWORD}, **origin)
    assert page.status == 403
    assert "text/html" in page.headers["Content-Type"]


@pytest.mark.parametrize("text", ["//evil.example", "https://evil.example", "/\\evil", "x", "/a\nb", "/" + "a" * 400])
def test_a_foreign_address_is_no_place_to_go_after_signing_in(text: str) -> None:
    assert safe_path(text) == ""


async def test_who_is_signed_in_already_is_sent_on(browser: Browser) -> None:
    assert (await browser.get("/sign-in")).headers["Location"] == "/databases"
    assert (await browser.get("/sign-up")).headers["Location"] == "/databases"
