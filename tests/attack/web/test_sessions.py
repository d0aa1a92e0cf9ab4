import re
import secrets

import pytest
from quart.testing.connections import WebsocketDisconnectError

from syneudp.web.application import POLICY_VIOLATION
from tests.web.caller import answered
from tests.web.console.browsing import PASSWORD, Browser
from tests.web.stand import Stand

OWN = {"Sec-Fetch-Site": "same-origin"}


async def test_a_cookie_that_was_planted_before_signing_in_opens_nothing_after_it(stand: Stand) -> None:
    browser = Browser(stand.app)
    await browser.sign_up()
    planted = f"syneudp={secrets.token_urlsafe(32)}"
    signed_in = await answered(
        stand.app,
        "POST",
        "/sign-in",
        headers={**OWN, "Cookie": planted},
        form={"email": browser.email, "password": PASSWORD},
    )
    given = re.match(r"syneudp=([^;]+)", signed_in.headers["Set-Cookie"])
    assert given is not None
    assert given[1] not in planted
    assert (await answered(stand.app, "GET", "/databases", headers={"Cookie": planted})).status == 303
    assert (await answered(stand.app, "GET", "/databases", headers={"Cookie": given[0]})).status == 200


async def test_signing_out_ends_the_session_itself_and_not_only_its_cookie(stand: Stand) -> None:
    cookie = await stand.cookie_of(await stand.newcomer())
    assert (await answered(stand.app, "GET", "/databases", headers={"Cookie": cookie})).status == 200
    await answered(stand.app, "POST", "/sign-out", headers={**OWN, "Cookie": cookie})
    assert (await answered(stand.app, "GET", "/databases", headers={"Cookie": cookie})).status == 303


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(stand: Stand) -> None:
    page = await Browser(stand.app).post(
        "/sign-up", {"email": f"{secrets.token_hex(8)}@example.com", "password": PASSWORD}
    )
    told = page.headers["Set-Cookie"]
    assert "HttpOnly" in told
    assert "SameSite=Lax" in told
    assert "Path=/" in told
    assert "Domain" not in told


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1@evil.example"])
async def test_no_answer_leads_to_the_host_that_a_request_names(stand: Stand, host: str) -> None:
    for path in ("/", "/databases", "/sign-in", "/wallet", "/databases/", "/docs/"):
        answer = await answered(stand.app, "GET", path, headers={"Host": host, "X-Forwarded-Host": host})
        assert "evil.example" not in answer.headers.get("Location", "")
        assert "evil.example" not in answer.text


@pytest.mark.parametrize(
    "following", ["//evil.example", "https://evil.example", "/\\evil.example", "/%2f/evil.example", "\t//evil.example"]
)
async def test_signing_in_leads_to_no_other_site(stand: Stand, following: str) -> None:
    browser = Browser(stand.app)
    await browser.sign_up()
    page = await browser.post("/sign-in", {"email": browser.email, "password": PASSWORD, "next": following})
    assert page.status == 303
    location = page.headers["Location"]
    assert location.startswith("/")
    assert not re.match(r"/[/\\]", location)


async def test_a_websocket_is_refused_whoever_asks_for_it(stand: Stand) -> None:
    cookie = await stand.cookie_of(await stand.newcomer())
    for path in ("/", "/databases", "/livez", "/api/v1/me"):
        with pytest.raises(WebsocketDisconnectError) as refused:
            async with stand.app.test_client().websocket(path, headers={"Cookie": cookie}) as socket:
                await socket.receive()
        assert refused.value.args == (POLICY_VIOLATION,)
