import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest

from syneudp import catalog, instances
from syneudp.billing.sample_usage import measure_host
from syneudp.engines.contract import Engine, UsageItem
from syneudp.instances import InstanceServices
from syneudp.instances.metering import HOURS_KEPT_SECONDS, minutes_kept_from
from syneudp.instances.series import POINTS_MAX, SPAN_SECONDS_MAX, step_for
from syneudp.kernel import clock
from syneudp.kernel.database import execute, reading, row, rows, value
from tests.billing.past import running_since
from tests.instances.agents import Agent
from tests.instances.shop import Customer, customer, stock

pytestmark = pytest.mark.usefixtures("books")
MINUTE = 60
HOUR = 3600
DAY = 86_400
NOON = 1_900_000_800 // HOUR * HOUR


async def host_id(engine: Engine = Engine.POSTGRESQL) -> UUID:
    found = await value(reading(), "SELECT id FROM hosts WHERE engine = $1", engine.value)
    assert isinstance(found, UUID)
    return found


def used(instance_id: UUID, *, storage: int = 0, sessions: int = 0, transactions: int = 0) -> UsageItem:
    return UsageItem(instance_id=instance_id, storage_bytes=storage, sessions=sessions, transactions=transactions)


async def record(at: int, *items: UsageItem) -> int:
    return await instances.record_usage(reading(), host_id=await host_id(), items=items, now=at)


async def one_running(reach: InstanceServices) -> tuple[Customer, UUID, int]:
    await stock()
    buyer = await customer()
    now = await clock.now(reading())
    made = await running_since(reach, buyer, now)
    return buyer, made.id, now


async def series(buyer: Customer, instance_id: UUID, *, from_at: int, until_at: int, now: int) -> instances.Series:
    return await instances.metrics_of(reading(), buyer.id, instance_id, from_at=from_at, until_at=until_at, now=now)


async def test_a_sample_is_written_once_a_minute_and_counts_what_came_since_the_one_before(
    reach: InstanceServices,
) -> None:
    buyer, made, _ = await one_running(reach)
    assert not (await buyer.see(made)).storage_measured
    assert await record(NOON + 3, used(made, storage=1000, sessions=2, transactions=500)) == 1
    assert (await buyer.see(made)).storage_measured
    assert await record(NOON + 59, used(made, storage=1500, sessions=9, transactions=900)) == 0
    assert (await buyer.see(made)).storage_bytes == 1500
    assert await record(NOON + 61, used(made, storage=2000, sessions=4, transactions=750)) == 1
    assert await record(NOON + 120, used(made, storage=2000, sessions=4, transactions=40)) == 1
    found = await series(buyer, made, from_at=NOON, until_at=NOON + HOUR, now=NOON + HOUR)
    assert found.step_seconds == MINUTE
    assert [
        (point.at - NOON, point.storage_bytes, point.connections, point.transactions) for point in found.points
    ] == [
        (0, 1000, 2.0, 0),
        (60, 2000, 4.0, 250),
        (120, 2000, 4.0, 40),
    ]


async def test_processes_side_by_side_write_each_minute_once_and_count_each_transaction_once(
    reach: InstanceServices,
) -> None:
    _, made, _ = await one_running(reach)
    await record(NOON, used(made, transactions=100))
    for minute in range(1, 6):
        await asyncio.gather(
            *[record(NOON + minute * MINUTE, used(made, transactions=100 + minute * 10)) for _ in range(6)]
        )
    written = await row(reading(), "SELECT count(*) AS rows, sum(transactions)::bigint AS counted FROM usage_minutes")
    assert written == {"rows": 6, "counted": 50}


async def test_what_another_host_says_of_an_instance_and_what_is_gone_is_not_written(reach: InstanceServices) -> None:
    buyer, made, _ = await one_running(reach)
    other = await host_id(Engine.MYSQL)
    assert await instances.record_usage(reading(), host_id=other, items=[used(made)], now=NOON) == 0
    assert await record(NOON, used(uuid4())) == 0
    await buyer.terminate(made)
    assert await record(NOON, used(made)) == 0


async def test_a_host_is_taken_once_a_minute_and_sooner_for_a_newcomer(reach: InstanceServices) -> None:
    _, made, now = await one_running(reach)
    host = await host_id()
    minute = now // MINUTE * MINUTE + MINUTE
    claimed = await asyncio.gather(*[instances.claim_sampling(reading(), host_id=host, now=minute) for _ in range(6)])
    assert sorted(claimed) == [False] * 5 + [True]
    assert not await instances.claim_sampling(reading(), host_id=host, now=minute + 4)
    assert await instances.claim_sampling(reading(), host_id=host, now=minute + 5)
    await record(minute + 5, used(made, storage=1))
    assert not await instances.claim_sampling(reading(), host_id=host, now=minute + 20)
    assert await instances.claim_sampling(reading(), host_id=host, now=minute + MINUTE)


async def test_minutes_become_hours_after_a_day_and_lose_nothing(reach: InstanceServices) -> None:
    buyer, made, _ = await one_running(reach)
    for minute in range(120):
        at = NOON + minute * MINUTE
        await record(at, used(made, storage=1000 + minute, sessions=minute % 10, transactions=minute * 7))
    now = NOON + DAY + HOUR
    assert minutes_kept_from(now) == NOON + HOUR
    before = await series(buyer, made, from_at=NOON, until_at=NOON + 2 * HOUR, now=now)
    moved = await asyncio.gather(*[instances.downsample(reading(), now=now) for _ in range(3)])
    assert sum(moved) == 60
    assert await value(reading(), "SELECT count(*) FROM usage_minutes") == 60
    assert await value(reading(), "SELECT samples FROM usage_hours") == 60
    after = await series(buyer, made, from_at=NOON, until_at=NOON + 2 * HOUR, now=now)
    assert before == after
    assert [(point.at, point.storage_bytes_max, point.connections_max) for point in after.points] == [
        (NOON, 1059, 9),
        (NOON + HOUR, 1119, 9),
    ]
    assert sum(point.transactions for point in after.points) == 119 * 7
    assert await instances.downsample(reading(), now=NOON + HOURS_KEPT_SECONDS + 2 * HOUR) > 0
    assert await value(reading(), "SELECT count(*) FROM usage_hours") == 0


async def test_hours_moved_in_pieces_merge_exactly(reach: InstanceServices) -> None:
    buyer, made, _ = await one_running(reach)
    now = NOON + 2 * DAY
    for minutes in (range(30), range(30, 60)):
        for minute in minutes:
            await record(NOON + minute * MINUTE, used(made, storage=minute, sessions=1, transactions=minute))
        await instances.downsample(reading(), now=now)
    [point] = (await series(buyer, made, from_at=NOON, until_at=NOON + HOUR, now=now)).points
    assert (point.storage_bytes, point.storage_bytes_max, point.transactions) == (30, 59, 59)


async def test_another_customer_has_no_series(reach: InstanceServices) -> None:
    _, made, now = await one_running(reach)
    stranger = await customer()
    with pytest.raises(instances.InstanceNotFoundError):
        await series(stranger, made, from_at=now - HOUR, until_at=now, now=now)


@pytest.mark.parametrize(
    ("span", "age", "step"),
    [
        (HOUR, 0, 60),
        (6 * HOUR, 0, 60),
        (DAY, 0, 300),
        (HOUR, 2 * DAY, HOUR),
        (7 * DAY, 0, HOUR),
        (31 * DAY, 0, 6 * HOUR),
        (SPAN_SECONDS_MAX, 0, DAY),
    ],
)
def test_the_step_grows_with_the_window_and_bounds_the_points(span: int, age: int, step: int) -> None:
    until_at = NOON + 1 - age
    assert step_for(until_at - span, until_at, now=NOON) == step
    assert -(-until_at // step) - (until_at - span) // step <= POINTS_MAX


async def test_a_real_engine_is_measured_soon_after_the_creation(reach: InstanceServices, agent: Agent) -> None:
    await stock(agent_url=agent.url)
    buyer = await customer()
    made = await buyer.create()
    assert await instances.deliver(reach, made.id, timeout_seconds=10)
    seen = await buyer.see(made.id)
    assert seen.connection is not None
    host = await catalog.host(reading(), await host_id())
    await measure_host(reach, host)
    first = (await buyer.see(made.id)).storage_bytes
    assert first > 1_000_000
    tenant = await asyncpg.connect(
        host=seen.connection.host,
        port=seen.connection.port,
        user=seen.connection.username,
        password=await buyer.reveal(made.id),
        database=seen.connection.database,
        ssl="require",
    )
    try:
        await tenant.execute("CREATE TABLE kept (filling text)")
        await tenant.execute("INSERT INTO kept SELECT repeat(md5(n::text), 50) FROM generate_series(1, 20000) AS n")
        await execute(reading(), "UPDATE usage_counts SET minute_at = minute_at - 120")
        await execute(reading(), "UPDATE usage_minutes SET minute_at = minute_at - 120")
        await measure_host(reach, host)
    finally:
        await tenant.close()
    assert (await buyer.see(made.id)).storage_bytes > first
    found = await rows(reading(), "SELECT storage_bytes, connections FROM usage_minutes ORDER BY minute_at")
    assert [told["connections"] for told in found] == [0, 1]
    await buyer.terminate(made.id)
