"""A change of plan through the API, with a real agent and a real PostgreSQL behind it."""

import asyncpg

from syneudp.kernel.database import reading, rows
from tests.web.caller import ONE_UNIT_MICROS, Caller

MEDIUM = "postgresql-medium"
MEDIUM_PRICE = 20_833


async def made(customer: Caller) -> tuple[str, str]:
    await customer.top_up()
    created = await customer.create()
    assert created.status == 201, created.text
    return f"/api/v1/instances/{created.body['id']}", created.body["connection"]["uri"]


async def test_a_plan_changes_price_and_limits_under_open_connections(customer: Caller, agent_url: str) -> None:
    path, uri = await made(customer)
    session = await asyncpg.connect(uri)
    try:
        changed = await customer.call("PATCH", path, told={"plan": MEDIUM, "name": "bigger"})
        assert (changed.status, changed.body["status"]) == (200, "running")
        assert (changed.body["plan"], changed.body["name"]) == (MEDIUM, "bigger")
        assert changed.body["price_micros_per_hour"] == MEDIUM_PRICE
        assert changed.body["limits"]["statement_seconds"] == 900
        assert changed.body["limits"]["storage_limit_bytes"] == 10 << 30
        assert await session.fetchval("SELECT 1") == 1
        limit = "SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user"
        assert await session.fetchval(limit) == 60
    finally:
        await session.close()
    assert (await customer.get("/api/v1/wallet")).body["burn_micros_per_hour"] == MEDIUM_PRICE
    events = (await customer.get(f"{path}/events")).body["items"]
    assert [event["kind"] for event in events[:2]] == ["plan_changed", "renamed"]
    acts = await rows(reading(), "SELECT act FROM audit_events WHERE subject = $1 ORDER BY id", path.rsplit("/", 1)[1])
    assert [each["act"] for each in acts] == ["create", "rename", "change_plan"]


async def test_one_key_changes_once(customer: Caller, agent_url: str) -> None:
    path, _ = await made(customer)
    first = await customer.call("PATCH", path, told={"plan": MEDIUM}, key="k")
    again = await customer.call("PATCH", path, told={"plan": MEDIUM}, key="k")
    other = await customer.call("PATCH", path, told={"plan": "postgresql-large"}, key="k")
    assert (first.status, again.status, other.status) == (200, 200, 422)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert other.body["code"] == "idempotency_mismatch"
    kinds = [event["kind"] for event in (await customer.get(f"{path}/events")).body["items"]]
    assert kinds.count("plan_changed") == 1


async def test_changes_that_make_no_sense_are_refused_and_change_nothing(customer: Caller, agent_url: str) -> None:
    path, _ = await made(customer)
    before = (await customer.get(path)).body
    for told, status, code in (
        ({}, 422, "invalid_request"),
        ({"name": None, "plan": None}, 422, "invalid_request"),
        ({"plan": "mysql-small"}, 422, "plan_of_another_engine"),
        ({"plan": "postgresql-huge"}, 422, "unknown_plan"),
        ({"plan": MEDIUM, "price": 1}, 422, "invalid_request"),
        ({"plan": MEDIUM, "name": "!"}, 422, "name_invalid"),
    ):
        refused = await customer.call("PATCH", path, told=told)
        assert (refused.status, refused.body["code"]) == (status, code), told
    after = (await customer.get(path)).body
    assert {**after, "accrued_micros": 0} == {**before, "accrued_micros": 0}


async def test_a_dearer_plan_without_the_money_is_402(customer: Caller, agent_url: str) -> None:
    await customer.top_up(2 * MEDIUM_PRICE)
    created = await customer.create()
    refused = await customer.call("PATCH", f"/api/v1/instances/{created.body['id']}", told={"plan": "postgresql-large"})
    assert (refused.status, refused.body["code"]) == (402, "insufficient_balance")


async def test_a_plan_of_a_database_still_being_made_answers_202(customer: Caller, silent_agents: None) -> None:
    await customer.top_up(ONE_UNIT_MICROS)
    created = await customer.create()
    changed = await customer.call("PATCH", f"/api/v1/instances/{created.body['id']}", told={"plan": MEDIUM})
    assert (changed.status, changed.body["status"], changed.body["plan"]) == (202, "provisioning", MEDIUM)
