import secrets
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from entrypoints.embedded import PostgreSQLServer
from syneudp import catalog, instances
from syneudp.billing.watch_hosts import watch_hosts
from syneudp.catalog import DeclaredHost, HostView
from syneudp.engines.contract import Engine
from syneudp.instances import InstanceServices, Status
from syneudp.kernel import clock
from syneudp.kernel.database import execute, reading, transact, value
from tests.instances.agents import Agent, agent_of_postgresql, hanging_server
from tests.instances.shop import NOWHERE, Customer, customer, placed
from tests.servers import running_postgresql

pytestmark = pytest.mark.usefixtures("books")
SECONDS = 10.0


@pytest.fixture(scope="module")
def other_engine() -> Iterator[PostgreSQLServer]:
    with running_postgresql() as server:
        yield server


@pytest.fixture(scope="module")
def two_agents(customers_engine: PostgreSQLServer, other_engine: PostgreSQLServer) -> Iterator[tuple[Agent, Agent]]:
    with ExitStack() as running:
        yield (
            running.enter_context(agent_of_postgresql(customers_engine)),
            running.enter_context(agent_of_postgresql(other_engine)),
        )


@pytest.fixture
async def pair(two_agents: tuple[Agent, Agent]) -> tuple[Agent, Agent]:
    for agent in two_agents:
        await agent.ready()
    await sell({"one": two_agents[0].url, "two": two_agents[1].url})
    return two_agents


async def sell(hosts: dict[str, str], *, capacity: int = 100) -> None:
    await transact(lambda tx: instances.seed_plans(tx, currency="EUR"))
    declared = [
        DeclaredHost(name=name, engine=Engine.POSTGRESQL, agent_url=url, capacity=capacity)
        for name, url in hosts.items()
    ]
    await transact(lambda tx: catalog.register_hosts(tx, declared))


async def hosts() -> dict[str, HostView]:
    return {host.name: host for host in await catalog.hosts(reading())}


async def host_of(instance_id: object) -> str:
    return str(
        await value(
            reading(), "SELECT h.name FROM hosts h JOIN instances i ON i.host_id = h.id WHERE i.id = $1", instance_id
        )
    )


async def clear(reach: InstanceServices, buyer: Customer) -> None:
    for each in (await instances.instances_of(reading(), buyer.id)).items:
        await buyer.terminate(each.id)
        assert await instances.deliver(reach, each.id, timeout_seconds=SECONDS)


async def test_databases_are_spread_over_hosts_and_their_real_agents(
    reach: InstanceServices, pair: tuple[Agent, Agent]
) -> None:
    buyer = await customer()
    made = [await buyer.create(f"db{number}", plan="postgresql-small") for number in range(4)]
    for each in made:
        assert await instances.deliver(reach, each.id, timeout_seconds=SECONDS)
    assert sorted([await host_of(each.id) for each in made]) == ["one", "one", "two", "two"]
    seen = [(await buyer.see(each.id)).connection for each in made]
    assert len({each.port for each in seen if each is not None}) == 2
    await clear(reach, buyer)
    assert await placed() == 0


async def test_a_host_whose_agent_is_down_is_seen_skipped_and_comes_back_by_itself(
    reach: InstanceServices, pair: tuple[Agent, Agent]
) -> None:
    buyer = await customer()
    await watch_hosts(reach.agents)
    seen = await hosts()
    assert [seen[name].unreachable_since for name in ("one", "two")] == [None, None]
    assert seen["one"].engine_version.startswith("postgresql 17")
    pair[0].kill()
    try:
        await watch_hosts(reach.agents)
        down_at = (await hosts())["one"].unreachable_since
        assert down_at is not None
        with clock.frozen(down_at + 30):
            await watch_hosts(reach.agents)
            assert (await hosts())["one"].unreachable_since == down_at
            made = [await buyer.create(f"db{number}", plan="postgresql-small") for number in range(3)]
            assert [await host_of(each.id) for each in made] == ["two"] * 3
    finally:
        pair[0].start()
        await pair[0].ready()
    with clock.frozen(down_at + 40):
        await watch_hosts(reach.agents)
        assert (await hosts())["one"].unreachable_since is None
        assert await host_of((await buyer.create("back", plan="postgresql-small")).id) == "one"
    await clear(reach, buyer)


async def test_a_creation_that_no_agent_heard_of_is_made_on_another_host_at_once(
    reach: InstanceServices, pair: tuple[Agent, Agent]
) -> None:
    buyer = await customer()
    made = await buyer.create(plan="postgresql-small")
    first = await host_of(made.id)
    down = pair[0] if first == "one" else pair[1]
    down.kill()
    try:
        assert await instances.deliver(reach, made.id, timeout_seconds=SECONDS)
        assert await host_of(made.id) != first
        assert (await buyer.see(made.id)).status is Status.RUNNING
        assert await placed() == 1
        assert (await hosts())[first].placed_instances == 0
    finally:
        down.start()
        await down.ready()
    await clear(reach, buyer)


async def test_a_creation_that_may_have_been_sent_keeps_its_placement(
    reach: InstanceServices, pair: tuple[Agent, Agent]
) -> None:
    async with hanging_server() as url:
        await sell({"one": url})
        await execute(reading(), "UPDATE hosts SET state = 'draining' WHERE name = 'two'")
        buyer = await customer()
        made = await buyer.create(plan="postgresql-small")
        await execute(reading(), "UPDATE hosts SET state = 'open' WHERE name = 'two'")
        assert not await instances.deliver(reach, made.id, timeout_seconds=0.5)
    assert await host_of(made.id) == "one"
    await execute(reading(), "UPDATE instance_outbox SET due_at = 0")
    assert not await instances.deliver(reach, made.id, timeout_seconds=2)
    assert await host_of(made.id) == "one"
    assert await placed() == 1


async def test_what_was_suspended_or_moved_before_stays_where_it_is(reach: InstanceServices) -> None:
    await sell({"one": NOWHERE, "two": NOWHERE.replace(":9", ":11")})
    buyer = await customer()
    made, held = await buyer.create(plan="postgresql-small"), await buyer.create("held", plan="postgresql-small")
    first, place = await host_of(made.id), await host_of(held.id)
    assert first != place
    assert not await instances.deliver(reach, made.id, timeout_seconds=2)
    assert await host_of(made.id) == place
    await buyer.suspend(held.id)
    assert not await instances.deliver(reach, held.id, timeout_seconds=2)
    assert await host_of(held.id) == place
    assert await placed() == 2


async def test_where_nobody_answers_a_creation_waits_for_its_host_and_is_finished_when_that_is_back(
    reach: InstanceServices,
) -> None:
    await sell({"one": NOWHERE, "two": NOWHERE})
    buyer = await customer()
    await watch_hosts(reach.agents)
    down_at = (await hosts())["one"].unreachable_since
    assert down_at is not None
    with clock.frozen(down_at + 60):
        made = await buyer.create("patient")
        assert not await instances.deliver(reach, made.id, timeout_seconds=2, withdraw_if_engine_down=True)
    assert (await buyer.see(made.id)).status is Status.PROVISIONING
    assert await placed() == 1


async def test_an_engine_that_is_down_behind_an_agent_that_answers_is_unreachable_too(
    reach: InstanceServices, pair: tuple[Agent, Agent], other_engine: PostgreSQLServer
) -> None:
    other_engine.stop()
    try:
        await watch_hosts(reach.agents)
        seen = await hosts()
        assert seen["two"].unreachable_since is not None
        assert seen["one"].unreachable_since is None
    finally:
        other_engine.start()
    await pair[1].ready()
    await watch_hosts(reach.agents)
    assert (await hosts())["two"].unreachable_since is None


async def test_a_host_of_an_engine_that_its_agent_does_not_serve_is_unreachable(
    reach: InstanceServices, pair: tuple[Agent, Agent]
) -> None:
    name = f"mysql-{secrets.token_hex(3)}"
    wrong = DeclaredHost(name=name, engine=Engine.MYSQL, agent_url=pair[0].url, capacity=3)
    await transact(lambda tx: catalog.register_hosts(tx, [wrong]))
    await watch_hosts(reach.agents)
    assert (await hosts())[name].unreachable_since is not None
    assert (await hosts())["one"].unreachable_since is None
