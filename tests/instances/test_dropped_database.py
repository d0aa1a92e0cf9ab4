"""What becomes of an instance whose customer dropped its database, as the grants on MySQL and MariaDB let it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from functools import partial
from typing import Any
from uuid import UUID

import aiomysql
import pytest

from syneudp import catalog, instances
from syneudp.catalog import HostState, HostView
from syneudp.engines.contract import Engine, State
from syneudp.instances import Finding, Hold, InstanceServices, Status
from syneudp.instances.errors import HeldError
from syneudp.kernel import clock
from syneudp.kernel.database import execute, reading
from tests.instances.agents import Agent
from tests.instances.shop import Customer, customer, segments, stock
from tests.mysql_tenants import connected, fetched

pytestmark = pytest.mark.usefixtures("books")
SECONDS = 15.0
WHOLE_SECOND = 1.05
PLAN = "mysql-small"


@pytest.fixture(params=["mysql", "mariadb"])
def flavour(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def agent(request: pytest.FixtureRequest, flavour: str) -> Agent:
    found: Agent = request.getfixturevalue(f"{flavour}_agent")
    await found.ready()
    return found


@pytest.fixture
async def root(request: pytest.FixtureRequest, flavour: str) -> AsyncIterator[Any]:
    server = request.getfixturevalue(f"{flavour}_server")
    async with connected(server, user="root", password=server.root_password) as connection:
        yield connection


@pytest.fixture
async def buyer(agent: Agent) -> Customer:
    await stock(agent_url=agent.url, engines=(Engine.MYSQL,))
    return await customer()


async def said(buyer: Customer, instance_id: Any, *statements: str) -> None:
    connection = (await buyer.see(instance_id)).connection
    assert connection is not None
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    session = await aiomysql.connect(
        host=connection.host,
        port=connection.port,
        user=connection.username,
        password=await buyer.reveal(instance_id),
        ssl=tls,
        autocommit=True,
    )
    try:
        async with session.cursor() as cursor:
            for statement in statements:
                await cursor.execute(statement.format(own=connection.database))
    finally:
        session.close()


async def compared(reach: InstanceServices) -> HostView:
    await execute(reading(), "UPDATE instances SET last_event_at = created_at")
    await asyncio.sleep(WHOLE_SECOND)
    [host] = [host for host in await catalog.hosts(reading()) if host.engine is Engine.MYSQL]
    await instances.compare_host(reach, host)
    [after] = [each for each in await catalog.hosts(reading()) if each.id == host.id]
    return after


async def differing(reach: InstanceServices, host: HostView, instance_id: UUID) -> list[tuple[Finding, str]]:
    inspected = (await instances.inspect_host(reach.agents, host)).differing
    return [(each.finding, each.detail) for each in inspected if each.instance_id == instance_id]


async def test_a_dropped_database_is_told_suspended_uncharged_and_can_be_deleted(
    buyer: Customer, reach: InstanceServices
) -> None:
    made = await buyer.create(plan=PLAN)
    deliver = partial(instances.deliver, reach, made.id, timeout_seconds=SECONDS)
    assert await deliver()
    await said(buyer, made.id, "DROP DATABASE {own}")
    host = await compared(reach)
    assert host.state is HostState.OPEN
    seen = await buyer.see(made.id)
    assert seen.holds == (Hold.OPERATOR,)
    assert [segment["until_at"] is None for segment in await segments(made.id)] == [False]
    assert await deliver()
    assert (await buyer.see(made.id)).status is Status.SUSPENDED
    assert await differing(reach, host, made.id) == [(Finding.MISSING, "database_missing")]
    await compared(reach)
    assert (await buyer.events(made.id)).count("missing") == 1
    assert await instances.count_pending(reading()) == 0
    with pytest.raises(HeldError):
        await buyer.resume(made.id)
    await buyer.terminate(made.id)
    assert await deliver()
    assert (await buyer.see(made.id)).status is Status.TERMINATED
    assert await differing(reach, host, made.id) == []


async def test_a_suspend_of_a_dropped_database_is_confirmed_and_its_resume_is_refused(
    buyer: Customer, reach: InstanceServices
) -> None:
    made = await buyer.create(plan=PLAN)
    deliver = partial(instances.deliver, reach, made.id, timeout_seconds=SECONDS)
    assert await deliver()
    await said(buyer, made.id, "DROP DATABASE {own}")
    await buyer.suspend(made.id)
    assert await deliver()
    assert (await buyer.see(made.id)).status is Status.SUSPENDED
    await buyer.resume(made.id)
    assert not await deliver()
    await compared(reach)
    assert await deliver()
    seen = await buyer.see(made.id)
    assert (seen.status, seen.holds) == (Status.SUSPENDED, (Hold.OPERATOR,))
    assert [segment["until_at"] is None for segment in await segments(made.id)] == [False]
    await buyer.terminate(made.id)
    assert await deliver()


async def test_a_dropped_database_that_its_customer_makes_again_is_its_own_and_runs_on(
    buyer: Customer, reach: InstanceServices
) -> None:
    made = await buyer.create(plan=PLAN)
    assert await instances.deliver(reach, made.id, timeout_seconds=SECONDS)
    await said(buyer, made.id, "DROP DATABASE {own}", "CREATE DATABASE {own}")
    host = await compared(reach)
    assert ((await buyer.see(made.id)).status, (await buyer.see(made.id)).holds) == (Status.RUNNING, ())
    assert await differing(reach, host, made.id) == []
    await buyer.terminate(made.id)
    with clock.frozen(await clock.now(reading()) + 1):
        assert await instances.deliver(reach, made.id, timeout_seconds=SECONDS)
    [report] = [
        report
        for report in (await reach.agents.reports(agent_url=host.agent_url, engine=Engine.MYSQL)).items
        if report.instance_id == made.id
    ]
    assert (report.state, report.drift) == (State.TERMINATED, [])


async def test_a_database_that_an_operator_puts_back_runs_and_is_charged_again(
    buyer: Customer, reach: InstanceServices, root: Any
) -> None:
    made = await buyer.create(plan=PLAN)
    deliver = partial(instances.deliver, reach, made.id, timeout_seconds=SECONDS)
    assert await deliver()
    await said(buyer, made.id, "DROP DATABASE {own}")
    await compared(reach)
    assert await deliver()
    connection = (await buyer.see(made.id)).connection
    assert connection is not None
    await fetched(root, f"CREATE DATABASE {connection.database}")
    await compared(reach)
    assert await deliver()
    seen = await buyer.see(made.id)
    assert (seen.status, seen.holds) == (Status.RUNNING, ())
    assert [segment["until_at"] is None for segment in await segments(made.id)] == [False, True]
    await buyer.terminate(made.id)
    assert await deliver()
