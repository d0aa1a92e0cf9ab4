from collections.abc import AsyncIterator, Iterator

import pytest

from entrypoints.embedded import MySQLFamilyServer, PostgreSQLServer
from syneudp.commands.ledger_audit import audit_books
from syneudp.engines.client import AgentClient
from syneudp.instances import InstanceServices
from tests.instances.agents import Agent, agent_of_mysql, agent_of_postgresql, customers_postgresql
from tests.instances.shop import TOKEN, services
from tests.servers import ControlDatabase


@pytest.fixture
async def books(control: ControlDatabase) -> AsyncIterator[ControlDatabase]:
    yield control
    assert await audit_books() == []


@pytest.fixture
async def reach() -> AsyncIterator[InstanceServices]:
    async with AgentClient(TOKEN) as agents:
        yield services(agents)


@pytest.fixture(scope="session")
def customers_engine() -> Iterator[PostgreSQLServer]:
    with customers_postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def one_agent(customers_engine: PostgreSQLServer) -> Iterator[Agent]:
    with agent_of_postgresql(customers_engine) as agent:
        yield agent


@pytest.fixture
async def agent(one_agent: Agent) -> Agent:
    await one_agent.ready()
    return one_agent


@pytest.fixture(scope="session")
def mysql_agent(mysql_server: MySQLFamilyServer) -> Iterator[Agent]:
    with agent_of_mysql(mysql_server) as agent:
        yield agent


@pytest.fixture(scope="session")
def mariadb_agent(mariadb_server: MySQLFamilyServer) -> Iterator[Agent]:
    with agent_of_mysql(mariadb_server) as agent:
        yield agent
