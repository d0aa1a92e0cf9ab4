import re
from uuid import uuid4

import pytest
from quart import Quart

from syneudp.identity.rules import PROOF_LASTS_SECONDS
from syneudp.kernel import clock
from syneudp.kernel.database import execute, reading, value
from tests.web.console.browsing import PASSWORD, Browser, Page

SECRET = re.compile(r'id="fact-password">([^<]+)<')
RIGHT = {"password": PASSWORD}
WRONG = {"password": "not it at all"}


async def latest_sign_in() -> int:
    return int(await value(reading(), "SELECT max(created_at) FROM web_sessions"))


async def trail() -> list[str]:
    found: list[str] = await value(reading(), "SELECT array_agg(act ORDER BY happened_at, id) FROM audit_events")
    return found


def shows_a_secret(page: Page) -> bool:
    return SECRET.search(page.text) is not None


async def made(browser: Browser) -> str:
    await browser.top_up()
    return await browser.create()


async def test_a_sign_in_of_the_last_ten_minutes_is_proof_enough(browser: Browser, agent_url: str) -> None:
    path = await made(browser)
    signed_in = await latest_sign_in()
    with clock.frozen(signed_in + PROOF_LASTS_SECONDS - 1):
        revealed = await browser.post(f"{path}/reveal")
    assert (revealed.status, shows_a_secret(revealed)) == (200, True)
    with clock.frozen(signed_in + PROOF_LASTS_SECONDS):
        assert (await browser.post(f"{path}/reveal")).status == 403


async def test_who_signed_in_longer_ago_is_asked_and_shown_nothing(browser: Browser, agent_url: str) -> None:
    path = await made(browser)
    with clock.frozen(await latest_sign_in() + PROOF_LASTS_SECONDS):
        asked = await browser.post(f"{path}/reveal")
        piece = await browser.post(f"{path}/reveal", HX_Request="true")
        for page in (asked, piece):
            assert (page.status, shows_a_secret(page)) == (403, False)
            assert "Enter your own password" in page.words
            assert 'autocomplete="current-password"' in page.text
            assert f'value="{browser.email}"' in page.text
            assert page.headers["Cache-Control"] == "no-store"
            assert "Set-Cookie" not in page.headers
        assert "<html" in asked.text
        assert "<html" not in piece.text
        assert "reveal" not in await trail()
        plain = await browser.get(path)
    assert (plain.status, "Enter your own password" in plain.words) == (200, False)


async def test_a_wrong_password_is_told_and_shows_nothing(browser: Browser, agent_url: str) -> None:
    path = await made(browser)
    with clock.frozen(await latest_sign_in() + PROOF_LASTS_SECONDS):
        page = await browser.post(f"{path}/reveal", WRONG)
        assert (page.status, shows_a_secret(page)) == (422, False)
        assert "This is not the password you sign in with." in page.words
        assert WRONG["password"] not in page.text
        assert "Set-Cookie" not in page.headers
        assert await trail() == ["sign_up", "top_up", "create"]
        assert (await browser.post(f"{path}/reveal")).status == 403
        assert (await browser.get(path)).status == 200


async def test_guesses_run_out_as_they_do_at_signing_in(browser: Browser, agent_url: str) -> None:
    path = await made(browser)
    with clock.frozen(await latest_sign_in() + PROOF_LASTS_SECONDS):
        answers = [await browser.post(f"{path}/reveal", WRONG) for _ in range(11)]
        right = await browser.post(f"{path}/reveal", RIGHT)
    assert [page.status for page in answers] == [422] * 10 + [429]
    assert "Wait a few minutes" in answers[-1].words
    assert (right.status, shows_a_secret(right)) == (429, False)


async def test_the_right_password_reveals_and_is_proof_for_the_next_ten_minutes(
    browser: Browser, agent_url: str
) -> None:
    path = await made(browser)
    asked_at = await latest_sign_in() + PROOF_LASTS_SECONDS
    with clock.frozen(asked_at):
        revealed = await browser.post(f"{path}/reveal", RIGHT, HX_Request="true")
        assert (revealed.status, shows_a_secret(revealed)) == (200, True)
        assert revealed.headers["Cache-Control"] == "no-store"
        assert "HttpOnly" in revealed.headers["Set-Cookie"]
        assert "Enter your own password" not in revealed.words
        assert PASSWORD not in revealed.text
        assert (await trail())[-2:] == ["sign_in", "reveal"]
    with clock.frozen(asked_at + PROOF_LASTS_SECONDS - 1):
        again = await browser.post(f"{path}/reveal")
        assert (again.status, shows_a_secret(again)) == (200, True)
    with clock.frozen(asked_at + PROOF_LASTS_SECONDS):
        assert (await browser.post(f"{path}/reveal")).status == 403


async def test_proof_in_one_session_is_none_in_another(app: Quart, browser: Browser, agent_url: str) -> None:
    path = await made(browser)
    other = await Browser(app).sign_in(browser.email)
    with clock.frozen(await latest_sign_in() + PROOF_LASTS_SECONDS):
        assert (await browser.post(f"{path}/reveal", RIGHT)).status == 200
        assert (await other.get(path)).status == 200
        asked = await other.post(f"{path}/reveal")
        assert (asked.status, shows_a_secret(asked)) == (403, False)


async def test_a_stolen_copy_of_the_cookie_gains_nothing_from_the_owners_proof(
    app: Quart, browser: Browser, agent_url: str
) -> None:
    path = await made(browser)
    thief = Browser(app)
    stolen = browser.cookie
    with clock.frozen(await latest_sign_in() + PROOF_LASTS_SECONDS):
        assert (await thief.get(path, Cookie=stolen)).status == 200
        assert (await browser.post(f"{path}/reveal", RIGHT)).status == 200
        assert (await thief.post(f"{path}/reveal", Cookie=stolen)).headers["Location"] == "/sign-in"


async def test_nothing_that_a_browser_makes_up_is_proof(app: Quart, browser: Browser, agent_url: str) -> None:
    path = await made(browser)
    now = await latest_sign_in() + PROOF_LASTS_SECONDS
    claimed = {name: str(now) for name in ("created_at", "signed_in_at", "proved_at", "email", "session")}
    with clock.frozen(now):
        for page in (
            await browser.post(f"{path}/reveal", claimed),
            await browser.post(f"{path}/reveal?signed_in_at={now}&password={PASSWORD}"),
            await browser.post(f"{path}/reveal", Cookie=f"{browser.cookie}; signed_in_at={now}"),
        ):
            assert (page.status, shows_a_secret(page)) == (403, False)
        stranger = Browser(app)
        for cookie in ("syneudp=" + "a" * 43, f"{browser.cookie}.{now}", f"syneudp={uuid4()}"):
            forged = await stranger.post(f"{path}/reveal", RIGHT, Cookie=cookie)
            assert (forged.status, forged.headers["Location"]) == (303, "/sign-in")


async def test_the_password_of_another_customer_is_no_proof(app: Quart, browser: Browser, agent_url: str) -> None:
    path = await made(browser)
    other = await Browser(app).sign_up("something else entirely")
    with clock.frozen(await latest_sign_in() + PROOF_LASTS_SECONDS):
        form = {"email": other.email, "password": "something else entirely"}
        page = await browser.post(f"{path}/reveal", form)
        assert (page.status, shows_a_secret(page)) == (422, False)


async def test_a_refreshed_token_is_no_sign_in(browser: Browser, agent_url: str) -> None:
    path = await made(browser)
    with clock.frozen(await latest_sign_in() + PROOF_LASTS_SECONDS):
        soon = await clock.now(reading()) + 10
        await execute(reading(), "UPDATE web_sessions SET access_expires_at = $1", soon)
        assert (await browser.post(f"{path}/reveal")).status == 403
        assert await value(reading(), "SELECT access_expires_at FROM web_sessions") > soon


async def test_a_database_that_took_long_to_make_asks_before_its_password_is_shown_first(
    browser: Browser, agent_url: str
) -> None:
    path = await made(browser)
    with clock.frozen(await latest_sign_in() + PROOF_LASTS_SECONDS):
        assert f'action="{path}/reveal"' in (await browser.get(f"{path}/making")).text
        asked = await browser.post(f"{path}/reveal")
        assert (asked.status, f'data-address="{path}"' in asked.text) == (403, True)
        assert shows_a_secret(await browser.post(f"{path}/reveal", RIGHT))


async def test_where_there_is_no_password_to_show_none_is_asked_for(browser: Browser, silent_agents: None) -> None:
    path = await made(browser)
    with clock.frozen(await latest_sign_in() + PROOF_LASTS_SECONDS):
        page = await browser.follow(await browser.post(f"{path}/reveal"))
        assert page.headers["Location"] == f"{path}/making"


@pytest.mark.parametrize("form", [{}, RIGHT, WRONG])
async def test_what_is_not_there_is_told_so_and_leaves_the_customer_signed_in(
    browser: Browser, form: dict[str, str]
) -> None:
    with clock.frozen(await latest_sign_in() + PROOF_LASTS_SECONDS):
        assert (await browser.post(f"/databases/{uuid4()}/reveal", form)).status == 404
        assert (await browser.get("/databases")).status == 200
