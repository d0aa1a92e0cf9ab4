from uuid import UUID

import pytest

from syneudp import instances
from syneudp.engines.contract import UsageItem
from syneudp.kernel import clock
from syneudp.kernel.database import reading, value
from tests.web.caller import Caller
from tests.web.test_refusals import assert_problem

MINUTE = 60


async def measured(instance_id: str, minutes: int) -> int:
    host_id = await value(reading(), "SELECT host_id FROM instances WHERE id = $1", UUID(instance_id))
    now = await clock.now(reading())
    for minute in range(minutes):
        used = UsageItem(
            instance_id=UUID(instance_id), storage_bytes=1000 * minute, sessions=minute, transactions=minute * 5
        )
        at = now - (minutes - minute) * MINUTE
        assert await instances.record_usage(reading(), host_id=host_id, items=[used], now=at) == 1
    return now


async def test_what_was_measured_is_told_point_by_point(customer: Caller, silent_agents: None) -> None:
    await customer.top_up()
    made = (await customer.create()).body
    path = f"/api/v1/instances/{made['id']}/metrics"
    empty = await customer.get(path)
    assert (empty.status, empty.body["items"], empty.body["step_seconds"]) == (200, [], 300)
    now = await measured(made["id"], 5)
    begins = clock.rfc3339(now - 3600)
    told = (await customer.get(f"{path}?from={begins.replace('+', '%2B')}")).body
    assert set(told) == {"from", "until", "step_seconds", "items", "next_cursor"}
    assert told["step_seconds"] == MINUTE
    assert [point["storage_bytes"] for point in told["items"]] == [0, 1000, 2000, 3000, 4000]
    assert [point["transactions"] for point in told["items"]] == [0, 5, 5, 5, 5]
    assert told["items"][-1] == {
        "at": clock.rfc3339((now - MINUTE) // MINUTE * MINUTE),
        "storage_bytes": 4000,
        "storage_bytes_max": 4000,
        "connections": 4.0,
        "connections_max": 4,
        "transactions": 5,
    }
    assert (await customer.get(f"/api/v1/instances/{made['id']}")).body["storage_bytes"] == 4000


@pytest.mark.parametrize(
    "query",
    [
        "from=2026-01-01",
        "from=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z",
        "from=2024-01-01T00:00:00Z&until=2026-03-01T00:00:00Z",
        "step=60",
    ],
)
async def test_a_window_of_metrics_is_asked_for_properly(customer: Caller, silent_agents: None, query: str) -> None:
    await customer.top_up()
    made = (await customer.create()).body
    assert_problem(await customer.get(f"/api/v1/instances/{made['id']}/metrics?{query}"), 422, "invalid_request")


async def test_anothers_metrics_are_not_found(customer: Caller, stand: object, silent_agents: None) -> None:
    await customer.top_up()
    missing = "01a2078a-aee5-76b1-9c82-60738203bddb"
    assert_problem(await customer.get(f"/api/v1/instances/{missing}/metrics"), 404, "instance_not_found")
