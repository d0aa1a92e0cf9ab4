import asyncio
from functools import partial

import pytest

from syneudp import catalog, instances
from syneudp.billing.watch_hosts import watch_hosts
from syneudp.engines.contract import Engine
from syneudp.instances import InstanceServices, InstanceView, PreviousPasswordNotKeptError, Status
from syneudp.kernel import clock
from syneudp.kernel.database import reading, transact
from tests.instances.agents import Agent
from tests.instances.shop import Customer, customer, stock
from tests.instances.test_mysql_family import can_log_in

pytestmark = pytest.mark.usefixtures("books")
SECONDS = 20.0
HOUR = 3600
A_MOMENT = 3
ENDED_WITHIN_SECONDS = 30.0


async def running(agent: Agent, reach: InstanceServices, engine: Engine) -> tuple[Customer, InstanceView]:
    await agent.ready()
    await stock(agent_url=agent.url, engines=(engine,))
    await watch_hosts(reach.agents)
    buyer = await customer()
    made = await buyer.create(plan=f"{engine.value}-small")
    assert await instances.deliver(reach, made.id, timeout_seconds=SECONDS)
    return buyer, await buyer.see(made.id)


async def refused_in_time(seen: InstanceView, password: str) -> bool:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + ENDED_WITHIN_SECONDS
    while loop.time() < deadline:
        if not await can_log_in(seen, password):
            return True
        await asyncio.sleep(0.1)
    return False


async def test_a_rotation_keeps_the_previous_password_until_a_next_one_does_not(
    reach: InstanceServices, mysql_agent: Agent
) -> None:
    buyer, seen = await running(mysql_agent, reach, Engine.MYSQL)
    first = await buyer.reveal(seen.id)
    await buyer.rotate(seen.id, keep_previous_seconds=HOUR)
    assert await instances.deliver(reach, seen.id, timeout_seconds=SECONDS)
    second = await buyer.reveal(seen.id)
    assert [await can_log_in(seen, each) for each in (first, second)] == [True, True]
    assert (await buyer.events(seen.id))[-3:] == ["rotate_requested", "rotated", "previous_kept"]
    details = [event.detail for event in (await instances.events_of(reading(), buyer.id, seen.id)).items[:3]]
    assert details == ["for 3600 s", "", "previous password kept for 3600 s"]
    [host] = await catalog.hosts(reading())
    with clock.frozen(await clock.now(reading()) + 5):
        assert (await instances.compare_host(reach, host)).is_clean
    await buyer.rotate(seen.id)
    assert await instances.deliver(reach, seen.id, timeout_seconds=SECONDS)
    third = await buyer.reveal(seen.id)
    assert [await can_log_in(seen, each) for each in (first, second, third)] == [False, False, True]
    assert (await buyer.events(seen.id))[-1] == "rotated"
    await buyer.terminate(seen.id)
    assert await instances.deliver(reach, seen.id, timeout_seconds=SECONDS)


async def test_the_agent_ends_the_previous_password_by_itself_though_it_was_killed_in_between(
    reach: InstanceServices, mysql_agent: Agent
) -> None:
    buyer, seen = await running(mysql_agent, reach, Engine.MYSQL)
    old = await buyer.reveal(seen.id)
    await buyer.rotate(seen.id, keep_previous_seconds=A_MOMENT)
    assert await instances.deliver(reach, seen.id, timeout_seconds=SECONDS)
    mysql_agent.kill()
    try:
        assert await can_log_in(seen, old)
        await asyncio.sleep(A_MOMENT)
        assert await can_log_in(seen, old)
    finally:
        mysql_agent.start()
    assert await refused_in_time(seen, old)
    assert await can_log_in(seen, await buyer.reveal(seen.id))
    await mysql_agent.ready()
    await buyer.terminate(seen.id)
    assert await instances.deliver(reach, seen.id, timeout_seconds=SECONDS)


async def test_a_lost_rotation_followed_by_a_suspension_ends_with_the_new_password_alone(
    reach: InstanceServices, mysql_agent: Agent
) -> None:
    buyer, seen = await running(mysql_agent, reach, Engine.MYSQL)
    old = await buyer.reveal(seen.id)
    await buyer.rotate(seen.id, keep_previous_seconds=HOUR)
    await buyer.suspend(seen.id)
    assert await instances.deliver(reach, seen.id, timeout_seconds=SECONDS)
    assert (await buyer.see(seen.id)).status is Status.SUSPENDED
    assert "previous_kept" not in await buyer.events(seen.id)
    with pytest.raises(PreviousPasswordNotKeptError):
        await buyer.rotate(seen.id, keep_previous_seconds=HOUR)
    await buyer.resume(seen.id)
    assert await instances.deliver(reach, seen.id, timeout_seconds=SECONDS)
    assert not await can_log_in(seen, old)
    assert await can_log_in(seen, await buyer.reveal(seen.id))
    await buyer.terminate(seen.id)
    assert await instances.deliver(reach, seen.id, timeout_seconds=SECONDS)


@pytest.mark.parametrize(("kind", "engine"), [("one_agent", Engine.POSTGRESQL), ("mariadb_agent", Engine.MYSQL)])
async def test_an_engine_with_one_password_a_user_refuses_to_keep_one_before_anything_is_asked_of_it(
    reach: InstanceServices, kind: str, engine: Engine, request: pytest.FixtureRequest
) -> None:
    agent: Agent = request.getfixturevalue(kind)
    buyer, seen = await running(agent, reach, engine)
    before = await buyer.events(seen.id)
    assert not await instances.keeps_previous_password(reading(), buyer.id, seen.id)
    with pytest.raises(PreviousPasswordNotKeptError):
        await buyer.rotate(seen.id, keep_previous_seconds=HOUR)
    assert await buyer.events(seen.id) == before
    assert (await buyer.see(seen.id)).generation == seen.generation
    await buyer.rotate(seen.id)
    assert await instances.deliver(reach, seen.id, timeout_seconds=SECONDS)
    await buyer.terminate(seen.id)
    assert await instances.deliver(reach, seen.id, timeout_seconds=SECONDS)


async def test_a_host_whose_engine_was_never_seen_keeps_no_previous_password(
    reach: InstanceServices, mysql_agent: Agent
) -> None:
    buyer, seen = await running(mysql_agent, reach, Engine.MYSQL)
    [host] = await catalog.hosts(reading())
    assert host.keeps_previous_password
    assert await instances.keeps_previous_password(reading(), buyer.id, seen.id)
    await transact(partial(catalog.record_answer, host=host, engine_version="mariadb 10.11.1"))
    assert not await instances.keeps_previous_password(reading(), buyer.id, seen.id)
    await buyer.terminate(seen.id)
    assert await instances.deliver(reach, seen.id, timeout_seconds=SECONDS)
