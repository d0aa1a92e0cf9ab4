import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pymysql
import pytest

from syneudp import catalog, instances
from syneudp.catalog import HostState
from syneudp.commands.ledger_audit import audit_books
from syneudp.engines.agent.apply import apply
from syneudp.engines.agent.driver import RegistryRow
from syneudp.engines.agent.errors import FencedError, GenerationStaleError
from syneudp.engines.agent.mysql import MySQLDriver, registry
from syneudp.engines.agent.mysql.claim import MySQLClaim
from syneudp.engines.agent.mysql.connections import Session
from syneudp.engines.agent.spares import fill
from syneudp.engines.client import AgentClient
from syneudp.engines.contract import Desired, Engine, Limits, State
from syneudp.engines.verifiers import generate_password, verifiers_for
from syneudp.instances import Status
from syneudp.kernel import clock
from syneudp.kernel.database import execute, reading
from syneudp.kernel.identifiers import new_id
from tests.engines.agent.postgresql.test_failover import confirmed, settle, use
from tests.galera import Cluster, running_galera
from tests.instances.agents import Agent, _agent
from tests.instances.shop import TOKEN, customer, services, stock
from tests.mysql_tenants import REFUSED, connected, fetched, is_alive
from tests.servers import ControlDatabase

CUSTOMERS = 3
CONFIRMED_BEFORE = 6
CONFIRMED_AFTER = 6
PLAN = "mysql-small"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_galera() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def agent(cluster: Cluster) -> Iterator[Agent]:
    admin_url = cluster.url(user="syneudpagent", password=secrets.token_urlsafe(24))
    with _agent(
        prepared={"SYNEUDP_MYSQL_SUPERUSER_URL": cluster.root_url(), "SYNEUDP_MYSQL_ADMIN_URL": admin_url},
        served={
            "SYNEUDP_MYSQL_ADMIN_URL": admin_url,
            "SYNEUDP_MYSQL_ENDPOINT": f"127.0.0.1:{cluster.nodes[1].port}",
        },
    ) as agent:
        agent.admin_url = admin_url
        yield agent


@pytest.fixture
async def drivers(agent: Agent) -> AsyncIterator[list[MySQLDriver]]:
    """Two drivers as two agents would have them, each on a node of its own."""
    scheme, _, rest = agent.admin_url.partition("@")
    first, second, third = rest.rstrip("/").split(",")
    made = [
        MySQLDriver(admin_url=f"{scheme}@{nodes}/", endpoint_host="127.0.0.1", endpoint_port=1)
        for nodes in (f"{first},{second},{third}", f"{second},{third},{first}")
    ]
    for driver in made:
        await driver.open()
    yield made
    for driver in made:
        await driver.close()


def desired(generation: int, state: State, password: str) -> Desired:
    return Desired(
        generation=generation,
        state=state,
        credential_version=1,
        verifiers=verifiers_for(Engine.MYSQL, password),
        limits=Limits(max_connections=8, temp_bytes=1 << 26),
    )


async def test_a_suspend_ends_the_sessions_of_every_node(cluster: Cluster, drivers: list[MySQLDriver]) -> None:
    instance_id, password = new_id(), generate_password()
    made = await apply(
        drivers[0], instance_id=instance_id, desired=desired(1, State.RUNNING, password), may_create=True
    )
    user, database = made.applied.username, made.applied.database
    node, other = cluster.nodes[1], cluster.nodes[2]
    async with (
        connected(node, user=user, password=password, database=database) as there,
        connected(other, user=user, password=password, database=database) as elsewhere,
    ):
        assert await is_alive(there)
        assert await is_alive(elsewhere)
        ended = await apply(
            drivers[0], instance_id=instance_id, desired=desired(2, State.SUSPENDED, password), may_create=False
        )
        assert ended.applied.sessions_ended == 2
        assert not await is_alive(there)
        assert not await is_alive(elsewhere)
    for each in cluster.nodes:
        with pytest.raises(REFUSED):
            async with connected(each, user=user, password=password, database=database):
                pass
    await apply(drivers[0], instance_id=instance_id, desired=desired(3, State.TERMINATED, password), may_create=False)


async def test_no_transaction_is_prepared_on_a_cluster_whose_nodes_would_list_their_own_alone(
    cluster: Cluster, drivers: list[MySQLDriver]
) -> None:
    instance_id, password = new_id(), generate_password()
    made = await apply(
        drivers[0], instance_id=instance_id, desired=desired(1, State.RUNNING, password), may_create=True
    )
    user, database = made.applied.username, made.applied.database
    async with connected(cluster.nodes[1], user=user, password=password, database=database) as there:
        with pytest.raises(pymysql.err.NotSupportedError, match="1235"):
            await fetched(there, "XA START 'mine'")
    await apply(drivers[0], instance_id=instance_id, desired=desired(2, State.TERMINATED, password), may_create=False)


async def test_the_registry_row_fences_an_agent_whose_lock_another_node_does_not_know(
    drivers: list[MySQLDriver], monkeypatch: pytest.MonkeyPatch
) -> None:
    instance_id, password = new_id(), generate_password()
    leader, late = drivers
    await apply(leader, instance_id=instance_id, desired=desired(1, State.RUNNING, password), may_create=True)
    opened = MySQLClaim.open_login
    overtaken = False

    async def open_after_a_newer_suspend(self: MySQLClaim, *told: Any, **options: Any) -> int:
        nonlocal overtaken
        if not overtaken:
            overtaken = True
            await apply(
                leader, instance_id=instance_id, desired=desired(3, State.SUSPENDED, password), may_create=False
            )
        return await opened(self, *told, **options)

    monkeypatch.setattr(MySQLClaim, "open_login", open_after_a_newer_suspend)
    with pytest.raises(FencedError):
        await apply(late, instance_id=instance_id, desired=desired(2, State.RUNNING, password), may_create=False)
    with pytest.raises(GenerationStaleError):
        await apply(late, instance_id=instance_id, desired=desired(2, State.RUNNING, password), may_create=False)
    for driver in drivers:
        report = await driver.report(instance_id)
        assert report is not None
        assert (report.state, report.applied_generation, report.drift) == (State.SUSPENDED, 3, [])
    await apply(leader, instance_id=instance_id, desired=desired(4, State.TERMINATED, password), may_create=False)


async def test_a_spare_that_was_opened_too_late_is_closed_again_where_a_newer_suspend_stands(
    cluster: Cluster, drivers: list[MySQLDriver], monkeypatch: pytest.MonkeyPatch
) -> None:
    instance_id, password = new_id(), generate_password()
    leader, late = drivers
    await fill(late, size=1)
    written = registry.write_outcome
    overtaken = False

    async def write_after_a_newer_suspend(session: Session, row: RegistryRow, *, of: str) -> None:
        nonlocal overtaken
        if not overtaken:
            overtaken = True
            await apply(
                leader, instance_id=instance_id, desired=desired(2, State.SUSPENDED, password), may_create=False
            )
        await written(session, row, of=of)

    monkeypatch.setattr(registry, "write_outcome", write_after_a_newer_suspend)
    with pytest.raises(FencedError):
        await apply(late, instance_id=instance_id, desired=desired(1, State.RUNNING, password), may_create=True)
    assert overtaken
    for driver in drivers:
        report = await driver.report(instance_id)
        assert report is not None
        assert (report.state, report.applied_generation, report.drift) == (State.SUSPENDED, 2, [])
        for node in cluster.nodes:
            with pytest.raises(REFUSED):
                async with connected(node, user=report.username, password=password, database=report.database):
                    pass
    await apply(leader, instance_id=instance_id, desired=desired(3, State.TERMINATED, password), may_create=False)


async def test_a_killed_node_loses_nothing_that_was_confirmed(
    control: ControlDatabase, cluster: Cluster, agent: Agent
) -> None:
    await agent.ready()
    await stock(agent_url=agent.url, engines=(Engine.MYSQL,))
    buyers = [await customer() for _ in range(CUSTOMERS)]
    told, stopping = {"confirmed": 0}, asyncio.Event()
    async with AgentClient(TOKEN) as agents:
        reach = services(agents)
        async with asyncio.TaskGroup() as using:
            for number, buyer in enumerate(buyers):
                using.create_task(use(reach, buyer, f"shop{number}", stopping, told, plan=PLAN))
            await confirmed(told, CONFIRMED_BEFORE)
            await asyncio.to_thread(cluster.kill, 0)
            await confirmed(told, CONFIRMED_AFTER)
            stopping.set()
        await settle(reach)
        [host] = await catalog.hosts(reading())
        reports = await agents.reports(agent_url=agent.url, engine=Engine.MYSQL)
        held = [view for buyer in buyers for view in (await instances.instances_of(reading(), buyer.id)).items]
        wanted = {Status.RUNNING: State.RUNNING, Status.SUSPENDED: State.SUSPENDED}
        assert {view.id: wanted[view.status] for view in held} == {
            report.instance_id: report.state for report in reports.items if report.state is not State.TERMINATED
        }
        assert [report for report in reports.items if report.drift] == []
        assert reports.unknown == []
        await execute(reading(), "UPDATE instances SET last_event_at = created_at")
        with clock.frozen(await clock.now(reading()) + 5):
            assert (await instances.compare_host(reach, host)).is_clean
        assert (await catalog.host(reading(), host.id)).state is HostState.OPEN
        running = next(view for view in held if view.status is Status.RUNNING)
        owner = next(buyer for buyer in buyers if buyer.id == running.owner_id)
        assert running.connection is not None
        await asyncio.to_thread(cluster.start_again, 0)
        async with connected(
            cluster.nodes[0],
            user=running.connection.username,
            password=await owner.reveal(running.id),
            database=running.connection.database,
        ) as connection:
            assert await is_alive(connection)
    assert await audit_books() == []
