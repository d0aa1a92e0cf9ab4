"""The whole life of a database through the API, with a real agent and a real PostgreSQL behind it."""

import asyncio
import secrets

import asyncpg

from syneudp.kernel.database import reading, rows, value
from tests.web.caller import ONE_UNIT_MICROS, Answer, Caller


async def log_in(uri: str) -> int:
    connection = await asyncpg.connect(uri, timeout=10)
    try:
        return int(await connection.fetchval("SELECT 42"))
    finally:
        await connection.close()


async def refused_at_the_door(uri: str) -> bool:
    try:
        await log_in(uri)
    except asyncpg.PostgresError:
        return True
    return False


async def made(customer: Caller, name: str = "shop") -> Answer:
    await customer.top_up()
    created = await customer.create(name)
    assert (created.status, created.body["status"]) == (201, "running"), created.text
    return created


async def test_a_database_lives_from_creation_to_deletion(customer: Caller, agent_url: str) -> None:
    created = await made(customer)
    path = f"/api/v1/instances/{created.body['id']}"
    assert created.headers["Location"] == path
    assert created.headers["Cache-Control"] == "no-store"
    uri = created.body["connection"]["uri"]
    assert await log_in(uri) == 42

    shown = await customer.get(path)
    assert shown.body["connection"] == {
        key: told for key, told in created.body["connection"].items() if key not in {"password", "uri"}
    }
    assert created.body["connection"]["password"] not in shown.text
    wallet = (await customer.get("/api/v1/wallet")).body
    assert wallet["burn_micros_per_hour"] == created.body["price_micros_per_hour"] > 0
    assert wallet["depletes_at"] is not None

    suspended = await customer.post(f"{path}/suspend")
    assert (suspended.status, suspended.body["status"], suspended.body["holds"]) == (200, "suspended", ["owner"])
    assert await refused_at_the_door(uri)
    assert (await customer.get("/api/v1/wallet")).body["burn_micros_per_hour"] == 0

    resumed = await customer.post(f"{path}/resume")
    assert (resumed.status, resumed.body["status"], resumed.body["holds"]) == (200, "running", [])
    assert await log_in(uri) == 42

    rotated = await customer.post(f"{path}/rotate")
    assert rotated.status == 200
    assert set(rotated.body) == {"password", "uri"}
    assert await refused_at_the_door(uri)
    assert await log_in(rotated.body["uri"]) == 42
    revealed = await customer.post(f"{path}/reveal")
    assert (revealed.status, revealed.body) == (200, rotated.body)
    assert revealed.headers["Cache-Control"] == "no-store"

    usage = (await customer.get(f"{path}/usage")).body["items"]
    assert usage
    assert all(hour["seconds"] > 0 for hour in usage)

    deleted = await customer.call("DELETE", path)
    again = await customer.call("DELETE", path)
    assert [(each.status, each.body["status"]) for each in (deleted, again)] == [(200, "terminated")] * 2
    assert await refused_at_the_door(rotated.body["uri"])
    gone = await customer.post(f"{path}/reveal")
    assert (gone.status, gone.body["code"]) == (409, "instance_gone")
    assert (await customer.get("/api/v1/wallet")).body["burn_micros_per_hour"] == 0


async def test_acts_leave_their_trace_in_the_audit_trail(customer: Caller, agent_url: str) -> None:
    created = await made(customer)
    path = f"/api/v1/instances/{created.body['id']}"
    for act in ("suspend", "resume", "rotate", "reveal"):
        await customer.post(f"{path}/{act}")
    await customer.call("DELETE", path)
    trail = await rows(reading(), "SELECT act, subject, address FROM audit_events ORDER BY id")
    acts = ["top_up", "create", "suspend", "resume", "rotate", "reveal", "delete"]
    assert [line["act"] for line in trail] == acts
    assert {line["subject"] for line in trail[1:]} == {created.body["id"]}
    assert all(line["address"] for line in trail)


async def test_two_identical_creates_with_one_key_make_one_database(customer: Caller, agent_url: str) -> None:
    await customer.top_up()
    key = secrets.token_urlsafe(8)
    answers = await asyncio.gather(*(customer.create("shop", key=key) for _ in range(4)))
    assert {each.status for each in answers} <= {201, 202}
    assert len({each.body["id"] for each in answers}) == 1
    assert [each.headers.get("Idempotency-Replayed") for each in answers].count("true") == 3
    replayed = await customer.create("shop", key=key)
    first = next(each for each in answers if "Idempotency-Replayed" not in each.headers)
    assert (replayed.status, replayed.body["connection"]) == (201, first.body["connection"])
    assert await value(reading(), "SELECT count(*) FROM instances") == 1
    other = await customer.create("another", key=key)
    assert (other.status, other.body["code"]) == (422, "idempotency_mismatch")
    assert await log_in(replayed.body["connection"]["uri"]) == 42


async def test_identical_top_ups_with_one_key_at_once_credit_once(customer: Caller) -> None:
    sent = {"amount_micros": 3 * ONE_UNIT_MICROS}
    answers = await asyncio.gather(*(customer.post("/api/v1/wallet/top-ups", sent, key="one") for _ in range(6)))
    assert {(each.status, each.body["id"]) for each in answers} == {(201, answers[0].body["id"])}
    assert (await customer.get("/api/v1/wallet")).body["balance_micros"] == 3 * ONE_UNIT_MICROS


async def test_a_repeated_act_is_done_once(customer: Caller, agent_url: str) -> None:
    path = f"/api/v1/instances/{(await made(customer)).body['id']}"
    first = await customer.post(f"{path}/rotate", key="r")
    again = await customer.post(f"{path}/rotate", key="r")
    assert again.body == first.body
    assert again.headers["Idempotency-Replayed"] == "true"
    other = await customer.post(f"{path}/rotate", key="s")
    assert other.body["password"] != first.body["password"]
    late = await customer.post(f"{path}/rotate", key="r")
    assert late.body == other.body


async def test_resuming_needs_the_minimum_runway(customer: Caller, agent_url: str) -> None:
    plans = (await customer.get("/api/v1/plans")).body["items"]
    price = next(plan["price_micros_per_hour"] for plan in plans if plan["slug"] == "postgresql-small")
    await customer.top_up(price)
    created = await customer.create()
    assert created.status == 201
    path = f"/api/v1/instances/{created.body['id']}"
    assert (await customer.post(f"{path}/suspend")).status == 200
    refused = await customer.post(f"{path}/resume")
    assert (refused.status, refused.body["code"]) == (402, "insufficient_balance")
    await customer.top_up(price)
    assert (await customer.post(f"{path}/resume")).body["status"] == "running"


async def test_no_agent_address_and_no_password_is_told(customer: Caller, agent_url: str) -> None:
    created = await made(customer)
    path = f"/api/v1/instances/{created.body['id']}"
    password = created.body["connection"]["password"]
    answers = [
        await customer.get(path),
        await customer.get("/api/v1/instances"),
        await customer.get(f"{path}/events"),
        await customer.post(f"{path}/suspend"),
        await customer.call("PATCH", path, told={"name": "other"}),
    ]
    agent = agent_url.removeprefix("http://")
    assert all(agent not in each.text and password not in each.text for each in [*answers])
    assert agent not in created.text
