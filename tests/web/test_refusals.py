"""Bad input of every kind: a 4xx as problem+json that repeats nothing of what was sent."""

import json
from typing import Any

import pytest
from quart import Quart

from syneudp.web.limits import neighbourhood
from tests.web.caller import Answer, Caller, answered
from tests.web.stand import Stand

CANARY = "canary7f3a"
PROBLEM_MEMBERS = {"type", "title", "status", "detail", "code", "request_id"}
ANY_ID = "01a2078a-aee5-76b1-9c82-60738203bddb"


@pytest.fixture(scope="module")
def stand(shared_stand: Stand) -> Stand:
    return shared_stand


@pytest.fixture
async def customer(stand: Stand) -> Caller:
    return await stand.newcomer()


@pytest.fixture
def app(stand: Stand) -> Quart:
    return stand.app


def assert_problem(told: Answer, status: int, code: str) -> None:
    assert (told.status, told.body["status"], told.body["code"]) == (status, status, code), told.text
    assert told.headers["Content-Type"] == "application/problem+json"
    assert set(told.body) - {"errors"} == PROBLEM_MEMBERS
    assert told.body["type"] == f"https://syneudp.dev/problems/{code}"
    assert told.body["request_id"] == told.headers["X-Request-Id"]
    assert told.headers["Cache-Control"] == "no-store"
    assert CANARY not in told.text


@pytest.mark.parametrize(
    "amount",
    [-1, 0, 10**30, 10_000_000_001, 1.0, 1.5, 1e6, "1000000", CANARY, None, True, [1], {"a": 1}, ""],
    ids=repr,
)
async def test_an_amount_is_a_positive_whole_number_within_reason(customer: Caller, amount: Any) -> None:
    told = await customer.post("/api/v1/wallet/top-ups", {"amount_micros": amount}, key="k")
    assert_problem(told, 422, "invalid_request")
    assert [fault["pointer"] for fault in told.body["errors"]] == ["/amount_micros"]
    assert (await customer.get("/api/v1/wallet")).body["balance_micros"] == 0


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        f"{CANARY}'; DROP TABLE users; --",
        f'{CANARY}"',
        f"{CANARY} 🚀",
        f"{CANARY}\u0000",
        f"{CANARY}\n",
        f"{CANARY}\u202e",
        f"{CANARY}<script>",
        CANARY * 1024,
        "-" + CANARY,
        "x" * 64,
        "\ud800",
        None,
        7,
        [CANARY],
    ],
    ids=lambda name: ascii(name)[:24],
)
async def test_a_name_is_plain(customer: Caller, name: Any) -> None:
    await customer.top_up()
    told = await customer.create(name)
    assert told.body["code"] in {"invalid_request", "name_invalid"}
    assert_problem(told, 422, told.body["code"])
    assert [fault["pointer"] for fault in told.body["errors"]] == ["/name"]
    assert (await customer.get("/api/v1/instances")).body["items"] == []


@pytest.mark.parametrize(
    "body",
    [
        {"name": "a", "engine": "postgresql"},
        {"name": "a", "engine": CANARY, "plan": "postgresql-small"},
        {"name": "a", "engine": "postgresql", "plan": "postgresql-small", CANARY: 1},
        {"name": "a", "engine": "postgresql", "plan": CANARY},
        {"name": "a", "engine": "postgresql", "plan": "mysql-small"},
        {"name": "a", "engine": "postgresql", "plan": "x\u0000"},
        {"name": "a", "engine": "postgresql", "plan": ["postgresql-small"]},
        [],
        CANARY,
        7,
        None,
        {},
    ],
    ids=lambda body: json.dumps(body)[:40],
)
async def test_what_is_asked_for_must_be_on_offer(customer: Caller, body: Any) -> None:
    await customer.top_up()
    told = await customer.call(
        "POST",
        "/api/v1/instances",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    assert told.body["code"] in {"invalid_request", "unknown_plan"}
    assert_problem(told, 422, told.body["code"])


@pytest.mark.parametrize("field", [CANARY, "status", "engine"])
async def test_only_the_name_and_the_plan_of_a_database_can_be_changed(customer: Caller, field: str) -> None:
    told = await customer.call("PATCH", f"/api/v1/instances/{ANY_ID}", told={"name": "a", field: "postgresql-large"})
    assert_problem(told, 422, "invalid_request")


BODIES_THAT_ARE_NOT_JSON = [
    b"",
    b"{" + CANARY.encode(),
    b'{"amount_micros": NaN}',
    b'{"amount_micros": 1, "amount_micros": 2}',
    b"\xff\xfe{}",
    b"[" * 50_000,
    b'{"amount_micros": ' + b"9" * 50_000 + b"}",
]


@pytest.mark.parametrize("body", BODIES_THAT_ARE_NOT_JSON, ids=lambda body: repr(body[:16]))
async def test_a_body_that_is_not_json_is_refused(customer: Caller, body: bytes) -> None:
    headers = {"Content-Type": "application/json", "Idempotency-Key": "k"}
    told = await customer.call("POST", "/api/v1/wallet/top-ups", data=body, headers=headers)
    assert_problem(told, 400, "malformed_request")


@pytest.mark.parametrize(
    "media", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", f"x/{CANARY}", ""]
)
async def test_a_body_of_another_media_type_is_refused(customer: Caller, media: str) -> None:
    headers = {"Content-Type": media, "Idempotency-Key": "k"} if media else {"Idempotency-Key": "k"}
    told = await customer.call("POST", "/api/v1/wallet/top-ups", data=b'{"amount_micros": 1}', headers=headers)
    assert_problem(told, 415, "unsupported_media_type")


async def test_a_body_that_is_too_large_is_refused(customer: Caller) -> None:
    headers = {"Content-Type": "application/json", "Idempotency-Key": "k"}
    body = json.dumps({"amount_micros": 1, "padding": CANARY * 10_000}).encode()
    told = await customer.call("POST", "/api/v1/wallet/top-ups", data=body, headers=headers)
    assert_problem(told, 413, "request_too_large")


@pytest.mark.parametrize("act", ["suspend", "resume", "reveal", "rotate"])
async def test_an_act_without_fields_takes_none(customer: Caller, act: str) -> None:
    path = f"/api/v1/instances/{ANY_ID}/{act}"
    assert_problem(await customer.post(path, {CANARY: 1}), 422, "invalid_request")
    assert_problem(
        await customer.call("POST", path, data=b"{", headers={"Content-Type": "application/json"}),
        400,
        "malformed_request",
    )
    assert_problem(await customer.post(path, {}), 404, "instance_not_found")


@pytest.mark.parametrize("key", ["x" * 256, "a\tb", "ü", " "], ids=ascii)
async def test_a_key_is_printable_and_short(customer: Caller, key: str) -> None:
    told = await customer.post("/api/v1/wallet/top-ups", {"amount_micros": 1}, key=key)
    assert told.status in {400, 422}
    assert_problem(told, told.status, told.body["code"])
    assert (await customer.get("/api/v1/wallet")).body["balance_micros"] == 0


async def test_money_needs_a_key(customer: Caller) -> None:
    told = await customer.post("/api/v1/wallet/top-ups", {"amount_micros": 1})
    assert_problem(told, 400, "idempotency_key_required")


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=-1",
        f"limit={CANARY}",
        "limit=1&limit=2",
        f"cursor={CANARY}",
        "cursor=" + "0" * 200,
        f"{CANARY}=1",
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/instances", "/api/v1/wallet/transactions"])
async def test_a_page_is_asked_for_properly(customer: Caller, path: str, query: str) -> None:
    assert_problem(await customer.get(f"{path}?{query}"), 422, "invalid_request")


@pytest.mark.parametrize(
    "query",
    [
        f"from={CANARY}",
        "from=1700000000",
        "from=2026-01-01",
        "from=2026-01-01T00:00:00",
        "from=2026-13-01T00:00:00Z",
        "from=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z",
        "from=2026-01-01T00:00:00Z&until=2026-01-01T00:00:00Z",
        "from=2026-01-01T00:00:00Z&until=2026-03-01T00:00:00Z",
        "from=0001-01-01T00:00:00Z",
        "until=9999-12-31T23:59:59-23:59",
        "until=1999-12-31T23:59:59Z",
    ],
)
async def test_a_window_is_asked_for_properly(customer: Caller, query: str) -> None:
    await customer.top_up()
    made = (await customer.create()).body
    told = await customer.get(f"/api/v1/instances/{made['id']}/usage?{query}")
    assert_problem(told, 422, "invalid_request")


@pytest.mark.parametrize(
    "path",
    [
        f"/api/v1/{CANARY}",
        f"/api/v1/instances/{CANARY}",
        "/api/v1/instances/1",
        f"/api/v1/instances/{ANY_ID}/{CANARY}",
        "/api/v1",
        "/api/v1/",
    ],
)
async def test_what_is_not_there_is_not_found(customer: Caller, path: str) -> None:
    assert_problem(await customer.get(path), 404, "not_found")


async def test_a_method_that_is_not_offered_is_refused(app: Quart) -> None:
    told = await answered(app, "DELETE", "/api/v1/plans")
    assert_problem(told, 405, "method_not_allowed")
    assert "GET" in told.headers["Allow"]


async def test_too_many_calls_are_told_to_wait(app: Quart, customer: Caller) -> None:
    for _ in range(25):
        told = await customer.post(f"/api/v1/instances/{ANY_ID}/reveal")
    assert_problem(told, 429, "rate_limited")
    assert int(told.headers["Retry-After"]) > 0
    assert (await customer.get("/api/v1/me")).status == 200


async def test_guessing_tokens_is_bounded_by_address(app: Quart) -> None:
    codes = set()
    for number in range(500):
        headers = {"Authorization": f"Bearer {number}"}
        codes.add((await answered(app, "POST", "/api/v1/wallet/top-ups", headers=headers)).status)
    assert codes == {401, 429}


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
        ("no address", "no address"),
    ],
)
def test_all_addresses_of_one_ipv6_network_share_one_pace(address: str, named: str) -> None:
    assert neighbourhood(address) == named


async def test_a_fault_of_ours_tells_nothing(app: Quart, customer: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError(CANARY)

    monkeypatch.setattr("syneudp.wallet.overview", fail)
    assert_problem(await customer.get("/api/v1/wallet"), 500, "internal_error")
