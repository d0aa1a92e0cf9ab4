import asyncio
import secrets
from collections.abc import Iterator

import asyncpg
import pytest

from syneudp import catalog, instances
from syneudp.catalog import HostState
from syneudp.commands.ledger_audit import audit_books
from syneudp.engines.agent.postgresql.hosts import connect_writable, hosts_of
from syneudp.engines.client import AgentClient
from syneudp.engines.contract import Engine, State
from syneudp.instances import InstanceServices, Status
from syneudp.kernel import clock
from syneudp.kernel.database import execute, reading
from tests.instances.agents import Agent, _agent, hanging_server
from tests.instances.shop import TOKEN, Customer, customer, services, stock
from tests.postgresql_pair import Pair, running_pair
from tests.servers import ControlDatabase

CUSTOMERS = 4
CONFIRMED_BEFORE = 8
CONFIRMED_AFTER = 8
CONFIRMED_WITHIN_SECONDS = 120.0
SETTLED_WITHIN_SECONDS = 90.0


@pytest.fixture
def pair() -> Iterator[Pair]:
    with running_pair() as pair:
        yield pair


@pytest.fixture
def agent(pair: Pair) -> Iterator[Agent]:
    admin_url = pair.url(user="syneudpagent", password=secrets.token_urlsafe(24))
    with _agent(
        prepared={"SYNEUDP_POSTGRESQL_SUPERUSER_URL": pair.superuser_url(), "SYNEUDP_POSTGRESQL_ADMIN_URL": admin_url},
        served={
            "SYNEUDP_POSTGRESQL_ADMIN_URL": admin_url,
            "SYNEUDP_POSTGRESQL_ENDPOINT": f"127.0.0.1:{pair.standby.port}",
        },
    ) as agent:
        yield agent


async def use(
    reach: InstanceServices,
    buyer: Customer,
    name: str,
    stopping: asyncio.Event,
    told: dict[str, int],
    *,
    plan: str = "postgresql-small",
) -> None:
    turn = 0
    while not stopping.is_set():
        turn += 1
        made = await buyer.create(f"{name}-{turn}", plan=plan)
        if await instances.deliver(reach, made.id, timeout_seconds=5):
            told["confirmed"] += 1
        await buyer.suspend(made.id)
        if await instances.deliver(reach, made.id, timeout_seconds=5):
            told["confirmed"] += 1
        if turn % 2:
            await buyer.resume(made.id)
            await instances.deliver(reach, made.id, timeout_seconds=5)


async def confirmed(told: dict[str, int], more: int) -> int:
    """Wait until so many more calls were confirmed, however fast the machine is; answer how many there are then."""
    wanted = told["confirmed"] + more
    async with asyncio.timeout(CONFIRMED_WITHIN_SECONDS):
        while told["confirmed"] < wanted:
            await asyncio.sleep(0.05)
    return told["confirmed"]


async def settle(reach: InstanceServices) -> None:
    async with asyncio.timeout(SETTLED_WITHIN_SECONDS):
        while await instances.count_pending(reading()):
            now = await clock.now(reading())
            for pending in await instances.pending_deliveries(reading(), now + 60, 50):
                await instances.deliver(reach, pending.instance_id, timeout_seconds=10)
            await asyncio.sleep(0.1)


async def test_a_failover_loses_nothing_that_was_confirmed(control: ControlDatabase, pair: Pair, agent: Agent) -> None:
    await agent.ready()
    await stock(agent_url=agent.url, engines=(Engine.POSTGRESQL,))
    buyers = [await customer() for _ in range(CUSTOMERS)]
    told, stopping = {"confirmed": 0}, asyncio.Event()
    async with AgentClient(TOKEN) as agents:
        reach = services(agents)
        async with asyncio.TaskGroup() as using:
            for number, buyer in enumerate(buyers):
                using.create_task(use(reach, buyer, f"shop{number}", stopping, told))
            await confirmed(told, CONFIRMED_BEFORE)
            await asyncio.to_thread(pair.kill_primary)
            await pair.promote()
            await confirmed(told, CONFIRMED_AFTER)
            stopping.set()
        await settle(reach)
        [host] = await catalog.hosts(reading())
        reports = await agents.reports(agent_url=agent.url, engine=Engine.POSTGRESQL)
        states = {report.instance_id: report.state for report in reports.items}
        assert [report for report in reports.items if report.drift] == []
        assert reports.unknown == []
        wanted = {Status.RUNNING: State.RUNNING, Status.SUSPENDED: State.SUSPENDED}
        held = [view for buyer in buyers for view in (await instances.instances_of(reading(), buyer.id)).items]
        assert {view.id: wanted[view.status] for view in held} == states
        await execute(reading(), "UPDATE instances SET last_event_at = created_at")
        with clock.frozen(await clock.now(reading()) + 5):
            assert (await instances.compare_host(reach, host)).is_clean
        assert (await catalog.host(reading(), host.id)).state is HostState.OPEN
        running = next(view for view in held if view.status is Status.RUNNING)
        owner = next(buyer for buyer in buyers if buyer.id == running.owner_id)
        await _log_in(pair, running, await owner.reveal(running.id))
    assert await audit_books() == []


async def _log_in(pair: Pair, view: instances.InstanceView, password: str) -> None:
    assert view.connection is not None
    connection = await asyncpg.connect(
        pair.standby.url(user=view.connection.username, password=password, database=view.connection.database)
    )
    try:
        await connection.execute("CREATE TABLE kept (n int)")
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://u:p@db/postgres", [("db", 5432)]),
        ("postgresql://u:p@a:1,b:2/postgres?target_session_attrs=read-write", [("a", 1), ("b", 2)]),
        ("postgresql://u:p%40@[::1]:7,[fd00::2]/postgres", [("::1", 7), ("fd00::2", 5432)]),
    ],
)
def test_a_url_may_name_several_hosts(url: str, hosts: list[tuple[str, int]]) -> None:
    assert hosts_of(url) == hosts


async def test_a_host_that_swallows_packets_or_only_reads_is_passed_over(pair: Pair) -> None:
    async with hanging_server() as hanging:
        hung = hanging.removeprefix("http://")
        hosts = f"{hung},127.0.0.1:{pair.standby.port},127.0.0.1:{pair.primary.port}"
        connection = await connect_writable(
            f"postgresql://postgres:{pair.password}@{hosts}/postgres?sslmode=require", timeout=5
        )
    try:
        assert await connection.fetchval("SELECT inet_server_port()") == pair.primary.port
    finally:
        await connection.close()
