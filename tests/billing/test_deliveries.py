import asyncio

import pytest

from syneudp import instances
from syneudp.billing.deliveries import AT_ONCE_PER_HOST, Deliveries
from syneudp.instances import InstanceServices, Status
from syneudp.kernel import clock
from syneudp.kernel.database import execute, reading, value
from tests.billing.past import billing_roles, pending, until
from tests.instances.agents import Agent, hanging_server
from tests.instances.shop import customer, placed, segments, stock
from tests.servers import ControlDatabase

pytestmark = pytest.mark.usefixtures("books")


async def nothing_pending() -> bool:
    return await pending() == 0


async def test_the_role_finishes_what_a_dead_api_left_behind(
    books: ControlDatabase, reach: InstanceServices, agent: Agent
) -> None:
    await stock(agent_url=agent.url)
    buyer = await customer()
    made = [await buyer.create(name) for name in ("one", "two", "three")]
    await buyer.suspend(made[1].id)
    await buyer.terminate(made[2].id)
    with billing_roles(books, count=2) as roles:
        await until(nothing_pending, seconds=30)
        assert [(await buyer.see(each.id)).status for each in made] == [
            Status.RUNNING,
            Status.SUSPENDED,
            Status.TERMINATED,
        ]
        assert [len(await segments(each.id)) for each in made] == [1, 0, 0]
        assert await placed() == 2
        assert [role.stop() for role in roles] == [0, 0]


async def test_kill_9_of_the_role_during_deliveries_leaves_nothing_undone(
    books: ControlDatabase, reach: InstanceServices, agent: Agent
) -> None:
    await stock(agent_url=agent.url)
    buyer = await customer()
    made = [await buyer.create(f"db{number}", plan="postgresql-small") for number in range(12)]

    async def some_are_made() -> bool:
        return await pending() < len(made)

    with billing_roles(books) as [role]:
        await until(some_are_made, seconds=30, every=0.01)
        role.kill()
    for each in made[::2]:
        await buyer.suspend(each.id)
    with billing_roles(books) as [role]:
        await until(nothing_pending, seconds=60)
        assert role.stop() == 0
    for number, each in enumerate(made):
        seen = await buyer.see(each.id)
        assert seen.status is (Status.RUNNING if number % 2 else Status.SUSPENDED)
        assert (await buyer.events(each.id)).count("ready") <= 1
    reported = await reach.agents.reports(agent_url=agent.url, engine=made[0].engine)
    ours = {each.id for each in made}
    assert len([report for report in reported.items if report.instance_id in ours]) == len(made)
    assert (
        await value(reading(), "SELECT count(*) FROM usage_segments WHERE until_at IS NULL AND running")
        == len(made) // 2
    )


async def test_a_host_that_hangs_leaves_places_for_the_others(reach: InstanceServices, agent: Agent) -> None:
    await stock(agent_url=agent.url)
    buyer = await customer()
    async with hanging_server() as url:
        await execute(reading(), "UPDATE hosts SET agent_url = $1 WHERE engine = 'mysql'", url)
        for number in range(AT_ONCE_PER_HOST + 3):
            await buyer.create(f"my{number}", plan="mysql-small")
        good = await buyer.create("good", plan="postgresql-small")
        freed = asyncio.Event()
        deliveries = Deliveries(reach, freed=freed)
        with clock.frozen(await clock.now(reading()) + 3):
            assert await deliveries.start_due() == AT_ONCE_PER_HOST + 1
            assert await deliveries.start_due() == 0

            async def made() -> bool:
                return (await buyer.see(good.id)).status is Status.RUNNING

            await until(made, seconds=5, every=0.02)
            await asyncio.wait_for(freed.wait(), 5)
    await deliveries.finish()
    assert await instances.count_pending(reading()) == AT_ONCE_PER_HOST + 3
