import asyncio
import secrets
from collections.abc import Iterable

from syneudp.kernel.database import reading, rows, value
from tests.web.caller import Answer, Caller, SignUp

AT_ONCE = 12
DONE = {200, 201, 202, 204}


def statuses(answers: Iterable[Answer]) -> set[int]:
    return {answer.status for answer in answers}


async def living(customer: Caller) -> list[dict[str, object]]:
    return [item for item in (await customer.get("/api/v1/instances")).body["items"] if item["status"] != "terminated"]


async def test_one_name_asked_for_many_times_at_once_makes_one_database(customer: Caller, agent_url: str) -> None:
    await customer.top_up()
    answers = await asyncio.gather(*(customer.create("shop") for _ in range(AT_ONCE)))
    assert sum(answer.status in DONE for answer in answers) == 1
    assert statuses(answers) - DONE == {409}
    assert len(await living(customer)) == 1


async def test_one_key_used_many_times_at_once_acts_once(customer: Caller, agent_url: str) -> None:
    key = secrets.token_urlsafe(12)
    paid = await asyncio.gather(
        *(customer.post("/api/v1/wallet/top-ups", {"amount_micros": 20_000_000}, key=key) for _ in range(AT_ONCE))
    )
    assert statuses(paid) <= DONE
    assert (await customer.get("/api/v1/wallet")).body["balance_micros"] == 20_000_000
    made = await asyncio.gather(*(customer.create("shop", key=key) for _ in range(AT_ONCE)))
    assert statuses(made) <= DONE
    assert len({answer.body["id"] for answer in made}) == 1
    assert len(await living(customer)) == 1
    other = await customer.create("another", key=key)
    assert (other.status, other.body["code"]) == (422, "idempotency_mismatch")


async def test_another_customers_key_is_neither_seen_nor_used_up(newcomer: SignUp, agent_url: str) -> None:
    first, second = await newcomer(), await newcomer()
    for each in (first, second):
        await each.top_up()
    made = [await each.create("shop", key="the-same-key") for each in (first, second)]
    assert statuses(made) <= DONE
    assert made[0].body["id"] != made[1].body["id"]


async def test_money_for_one_database_makes_no_two(customer: Caller, agent_url: str) -> None:
    plans = (await customer.get("/api/v1/plans")).body["items"]
    hourly = next(plan for plan in plans if plan["slug"] == "postgresql-small")["price_micros_per_hour"]
    await customer.top_up(max(hourly + hourly // 2, 1_000_000))
    answers = await asyncio.gather(*(customer.create(f"shop-{number}") for number in range(AT_ONCE)))
    wallet = (await customer.get("/api/v1/wallet")).body
    running = len(await living(customer))
    assert running == sum(answer.status in DONE for answer in answers)
    assert running * hourly <= wallet["balance_micros"]


async def test_every_act_at_once_ends_in_one_state_that_both_sides_share(customer: Caller, agent_url: str) -> None:
    await customer.top_up()
    made = (await customer.create("shop")).body
    one = f"/api/v1/instances/{made['id']}"
    for _ in range(3):
        answers = await asyncio.gather(
            *(customer.post(f"{one}/{act}") for act in ("suspend", "resume", "rotate", "suspend", "rotate", "resume")),
            customer.post(f"{one}/reveal"),
            customer.call("PATCH", one, told={"name": "renamed"}),
        )
        assert statuses(answers) <= DONE | {409}
    ended = await asyncio.gather(
        customer.call("DELETE", one), customer.post(f"{one}/resume"), customer.post(f"{one}/rotate")
    )
    assert ended[0].status in DONE
    assert statuses(list(ended)) <= DONE | {404, 409, 410}
    assert await living(customer) == []
    assert await value(reading(), "SELECT count(*) FROM usage_segments WHERE until_at IS NULL") == 0


async def test_a_database_deleted_while_it_is_made_leaves_nothing(customer: Caller, agent_url: str) -> None:
    await customer.top_up()
    making = asyncio.create_task(customer.create("shop"))
    while not (found := await rows(reading(), "SELECT id FROM instances")):
        await asyncio.sleep(0)
    deleted = await customer.call("DELETE", f"/api/v1/instances/{found[0]['id']}")
    assert deleted.status in DONE
    await making
    assert await living(customer) == []
