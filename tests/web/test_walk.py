import secrets

from quart import Quart

from syneudp.identity import SignOutScope
from syneudp.web.services import WebServices
from tests.web.caller import ONE_UNIT_MICROS, Caller, SignUp, answered

LIMITS_OF_SMALL = {
    "max_connections": 20,
    "storage_limit_bytes": 1 << 30,
    "temp_bytes": 1 << 30,
    "statement_seconds": 300,
    "idle_transaction_seconds": 300,
    "memory_bytes": 16 << 20,
}


async def test_a_newcomer_is_known_at_the_first_call(customer: Caller) -> None:
    me = await customer.get("/api/v1/me")
    assert (me.status, me.body["email"]) == (200, customer.email)
    assert me.body["created_at"].endswith("Z")
    assert me.headers["Cache-Control"] == "no-store"


async def test_the_plans_are_public(app: Quart) -> None:
    told = await answered(app, "GET", "/api/v1/plans")
    assert told.status == 200
    assert {(plan["engine"], plan["slug"]) for plan in told.body["items"]} >= {
        ("postgresql", "postgresql-small"),
        ("mysql", "mysql-large"),
    }
    assert all(type(plan["price_micros_per_hour"]) is int for plan in told.body["items"])
    small = next(plan for plan in told.body["items"] if plan["slug"] == "mysql-small")
    assert {name: small[name] for name in LIMITS_OF_SMALL} == LIMITS_OF_SMALL


async def test_money_arrives_once(customer: Caller) -> None:
    key = secrets.token_urlsafe(8)
    first = await customer.post("/api/v1/wallet/top-ups", {"amount_micros": 5 * ONE_UNIT_MICROS}, key=key)
    again = await customer.post("/api/v1/wallet/top-ups", {"amount_micros": 5 * ONE_UNIT_MICROS}, key=key)
    other = await customer.post("/api/v1/wallet/top-ups", {"amount_micros": 6 * ONE_UNIT_MICROS}, key=key)
    assert (first.status, first.body["amount_micros"], first.body["status"]) == (201, 5 * ONE_UNIT_MICROS, "credited")
    assert (again.status, again.body) == (201, first.body)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (other.status, other.body["code"]) == (422, "idempotency_mismatch")
    wallet = (await customer.get("/api/v1/wallet")).body
    assert wallet == {
        "currency": "EUR",
        "balance_micros": 5 * ONE_UNIT_MICROS,
        "accrued_micros": 0,
        "available_micros": 5 * ONE_UNIT_MICROS,
        "burn_micros_per_hour": 0,
        "depletes_at": None,
        "debt_micros": 0,
        "monthly_cap_micros": None,
        "spent_this_month_micros": 0,
        "cap_reached_at": None,
    }


async def test_postings_come_newest_first_in_pages(customer: Caller) -> None:
    for amount in (1, 2, 3):
        await customer.top_up(amount)
    first = (await customer.get("/api/v1/wallet/transactions?limit=2")).body
    rest = (await customer.get(f"/api/v1/wallet/transactions?limit=2&cursor={first['next_cursor']}")).body
    lines = first["items"] + rest["items"]
    assert [(line["amount_micros"], line["balance_after_micros"]) for line in lines] == [(3, 6), (2, 3), (1, 1)]
    assert {line["reason"] for line in lines} == {"top_up"}
    assert rest["next_cursor"] is None


async def test_without_money_nothing_is_made(customer: Caller, silent_agents: None) -> None:
    refused = await customer.create()
    assert (refused.status, refused.body["code"]) == (402, "insufficient_balance")
    assert (await customer.get("/api/v1/instances")).body == {"items": [], "next_cursor": None}


async def test_without_a_host_there_is_no_room(customer: Caller) -> None:
    await customer.top_up()
    refused = await customer.create()
    assert (refused.status, refused.body["code"]) == (409, "capacity_exhausted")


async def test_a_database_whose_agent_is_silent_is_taken_on_and_costs_nothing(
    customer: Caller, silent_agents: None
) -> None:
    await customer.top_up()
    made = await customer.create("my shop")
    assert (made.status, made.body["status"], made.body["connection"]) == (202, "provisioning", None)
    assert "password" not in made.text
    shown = await customer.get(f"/api/v1/instances/{made.body['id']}")
    assert shown.body["name"] == "my shop"
    assert shown.body["limits"] == LIMITS_OF_SMALL
    assert (await customer.get("/api/v1/wallet")).body["burn_micros_per_hour"] == 0
    listed = (await customer.get("/api/v1/instances")).body["items"]
    assert [each["id"] for each in listed] == [made.body["id"]]
    events = (await customer.get(f"/api/v1/instances/{made.body['id']}/events")).body["items"]
    assert [(event["kind"], event["actor"]) for event in events] == [("created", "owner")]
    usage = await customer.get(f"/api/v1/instances/{made.body['id']}/usage")
    assert usage.body == {"items": [], "next_cursor": None}


async def test_databases_come_newest_first_in_pages(customer: Caller, silent_agents: None) -> None:
    await customer.top_up()
    made = [(await customer.create(f"shop {number}")).body["id"] for number in range(3)]
    first = (await customer.get("/api/v1/instances?limit=2")).body
    rest = (await customer.get(f"/api/v1/instances?limit=2&cursor={first['next_cursor']}")).body
    assert [each["id"] for each in first["items"] + rest["items"]] == made[::-1]
    assert rest["next_cursor"] is None


async def test_names_are_free_to_change_and_unique(customer: Caller, silent_agents: None) -> None:
    await customer.top_up()
    first, second = (await customer.create("one")).body, (await customer.create("two")).body
    taken = await customer.create("one")
    assert (taken.status, taken.body["code"]) == (409, "name_taken")
    renamed = await customer.call("PATCH", f"/api/v1/instances/{first['id']}", told={"name": "three"})
    assert (renamed.status, renamed.body["name"]) == (200, "three")
    clash = await customer.call("PATCH", f"/api/v1/instances/{second['id']}", told={"name": "three"})
    assert (clash.status, clash.body["code"]) == (409, "name_taken")


async def test_a_signed_out_token_can_look_and_not_act(
    customer: Caller, services: WebServices, silent_agents: None
) -> None:
    await customer.top_up()
    made = (await customer.create()).body
    await services.auth.logout(customer.access_token, scope=SignOutScope.GLOBAL)
    assert (await customer.get("/api/v1/me")).status == 200
    for method, path in (
        ("POST", f"/api/v1/instances/{made['id']}/reveal"),
        ("POST", f"/api/v1/instances/{made['id']}/rotate"),
        ("DELETE", f"/api/v1/instances/{made['id']}"),
    ):
        refused = await customer.call(method, path)
        assert (refused.status, refused.body["code"]) == (401, "authentication_required")
    assert (await customer.top_up()).status == 401


async def test_two_customers_may_use_the_same_name_and_key(newcomer: SignUp, silent_agents: None) -> None:
    one, two = await newcomer(), await newcomer()
    await one.top_up()
    await two.top_up()
    first, second = await one.create("shop", key="same"), await two.create("shop", key="same")
    assert (first.status, second.status) == (202, 202)
    assert first.body["id"] != second.body["id"]
