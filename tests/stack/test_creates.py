import asyncio
import signal
from http import HTTPStatus

from tests.stack.inside import Inside
from tests.stack.visitor import visiting
from tests.stack.walk import PLENTY_MICROS, until_status

IDENTICAL = 5
STOPPED_SECONDS = 3.0
MADE = "SELECT id FROM instances WHERE owner_id = (SELECT id FROM users WHERE email = $1)"
SEGMENTS = "SELECT s.from_at, i.ready_at FROM usage_segments s JOIN instances i ON i.id = s.resource_id WHERE i.id = $1"


async def test_identical_creates_with_one_key_make_one_database(inside: Inside) -> None:
    async with visiting(inside) as visitor:
        await visitor.top_up(PLENTY_MICROS)
        before = {report["instance_id"] for report in await inside.reports("postgresql")}
        answers = await asyncio.gather(*(visitor.create("twin", key="one") for _ in range(IDENTICAL)))
        assert {answer.status for answer in answers} <= {HTTPStatus.CREATED, HTTPStatus.ACCEPTED}
        assert len({answer.told["id"] for answer in answers}) == 1
        assert sum("idempotency-replayed: true" in answer.headers.lower() for answer in answers) == IDENTICAL - 1
        await until_status(visitor, "twin", "running")
        made = [str(found["id"]) for found in await inside.ask(MADE, visitor.email)]
        assert made == [answers[0].told["id"]]
        after = {report["instance_id"] for report in await inside.reports("postgresql")}
        assert after - before == set(made)


async def test_a_create_while_the_agent_stands_is_finished_later_and_charged_only_from_then(inside: Inside) -> None:
    async with visiting(inside) as visitor:
        await visitor.top_up(PLENTY_MICROS)
        inside.signal("agent", signal.SIGSTOP)
        try:
            asked = await visitor.create("patient")
            assert (asked.status, asked.told["status"]) == (HTTPStatus.ACCEPTED, "provisioning")
            assert "password" not in asked.text
            assert asked.told["ready_at"] is None
            await asyncio.sleep(STOPPED_SECONDS)
            assert (await visitor.call("GET", f"/api/v1/instances/{asked.told['id']}/usage")).told["items"] == []
            standing = (await visitor.call("GET", "/api/v1/wallet")).told
            assert (standing["burn_micros_per_hour"], standing["balance_micros"]) == (0, PLENTY_MICROS)
            [resumed_at] = await inside.ask("SELECT floor(extract(epoch FROM clock_timestamp()))::bigint AS now")
        finally:
            inside.signal("agent", signal.SIGCONT)
        await until_status(visitor, "patient", "running")
        [segment] = await inside.ask(SEGMENTS, asked.told["id"])
        assert segment["from_at"] == segment["ready_at"] >= resumed_at["now"]
        reports = [each for each in await inside.reports("postgresql") if each["instance_id"] == asked.told["id"]]
        assert [(each["state"], each["drift"]) for each in reports] == [("running", [])]
