import pytest

from entrypoints.embedded import PostgreSQLServer
from syneudp import catalog, instances, wallet
from syneudp.instances import EngineUnavailableError, InstanceServices, Status
from syneudp.kernel import clock
from syneudp.kernel.database import execute, reading
from tests.instances.agents import Agent, hanging_server
from tests.instances.shop import customer, placed, segments, stock

pytestmark = pytest.mark.usefixtures("books")
SECONDS = 10.0


async def test_a_creation_while_the_agent_is_down_is_finished_when_it_is_back_and_charged_from_then(
    reach: InstanceServices, agent: Agent
) -> None:
    await stock(agent_url=agent.url)
    buyer = await customer()
    agent.kill()
    try:
        made = await buyer.create()
        assert not await instances.deliver(reach, made.id, timeout_seconds=2, withdraw_if_engine_down=True)
        assert (await buyer.see(made.id)).status is Status.PROVISIONING
        assert await placed() == 1
    finally:
        agent.start()
        await agent.ready()
    back_at = await clock.now(reading())
    assert await instances.deliver(reach, made.id, timeout_seconds=SECONDS)
    seen = await buyer.see(made.id)
    assert seen.status is Status.RUNNING
    assert seen.ready_at is not None
    assert seen.ready_at >= back_at
    assert [segment["from_at"] for segment in await segments(made.id)] == [seen.ready_at]
    await buyer.terminate(made.id)
    assert await instances.deliver(reach, made.id, timeout_seconds=SECONDS)


async def test_an_agent_that_hangs_keeps_the_placement_and_bounds_the_wait(reach: InstanceServices) -> None:
    async with hanging_server() as url:
        await stock(agent_url=url)
        buyer = await customer()
        made = await buyer.create()
        assert not await instances.deliver(reach, made.id, timeout_seconds=0.5)
    assert (await buyer.see(made.id)).status is Status.PROVISIONING
    assert await placed() == 1


async def test_a_creation_while_the_engine_is_down_is_taken_back_whole(
    reach: InstanceServices, agent: Agent, customers_engine: PostgreSQLServer
) -> None:
    await stock(agent_url=agent.url)
    buyer = await customer()
    customers_engine.stop()
    try:
        made = await buyer.create()
        with pytest.raises(EngineUnavailableError):
            await instances.deliver(reach, made.id, timeout_seconds=SECONDS, withdraw_if_engine_down=True)
        assert (await instances.instances_of(reading(), buyer.id)).items == ()
        with pytest.raises(EngineUnavailableError):
            await buyer.see(made.id)
        waiting = await buyer.create("other")
        assert not await instances.deliver(reach, waiting.id, timeout_seconds=SECONDS)
        assert (await buyer.see(waiting.id)).status is Status.PROVISIONING
    finally:
        customers_engine.start()
    await agent.ready()
    assert await instances.deliver(reach, made.id, timeout_seconds=SECONDS)
    assert await instances.deliver(reach, waiting.id, timeout_seconds=SECONDS)
    assert await placed() == 1
    assert await segments(made.id) == []
    again = await buyer.create()
    assert await instances.deliver(reach, again.id, timeout_seconds=SECONDS)


async def test_a_comparison_finds_what_differs_and_never_drops_what_is_unknown(
    reach: InstanceServices, agent: Agent
) -> None:
    await stock(agent_url=agent.url)
    buyer = await customer()
    made = [await buyer.create(name, plan="postgresql-small") for name in ("same", "behind", "changed", "forgotten")]
    for each in made:
        assert await instances.deliver(reach, each.id, timeout_seconds=SECONDS)
    same, behind, changed, forgotten = (each.id for each in made)
    await execute(reading(), "UPDATE instances SET last_event_at = created_at")
    await execute(reading(), "UPDATE instances SET generation = 9, applied_generation = 9 WHERE id = $1", behind)
    await execute(
        reading(),
        "UPDATE instances SET observed_state = 'suspended' WHERE id = $1",
        changed,
    )
    await execute(
        reading(),
        "INSERT INTO instance_holds (instance_id, hold, since_at) VALUES ($1, 'operator', 0)",
        changed,
    )
    await buyer.locked(lambda tx, locked: wallet.close_segment(tx, locked, resource_id=changed))
    await execute(
        reading(),
        "UPDATE instances SET host_id = (SELECT id FROM hosts WHERE engine = 'mysql') WHERE id = $1",
        forgotten,
    )
    [host] = [host for host in await catalog.hosts(reading()) if host.engine == "postgresql"]
    with clock.frozen(await clock.now(reading()) + 5):
        found = await instances.compare_host(reach, host)
        assert (found.behind, found.missing) == (1, 0)
        assert found.unknown >= 1
        assert "engine_behind" in await buyer.events(behind)
        assert "drifted" in await buyer.events(changed)
        assert await buyer.events(same) == ["created", "ready", "engine_restored"]
        assert await instances.count_pending(reading()) == 3
        again = await instances.compare_host(reach, host)
        assert again.sent_again == 0
        assert (await buyer.see(behind)).generation == 10
        assert (await buyer.see(same)).storage_bytes > 1_000_000
        assert await instances.deliver(reach, behind, timeout_seconds=SECONDS)
        assert (await buyer.see(behind)).status is Status.RUNNING
    reported = await reach.agents.reports(agent_url=agent.url, engine=host.engine)
    assert forgotten in [report.instance_id for report in reported.items if report.state == "running"]


async def test_a_database_that_its_host_does_not_know_is_told_once_and_not_made_again(
    reach: InstanceServices, agent: Agent
) -> None:
    await stock(agent_url=agent.url)
    buyer = await customer()
    lost = await buyer.create()
    assert await instances.deliver(reach, lost.id, timeout_seconds=SECONDS)
    ghost = await buyer.create("ghost")
    await execute(reading(), "DELETE FROM instance_outbox WHERE instance_id = $1", ghost.id)
    await execute(
        reading(),
        "UPDATE instances SET applied_generation = 1, observed_state = 'suspended', last_event_at = created_at WHERE id = $1",
        ghost.id,
    )
    [host] = [host for host in await catalog.hosts(reading()) if host.engine == "postgresql"]
    with clock.frozen(await clock.now(reading()) + 5):
        assert (await instances.compare_host(reach, host)).missing == 1
        assert (await instances.compare_host(reach, host)).missing == 0
        assert (await buyer.events(ghost.id)).count("missing") == 1
        assert not await instances.deliver(reach, ghost.id, timeout_seconds=SECONDS)


async def test_a_password_that_cannot_be_opened_is_told_and_does_not_spin(
    reach: InstanceServices, agent: Agent
) -> None:
    await stock(agent_url=agent.url)
    buyer = await customer()
    made = await buyer.create()
    await execute(reading(), "DELETE FROM instance_credentials WHERE instance_id = $1", made.id)
    assert not await instances.deliver(reach, made.id, timeout_seconds=SECONDS)
    now = await clock.now(reading())
    assert await instances.pending_deliveries(reading(), now + 60, 10) == []
    assert len(await instances.pending_deliveries(reading(), now + 400, 10)) == 1
    await buyer.terminate(made.id)
    assert await instances.deliver(reach, made.id, timeout_seconds=SECONDS)
    assert await placed() == 0
