from dataclasses import replace

import pytest
from quart import Quart

from syneudp.web.app import create_app
from tests.web.caller import Caller, answered
from tests.web.stand import Stand

FLOOD = 5000
HARDENED = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@pytest.mark.parametrize("path", ["/", "/docs", "/api/v1/plans", "/api/v1/me", "/nothing", "/api/v1/nothing"])
async def test_every_answer_is_hardened(app: Quart, path: str) -> None:
    told = await answered(app, "GET", path)
    assert {name: told.headers[name] for name in HARDENED} == HARDENED
    policy = told.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "Server" not in told.headers


async def test_strict_transport_is_for_https_alone(stand: Stand) -> None:
    assert "Strict-Transport-Security" not in (await answered(stand.app, "GET", "/livez")).headers
    settings = stand.services.settings.model_copy(update={"public_url": "https://console.example.com"})
    secured = create_app(replace(stand.services, settings=settings))
    told = (await answered(secured, "GET", "/livez")).headers["Strict-Transport-Security"]
    assert int(told.removeprefix("max-age=").partition(";")[0]) >= 31_536_000


async def test_behind_trusted_proxies_each_caller_has_a_pace_of_their_own(stand: Stand) -> None:
    settings = stand.services.settings.model_copy(update={"trusted_proxies": "127.0.0.0/8"})
    proxied = create_app(replace(stand.services, settings=settings))
    codes = {
        (
            await proxied.test_client().get(
                "/api/v1/me",
                headers={"X-Forwarded-For": f"6.6.6.6, 198.51.100.{number % 200}"},
                scope_base={"client": ("127.0.0.1", 1)},
            )
        ).status_code
        for number in range(400)
    }
    assert codes == {401}


async def test_what_belongs_to_one_customer_is_kept_nowhere(customer: Caller) -> None:
    for path in ("/api/v1/me", "/api/v1/wallet", "/api/v1/instances", "/api/v1/wallet/transactions"):
        assert (await customer.get(path)).headers["Cache-Control"] == "no-store"


async def test_a_public_page_is_kept_nowhere_once_somebody_is_signed_in(stand: Stand) -> None:
    cookie = await stand.cookie_of(await stand.newcomer())
    somebody = await answered(stand.app, "GET", "/", headers={"Cookie": cookie})
    assert somebody.headers["Cache-Control"] == "no-store"


async def test_forwarded_headers_from_a_stranger_do_not_count(app: Quart) -> None:
    codes = set()
    for number in range(FLOOD):
        headers = {"X-Forwarded-For": f"198.51.{number // 250}.{number % 250}"}
        codes.add((await answered(app, "GET", "/api/v1/me", headers=headers)).status)
        if 429 in codes:
            break
    assert codes == {401, 429}


async def test_calls_tell_what_is_left_of_their_pace(customer: Caller) -> None:
    told = await customer.get("/api/v1/me")
    assert int(told.headers["RateLimit-Limit"]) > 0
    assert int(told.headers["RateLimit-Remaining"]) > 0
