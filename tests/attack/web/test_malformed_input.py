"""Every route, told nonsense by a customer who is signed in: refused or done, and never a fault of ours."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from quart import Quart
from werkzeug.routing import Rule

from syneudp.web import limits
from tests.web.caller import Caller, answered
from tests.web.stand import Stand

SERVER_FAULT = 500
NASTY = [
    "\0",
    "a\0b",
    "\ud800",
    "\u202e\u2066name",
    "e\u0301" * 40,
    "😀" * 70,
    "ﬁ①Ⅷ",
    "x" * 5_000,
    "<script>alert(1)</script>",
    "{{ 7*7 }}",
    "'; DROP TABLE instances; --",
    "../../../etc/passwd",
    "//evil.example",
    "/\\evil.example",
    "javascript:alert(1)",
    "-1",
    "1e999",
    "99999999999999999999999999",
    "NaN",
    "٣",
    "",
    " ",
    "\r\nSet-Cookie: syneudp=evil",
]
FIELDS = (
    "name",
    "engine",
    "plan",
    "key",
    "amount",
    "amount_micros",
    "email",
    "password",
    "next",
    "postgresql-plan",
    "mysql-plan",
    "confirm",
    "typed",
    "keep",
    "keep_previous_seconds",
    "url",
    "threshold",
    "state",
)
WELL_FORMED = {
    "engine": "postgresql",
    "postgresql-plan": "postgresql-small",
    "name": "plain",
    "amount": "12.50",
    "key": "plain",
}
QUERIES = ("limit", "cursor", "from", "until", "next", "done", "hours", "month", "page", "step", "engine")
PATHS = ("%00", "%ff", "%2e%2e%2f", "01a2078a-aee5-76b1-9c82-60738203bddb", "9999-99", "2026-13", "٢٠٢٦-٠١", "x" * 3000)


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits.BoundedStore, "get", forgotten)


async def forgotten(_store: object, _key: str, default: object) -> object:
    return default


def rules(app: Quart) -> Iterator[tuple[str, Rule]]:
    for rule in app.url_map.iter_rules():
        for method in sorted(set(rule.methods or ()) - {"HEAD", "OPTIONS"}):
            yield method, rule


def filled(rule: Rule, value: str) -> str:
    parts = [value if part.startswith("<") else part for part in rule.rule.split("/")]
    return "/".join(parts)


async def headers_of(stand: Stand, customer: Caller) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {customer.access_token}",
        "Cookie": await stand.cookie_of(customer),
        "Sec-Fetch-Site": "same-origin",
    }


def hurtful(path: str) -> bool:
    return path == "/sign-out" or "stream" in path or path.endswith("/live")


async def test_no_field_of_a_form_or_a_body_is_a_fault_of_ours(stand: Stand, customer: Caller) -> None:
    await customer.top_up()
    headers = await headers_of(stand, customer)
    faults = []
    for method, rule in rules(stand.app):
        path = filled(rule, PATHS[3])
        if method == "GET" or hurtful(path):
            continue
        for nasty in NASTY:
            told = dict.fromkeys(FIELDS, nasty)
            encodable = {name: text.encode("utf-8", "replace").decode() for name, text in told.items()}
            variants: list[dict[str, Any]] = [
                {"form": encodable},
                {"form": WELL_FORMED | {"key": encodable["key"]}},
                {"form": WELL_FORMED | {"name": encodable["name"]}},
                {"form": WELL_FORMED | dict.fromkeys(("plan", "postgresql-plan"), encodable["plan"])},
                {"data": json.dumps(told).encode(), "headers": {"Content-Type": "application/json"}},
            ]
            for sent in variants:
                extra = sent.pop("headers", {})
                answer = await answered(
                    stand.app, method, path, headers={**headers, "Idempotency-Key": "k", **extra}, **sent
                )
                if answer.status >= SERVER_FAULT and (answer.body or {}).get("code") != "auth_unavailable":
                    faults.append((method, path, nasty[:20], answer.status, answer.text[:200]))
    assert faults == []


async def test_no_query_and_no_path_is_a_fault_of_ours(stand: Stand, customer: Caller) -> None:
    headers = await headers_of(stand, customer)
    faults = []
    for method, rule in rules(stand.app):
        if method != "GET" or hurtful(rule.rule):
            continue
        for value in PATHS if rule.arguments else ("",):
            answer = await answered(stand.app, method, filled(rule, value), headers=headers)
            if answer.status >= SERVER_FAULT:
                faults.append((rule.rule, value[:20], answer.status, answer.text[:200]))
        for nasty in NASTY:
            query = {name: nasty.encode("utf-8", "replace").decode() for name in QUERIES}
            answer = await answered(stand.app, method, filled(rule, PATHS[3]), headers=headers, query_string=query)
            if answer.status >= SERVER_FAULT:
                faults.append((rule.rule, nasty[:20], answer.status, answer.text[:200]))
            location = answer.headers.get("Location", "/")
            if not location.startswith("/") or location.startswith(("//", "/\\")):
                faults.append((rule.rule, nasty[:20], answer.status, location))
    assert faults == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("User-Agent", "x" * 9_000),
        ("User-Agent", "\x7f\x80\xff'\""),
        ("Cookie", "syneudp=" + "é" * 2_000),
        ("Cookie", "syneudp=a; syneudp=b; =; ;;"),
        ("Authorization", "Bearer " + "." * 8_000),
        ("Authorization", "Bearer a.b.c"),
        ("Authorization", "Bearer eyJhbGciOiJub25lIn0.e30."),
        ("Accept-Language", "\xff"),
        ("X-Request-Id", "a\tb" * 500),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "same-origin, cross-site"),
        ("Idempotency-Key", "\xff"),
        ("Content-Type", "application/json; charset=utf-7"),
        ("Content-Type", "multipart/form-data; boundary=" + "x" * 500),
        ("Content-Length", "-1"),
        ("Range", "bytes=0-1,5-6"),
        ("HX-Request", "<script>"),
        ("X-HTTP-Method-Override", "DELETE"),
    ],
)
async def test_no_header_is_a_fault_of_ours(stand: Stand, customer: Caller, name: str, value: str) -> None:
    own = await headers_of(stand, customer)
    for method, path in (
        ("GET", "/databases"),
        ("GET", "/sign-in"),
        ("GET", "/api/v1/me"),
        ("POST", "/api/v1/instances"),
        ("POST", "/databases"),
        ("DELETE", f"/api/v1/instances/{PATHS[3]}"),
    ):
        answer = await answered(stand.app, method, path, headers={**own, name: value})
        assert answer.status < SERVER_FAULT, (path, answer.text[:300])
        assert "Traceback" not in answer.text
