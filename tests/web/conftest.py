from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from quart import Quart

from entrypoints.embedded import PostgreSQLServer, free_port
from syneudp.engines.contract import Engine
from syneudp.web.services import WebServices
from tests.engines.agent.postgresql.tenants import admin_url
from tests.servers import ControlDatabase, ControlServer, opened_control
from tests.web.caller import Caller
from tests.web.stand import Stand, register_agent, running_agent, running_stand

__all__ = ["admin_url"]


@pytest.fixture
async def stand(control: ControlDatabase) -> AsyncIterator[Stand]:
    async with running_stand(control) as stand:
        yield stand


@pytest.fixture(scope="module")
async def shared_stand(control_server: ControlServer) -> AsyncIterator[Stand]:
    async with opened_control(control_server) as control, running_stand(control) as stand:
        await register_agent(f"http://127.0.0.1:{free_port()}", *Engine)
        yield stand


@pytest.fixture
def app(stand: Stand) -> Quart:
    return stand.app


@pytest.fixture
def services(stand: Stand) -> WebServices:
    return stand.services


@pytest.fixture
def newcomer(stand: Stand) -> Callable[[], Awaitable[Caller]]:
    return stand.newcomer


@pytest.fixture
async def customer(stand: Stand) -> Caller:
    return await stand.newcomer()


@pytest.fixture
async def silent_agents(stand: Stand) -> None:
    await register_agent(f"http://127.0.0.1:{free_port()}", *Engine)


@pytest.fixture
async def agent_url(stand: Stand, postgresql_server: PostgreSQLServer, admin_url: str) -> AsyncIterator[str]:
    async with running_agent(stand, postgresql_server, admin_url) as url:
        await register_agent(url, Engine.POSTGRESQL)
        yield url
