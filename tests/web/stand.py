"""The api role's application with the local auth server beside it, both as tests need them."""

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from quart import Quart

from entrypoints.api import ApiSettings, open_services
from entrypoints.embedded import PostgreSQLServer, free_port
from syneudp import catalog, instances
from syneudp.engines.agent.app import create_app as create_agent
from syneudp.engines.agent.driver import Driver
from syneudp.engines.agent.host import Host
from syneudp.engines.agent.postgresql import PostgreSQLDriver
from syneudp.engines.agent.served import ServedEngine
from syneudp.engines.contract import Engine
from syneudp.identity import Act
from syneudp.identity.local_auth import LocalAuthSettings, create_local_auth
from syneudp.kernel.database import transact
from syneudp.kernel.server import serve
from syneudp.web.app import create_app
from syneudp.web.services import WebServices
from syneudp.web.session_cookie import cookie_name
from tests.servers import ControlDatabase
from tests.web.caller import Caller, sign_up


@dataclass(frozen=True)
class Stand:
    app: Quart
    services: WebServices
    variables: Mapping[str, str]

    async def newcomer(self) -> Caller:
        return await sign_up(self.app, self.services)

    async def cookie_of(self, caller: Caller) -> str:
        opened = await self.services.sessions.open(
            caller.tokens, act=Act.SIGN_IN, address="127.0.0.1", user_agent="tests"
        )
        return f"{cookie_name(https=self.services.settings.https)}={opened.cookie}"


def stand_variables(control: ControlDatabase) -> dict[str, str]:
    auth_port, bind_port = free_port(), free_port()
    return {
        "SYNEUDP_ENVIRONMENT": "local",
        "SYNEUDP_DATABASE_URL": control.url,
        "SYNEUDP_BIND": f"127.0.0.1:{bind_port}",
        "SYNEUDP_PUBLIC_URL": f"http://127.0.0.1:{bind_port}",
        "SYNEUDP_SEALING_KEYS": f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "SYNEUDP_AGENT_TOKEN": secrets.token_urlsafe(32),
        "SYNEUDP_AUTH_BIND": f"127.0.0.1:{auth_port}",
        "SYNEUDP_PAYMENTS": "sandbox",
        "SUPABASE_AUTH_URL": f"http://127.0.0.1:{auth_port}",
    }


@asynccontextmanager
async def running_stand(control: ControlDatabase, **chosen: str) -> AsyncIterator[Stand]:
    variables = {**stand_variables(control), **chosen}
    auth = create_local_auth(LocalAuthSettings.model_validate(variables))
    await transact(lambda tx: instances.seed_plans(tx, currency="EUR"))
    async with AsyncExitStack() as opened:
        await opened.enter_async_context(served(auth, variables["SYNEUDP_AUTH_BIND"]))
        services = await open_services(opened, ApiSettings.model_validate(variables))
        yield Stand(app=create_app(services), services=services, variables=variables)


@asynccontextmanager
async def served(app: Any, bind: str) -> AsyncIterator[str]:
    stopping = asyncio.Event()
    serving = asyncio.create_task(serve(app, binds=[bind], stopping=stopping, grace_seconds=1))
    try:
        await answering(bind)
        yield f"http://{bind}"
    finally:
        stopping.set()
        await serving


async def answering(bind: str, *, within_seconds: float = 20.0) -> None:
    host, _, port = bind.rpartition(":")
    async with asyncio.timeout(within_seconds):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            return


@asynccontextmanager
async def running_agent(stand: Stand, server: PostgreSQLServer, admin_url: str) -> AsyncIterator[str]:
    driver = PostgreSQLDriver(admin_url=admin_url, endpoint_host=server.host, endpoint_port=server.port)
    async with agent_in_front_of(stand, driver) as url:
        yield url


@asynccontextmanager
async def agent_in_front_of(stand: Stand, driver: Driver) -> AsyncIterator[str]:
    engine = ServedEngine(driver)
    await engine.open()
    app = create_agent(Host([engine]), tokens=[stand.variables["SYNEUDP_AGENT_TOKEN"]])
    try:
        async with served(app, f"127.0.0.1:{free_port()}") as url:
            yield url
    finally:
        await engine.close()


async def register_agent(agent_url: str, *engines: Engine) -> None:
    hosts = [
        catalog.DeclaredHost(name=f"host-{engine}", engine=engine, agent_url=agent_url, capacity=50)
        for engine in engines
    ]
    await transact(lambda tx: catalog.register_hosts(tx, hosts))
