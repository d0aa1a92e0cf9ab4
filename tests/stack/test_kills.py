import asyncio
import random
import re
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import Any

import aiohttp
import pytest

from tests.stack.inside import REGISTRY, ROLES, Inside, back_again
from tests.stack.past import hours_open, move_into_the_past
from tests.stack.visitor import Answer, Visitor, visiting
from tests.stack.walk import PLENTY_MICROS

SEED = 20261123
ROUNDS = 2
CUSTOMERS = 4
HOURS = 240
DELAY_SECONDS_MAX = 0.15
PATIENCE_SECONDS = 60.0
DATABASE_NAME = re.compile(r"\bdb[a-z2-7]{20}\b")
ENGINES = ("postgresql", "mysql")
PENDING = "SELECT count(*) AS count FROM instance_outbox"
WANTED = (
    "SELECT i.id::text AS id, i.engine, i.terminated_for IS NULL AS stands,"
    " EXISTS (SELECT FROM instance_holds h WHERE h.instance_id = i.id) AS held, i.observed_state,"
    " EXISTS (SELECT FROM usage_segments s WHERE s.resource_id = i.id AND s.until_at IS NULL AND s.running)"
    " AS charged"
    " FROM instances i"
)
CLOSED_TWICE = "SELECT shard, hour FROM hour_closes GROUP BY shard, hour HAVING count(*) > 1"


@pytest.fixture(scope="module")
async def customers(inside: Inside) -> AsyncIterator[list[Visitor]]:
    async with AsyncExitStack() as opened:
        visitors = [await opened.enter_async_context(visiting(inside)) for _ in range(CUSTOMERS)]
        for number, visitor in enumerate(visitors):
            await visitor.top_up(PLENTY_MICROS)
            assert (await visitor.create("first", ENGINES[number % 2])).status == HTTPStatus.CREATED
        yield visitors


async def persist(ask: Callable[[], Coroutine[Any, Any, Answer]], *good: int) -> Answer:
    ends = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            answer = await ask()
        except aiohttp.ClientError:
            answer = None
        if answer is not None and answer.status in good:
            return answer
        assert time.monotonic() < ends, answer
        await asyncio.sleep(0.1)


async def kill(inside: Inside, role: str, *, after_seconds: float) -> None:
    pid = inside.role(role)
    await asyncio.sleep(after_seconds)
    assert inside.signal(role, signal.SIGKILL) == pid
    assert await asyncio.to_thread(back_again, inside, role, instead_of=pid, within_seconds=PATIENCE_SECONDS)


async def create(visitor: Visitor, name: str, engine: str) -> None:
    made = (HTTPStatus.CREATED, HTTPStatus.ACCEPTED)
    await persist(lambda: visitor.create(name, engine, key=name), *made)


async def act(visitor: Visitor, name: str, verb: str) -> None:
    found = await persist(lambda: visitor.call("GET", "/api/v1/instances"), HTTPStatus.OK)
    [instance_id] = [item["id"] for item in found.told["items"] if item["name"] == name]
    path = f"/api/v1/instances/{instance_id}/{verb}"
    await persist(lambda: visitor.call("POST", path), HTTPStatus.OK, HTTPStatus.ACCEPTED)


async def settled(inside: Inside) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await unsettled(inside):
            await asyncio.sleep(0.2)


async def unsettled(inside: Inside) -> list[str]:
    [pending] = await inside.ask(PENDING)
    wrong = [
        found["id"]
        for found in await inside.ask(WANTED)
        if found["observed_state"] != wanted_state(stands=found["stands"], held=found["held"])
        or found["charged"] != (found["stands"] and not found["held"])
    ]
    return wrong or ["pending"] * int(pending["count"])


def wanted_state(*, stands: bool, held: bool) -> str:
    if not stands:
        return "terminated"
    return "suspended" if held else "running"


async def assert_everything_is_as_it_should_be(inside: Inside) -> None:
    await settled(inside)
    wanted = {
        found["id"]: wanted_state(stands=True, held=found["held"])
        for found in await inside.ask(WANTED)
        if found["stands"]
    }
    reported = {
        report["instance_id"]: report["state"]
        for engine in ENGINES
        for report in await inside.reports(engine)
        if report["state"] != "terminated"
    }
    assert reported == wanted
    assert await databases(inside) - await registered(inside) == set()
    assert await inside.ask(CLOSED_TWICE) == []
    audit = await asyncio.to_thread(inside.stack.audit)
    assert audit.returncode == 0, audit.stdout + audit.stderr


async def databases(inside: Inside) -> set[str]:
    connection = await inside.postgresql()
    try:
        names = [found[0] for found in await connection.fetch("SELECT datname FROM pg_database")]
    finally:
        await connection.close()
    names += [str(found[0]) for found in await inside.ask_mysql("SHOW DATABASES")]
    return {name for name in names if DATABASE_NAME.fullmatch(name) and name != REGISTRY}


async def registered(inside: Inside) -> set[str]:
    return {name for text in (await inside.registries()).values() for name in DATABASE_NAME.findall(text)}


async def test_a_role_killed_during_creates_and_suspends_leaves_nothing_wrong(
    inside: Inside, customers: list[Visitor]
) -> None:
    chance = random.Random(SEED)
    rounds = [role for _ in range(ROUNDS) for role in chance.sample(ROLES, len(ROLES))]
    for number, role in enumerate(rounds):
        maker, keeper = customers[number % CUSTOMERS], customers[(number + 1) % CUSTOMERS]
        await asyncio.gather(
            create(maker, f"made{number}", ENGINES[number % 2]),
            act(keeper, "first", "resume" if number >= CUSTOMERS else "suspend"),
            kill(inside, role, after_seconds=chance.uniform(0, DELAY_SECONDS_MAX)),
        )
    await assert_everything_is_as_it_should_be(inside)
    found = await inside.ask("SELECT name FROM instances WHERE name LIKE 'made%' AND terminated_for IS NULL")
    assert sorted(each["name"] for each in found) == [f"made{number}" for number in range(len(rounds))]


async def test_roles_killed_while_hours_close_charge_each_hour_once(inside: Inside, customers: list[Visitor]) -> None:
    chance = random.Random(SEED)
    shards = [found["shard"] for found in await inside.ask("SELECT DISTINCT shard FROM wallets ORDER BY shard")]
    before = await inside.ask("SELECT count(*) AS count FROM hour_closes")
    await move_into_the_past(inside, shards, hours=HOURS)
    whole = await hours_open(inside, shards)
    assert whole >= HOURS * len(shards)
    for number, role in enumerate(("billing", "agent", "api")):
        left = whole * chance.uniform(0.75, 0.95) * (3 - number) / 3
        await until_hours_left(inside, shards, int(left))
        await asyncio.gather(
            kill(inside, role, after_seconds=chance.uniform(0, DELAY_SECONDS_MAX)),
            act(customers[number], "first", "suspend"),
        )
    await until_hours_left(inside, shards, 0)
    after = await inside.ask("SELECT count(*) AS count FROM hour_closes")
    assert after[0]["count"] - before[0]["count"] >= whole
    await assert_everything_is_as_it_should_be(inside)


async def until_hours_left(inside: Inside, shards: list[int], hours: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await hours_open(inside, shards) > hours:
            await asyncio.sleep(0.02)
