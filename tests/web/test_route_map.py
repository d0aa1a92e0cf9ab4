"""Every route says who may call it, how fast, and what goes in and out; one that forgets does not pass here."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from quart import Quart
from quart_rate_limiter import QUART_RATE_LIMITER_LIMITS_ATTRIBUTE
from quart_schema.openapi import QUART_SCHEMA_HIDDEN_ATTRIBUTE
from quart_schema.validation import QUART_SCHEMA_REQUEST_ATTRIBUTE, QUART_SCHEMA_RESPONSE_ATTRIBUTE
from werkzeug.routing import Rule

from syneudp.web.access import Access, rule_of
from syneudp.web.api.requests import BODILESS_ATTRIBUTE
from tests.web.caller import ONE_UNIT_MICROS, SignUp, answered
from tests.web.stand import Stand

UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
PUBLIC_API = frozenset({"/livez", "/readyz", "/openapi.json", "/docs", "/docs.css", "/api/v1/plans"})
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("PATCH", "/api/v1/instances/<uuid:instance_id>"): {"name": "stolen"},
}
MISSING = "01a2078a-aee5-76b1-9c82-60738203bddb"
NAMES_NOTHING_OF_ANYONE = {"month"}
TESTED_ELSEWHERE = {"endpoint_id"}
CALLS_OF_THE_API = frozenset(
    {
        "GET /api/v1/me",
        "GET /api/v1/plans",
        "POST /api/v1/instances",
        "GET /api/v1/instances",
        "GET /api/v1/instances/<uuid:instance_id>",
        "PATCH /api/v1/instances/<uuid:instance_id>",
        "DELETE /api/v1/instances/<uuid:instance_id>",
        "POST /api/v1/instances/<uuid:instance_id>/reveal",
        "POST /api/v1/instances/<uuid:instance_id>/rotate",
        "POST /api/v1/instances/<uuid:instance_id>/suspend",
        "POST /api/v1/instances/<uuid:instance_id>/resume",
        "GET /api/v1/instances/<uuid:instance_id>/usage",
        "GET /api/v1/instances/<uuid:instance_id>/metrics",
        "GET /api/v1/instances/<uuid:instance_id>/events",
        "GET /api/v1/wallet",
        "PATCH /api/v1/wallet",
        "POST /api/v1/wallet/top-ups",
        "GET /api/v1/wallet/alerts",
        "POST /api/v1/webhooks/stripe",
        "GET /api/v1/wallet/statements",
        "GET /api/v1/wallet/statements/<month>",
        "GET /api/v1/wallet/transactions",
        "POST /api/v1/webhook-endpoints",
        "GET /api/v1/webhook-endpoints",
        "GET /api/v1/webhook-endpoints/<uuid:endpoint_id>",
        "DELETE /api/v1/webhook-endpoints/<uuid:endpoint_id>",
        "POST /api/v1/webhook-endpoints/<uuid:endpoint_id>/rotate-secret",
        "POST /api/v1/webhook-endpoints/<uuid:endpoint_id>/enable",
        "POST /api/v1/webhook-endpoints/<uuid:endpoint_id>/test",
        "GET /api/v1/webhook-endpoints/<uuid:endpoint_id>/deliveries",
        "GET /livez",
        "GET /readyz",
        "GET /openapi.json",
        "GET /docs",
        "GET /docs.css",
    }
)


def routes(app: Quart) -> Iterator[tuple[Rule, Any]]:
    for rule in app.url_map.iter_rules():
        yield rule, app.view_functions[rule.endpoint]


def of_the_api(rule: Rule) -> bool:
    return str(rule.endpoint).startswith(("api.", "root."))


def methods(rule: Rule) -> set[str]:
    return set(rule.methods or ()) - {"HEAD", "OPTIONS"}


def naming(rule: Rule, identifier: str) -> str:
    return re.sub(r"<uuid:[a-z_]+>", identifier, rule.rule)


def test_the_api_has_exactly_its_calls(app: Quart) -> None:
    found = {f"{method} {rule.rule}" for rule, _ in routes(app) if of_the_api(rule) for method in methods(rule)}
    assert found == CALLS_OF_THE_API


def test_every_route_declares_who_may_call_it(app: Quart) -> None:
    assert [rule.rule for rule, view in routes(app) if not isinstance(rule_of(view), Access)] == []


def test_every_route_declares_its_pace(app: Quart) -> None:
    forgetful = [rule.rule for rule, view in routes(app) if not getattr(view, QUART_RATE_LIMITER_LIMITS_ATTRIBUTE, [])]
    assert forgetful == []


def test_the_apis_public_routes_are_the_few_that_are_meant(app: Quart) -> None:
    public = {rule.rule for rule, view in routes(app) if of_the_api(rule) and rule_of(view) is Access.PUBLIC}
    assert public == PUBLIC_API
    assert all(rule_of(view) is not Access.SESSION for rule, view in routes(app) if of_the_api(rule))


def test_every_route_of_the_console_is_hidden_and_never_takes_a_bearer_token(app: Quart) -> None:
    for rule, view in routes(app):
        if not of_the_api(rule):
            assert rule_of(view) is not Access.CUSTOMER, rule.rule
            assert getattr(view, QUART_SCHEMA_HIDDEN_ATTRIBUTE, False), rule.rule


def test_every_call_of_the_api_declares_what_it_answers(app: Quart) -> None:
    for rule, view in routes(app):
        if of_the_api(rule) and not getattr(view, QUART_SCHEMA_HIDDEN_ATTRIBUTE, False):
            assert getattr(view, QUART_SCHEMA_RESPONSE_ATTRIBUTE, None), rule.rule


def test_every_unsafe_call_of_the_api_declares_its_body_or_that_it_has_none(app: Quart) -> None:
    for rule, view in routes(app):
        if of_the_api(rule) and methods(rule) & UNSAFE and rule_of(view) is not Access.SIGNED:
            takes = hasattr(view, QUART_SCHEMA_REQUEST_ATTRIBUTE)
            assert takes != getattr(view, BODILESS_ATTRIBUTE, False), rule.rule


async def test_every_call_for_customers_refuses_a_caller_without_or_with_a_false_token(app: Quart) -> None:
    for rule, view in routes(app):
        if rule_of(view) is not Access.CUSTOMER:
            continue
        path = naming(rule, MISSING)
        for method in methods(rule):
            for headers in (
                {},
                {"Authorization": "Bearer nonsense"},
                {"Authorization": "Basic dXNlcjpwYXNz"},
                {"Cookie": "syneudp=abc; __Host-syneudp=abc"},
            ):
                refused = await answered(app, method, path, headers=headers)
                assert (refused.status, refused.body["code"]) == (401, "authentication_required"), (method, path)
                assert refused.headers["WWW-Authenticate"] == "Bearer"


async def test_what_is_signed_is_believed_by_its_signature_alone(stand: Stand) -> None:
    caller = await stand.newcomer()
    own = {"Cookie": await stand.cookie_of(caller), "Authorization": f"Bearer {caller.access_token}"}
    tried = 0
    for rule, view in routes(stand.app):
        if rule_of(view) is Access.SIGNED:
            tried += 1
            for headers in ({}, own, {**own, "Sec-Fetch-Site": "same-origin"}):
                refused = await answered(stand.app, "POST", rule.rule, data=b"{}", headers=headers)
                assert (refused.status, refused.body["code"]) == (400, "signature_invalid")
    assert tried == 1


async def test_another_customers_database_is_not_found_on_any_route(
    app: Quart, newcomer: SignUp, silent_agents: None
) -> None:
    owner, stranger = await newcomer(), await newcomer()
    await owner.top_up()
    await stranger.top_up(ONE_UNIT_MICROS)
    made = (await owner.create("mine")).body
    before = (await owner.get(f"/api/v1/instances/{made['id']}")).body
    tried = 0
    for rule, _ in routes(app):
        if not of_the_api(rule) or not rule.arguments - NAMES_NOTHING_OF_ANYONE - TESTED_ELSEWHERE:
            continue
        assert rule.arguments == {"instance_id"}, f"{rule.rule} names something that this test does not know yet"
        for method in methods(rule):
            tried += 1
            body = BODIES.get((method, rule.rule))
            theirs, none = [
                await stranger.call(method, rule.rule.replace("<uuid:instance_id>", each), told=body)
                for each in (made["id"], MISSING)
            ]
            assert (theirs.status, theirs.body["code"]) == (404, "instance_not_found"), (method, rule.rule)
            assert {**theirs.body, "request_id": ""} == {**none.body, "request_id": ""}, (method, rule.rule)
    assert tried >= 9
    assert (await owner.get(f"/api/v1/instances/{made['id']}")).body == before
    assert (await stranger.get("/api/v1/instances")).body["items"] == []


async def test_a_cookie_acts_only_from_this_sites_own_pages(stand: Stand) -> None:
    cookie = await stand.cookie_of(await stand.newcomer())
    tried = 0
    for rule, view in routes(stand.app):
        if rule_of(view) in {Access.CUSTOMER, Access.SIGNED}:
            continue
        path = naming(rule, MISSING)
        for method in methods(rule) & UNSAFE:
            for told in (
                {},
                {"Sec-Fetch-Site": "cross-site"},
                {"Sec-Fetch-Site": "same-site"},
                {"Origin": "https://evil.example"},
            ):
                tried += 1
                refused = await answered(stand.app, method, path, headers={"Cookie": cookie, **told})
                assert refused.status == 403, (method, path, told)
                assert "Set-Cookie" not in refused.headers
    assert tried >= 4
    assert (await answered(stand.app, "GET", "/databases", headers={"Cookie": cookie})).status == 200


async def test_another_customers_database_is_not_found_on_any_page(stand: Stand, silent_agents: None) -> None:
    owner, stranger = await stand.newcomer(), await stand.newcomer()
    await owner.top_up()
    made = (await owner.create("mine")).body
    cookie = await stand.cookie_of(stranger)
    headers = {"Cookie": cookie, "Sec-Fetch-Site": "same-origin"}
    before = (await owner.get(f"/api/v1/instances/{made['id']}")).body
    tried = 0
    for rule, _ in routes(stand.app):
        if of_the_api(rule) or "instance_id" not in rule.arguments:
            continue
        for method in methods(rule):
            tried += 1
            path = rule.rule.replace("<uuid:instance_id>", made["id"])
            refused = await answered(stand.app, method, path, headers=headers)
            leads_back = refused.headers.get("Location") == f"/databases/{made['id']}"
            assert refused.status == 404 or (refused.status == 303 and leads_back), (method, path)
            assert "mine" not in refused.text
    assert tried >= 9
    assert (await owner.get(f"/api/v1/instances/{made['id']}")).body == before


async def test_no_page_of_a_customer_is_shown_or_acted_on_without_a_session(stand: Stand) -> None:
    for rule, view in routes(stand.app):
        if rule_of(view) is not Access.SESSION:
            continue
        path = naming(rule, MISSING)
        for method in methods(rule):
            headers = {"Sec-Fetch-Site": "same-origin", "Cookie": f"syneudp={'a' * 43}"}
            refused = await answered(stand.app, method, path, headers=headers)
            assert refused.status in {303, 401}, (method, path, refused.status)
            assert refused.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/openapi.json", "/docs", "/docs.css", "/api/v1/plans"])
async def test_what_is_public_needs_nothing(app: Quart, path: str) -> None:
    assert (await answered(app, "GET", path)).status == 200
