import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest

from entrypoints.embedded import MariaDBServer, MySQLFamilyServer, MySQLServer, PostgreSQLServer
from syneudp.engines.agent import mysql, postgresql
from syneudp.engines.agent.driver import Driver, PrepareOrder
from syneudp.engines.agent.errors import EngineLoginRefusedError, EngineUnavailableError
from syneudp.engines.agent.served import ServedEngine
from syneudp.engines.contract import CreateDatabase, Engine, Limits, State
from syneudp.engines.verifiers import generate_password, verifiers_for
from syneudp.kernel.identifiers import new_id
from tests.entrypoints.agent_role import AgentRole, running_agent
from tests.mysql_tenants import AGENT_HOST, connected, fetched
from tests.servers import running_mysql, running_postgresql

LOGIN = "syneudp_agent"
RECOVERED_WITHIN_SECONDS = 30.0


@dataclass
class Served:
    """A prepared engine that can be told to refuse its agent's login, and to let it in again."""

    engine: Engine
    server: PostgreSQLServer | MySQLFamilyServer
    admin_url: str
    say: Callable[[str], Awaitable[list[Any]]]

    def driver(self) -> Driver:
        kind = postgresql.PostgreSQLDriver if self.engine is Engine.POSTGRESQL else mysql.MySQLDriver
        return kind(admin_url=self.admin_url, endpoint_host=self.server.host, endpoint_port=self.server.port)

    def variables(self) -> dict[str, str]:
        name = f"SYNEUDP_{self.engine.value.upper()}"
        return {f"{name}_ADMIN_URL": self.admin_url, f"{name}_ENDPOINT": f"{self.server.host}:{self.server.port}"}

    async def refuse(self) -> None:
        if self.engine is Engine.POSTGRESQL:
            await self.say(f"ALTER ROLE {LOGIN} NOLOGIN")
            await self.say(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = '{LOGIN}'")
            return
        await self.say(f"ALTER USER '{LOGIN}'@'{AGENT_HOST}' ACCOUNT LOCK")
        for found in await self.say(f"SELECT ID FROM information_schema.PROCESSLIST WHERE USER = '{LOGIN}'"):
            await self.say(f"KILL CONNECTION {found[0]}")

    async def let_in(self) -> None:
        if self.engine is Engine.POSTGRESQL:
            await self.say(f"ALTER ROLE {LOGIN} LOGIN")
        else:
            await self.say(f"ALTER USER '{LOGIN}'@'{AGENT_HOST}' ACCOUNT UNLOCK")


@asynccontextmanager
async def served_postgresql() -> AsyncIterator[Served]:
    with running_postgresql() as server:
        url = server.url(user=LOGIN, password=secrets.token_urlsafe(24), database="postgres")
        order = PrepareOrder(superuser_url=server.superuser_url(), admin_url=url, agent_hosts=(), require_tls=True)
        await postgresql.prepare(order)

        async def say(sql: str) -> list[Any]:
            connection = await asyncpg.connect(server.superuser_url())
            try:
                return await connection.fetch(sql)
            finally:
                await connection.close()

        yield Served(Engine.POSTGRESQL, server, url, say)


@asynccontextmanager
async def served_mysql(kind: type[MySQLFamilyServer]) -> AsyncIterator[Served]:
    with running_mysql(kind) as server:
        url = server.url(user=LOGIN, password=secrets.token_urlsafe(24))
        order = PrepareOrder(
            superuser_url=server.root_url(), admin_url=url, agent_hosts=(AGENT_HOST,), require_tls=True
        )
        await mysql.prepare(order)

        async def say(sql: str) -> list[Any]:
            async with connected(server, user="root", password=server.root_password) as connection:
                return await fetched(connection, sql)

        yield Served(Engine.MYSQL, server, url, say)


@pytest.fixture(scope="module", params=["postgresql", "mysql", "mariadb"])
async def served(request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    kinds: dict[str, type[MySQLFamilyServer]] = {"mysql": MySQLServer, "mariadb": MariaDBServer}
    async with AsyncExitStack() as running:
        if request.param in kinds:
            yield await running.enter_async_context(served_mysql(kinds[request.param]))
        else:
            yield await running.enter_async_context(served_postgresql())


async def create(role: AgentRole, engine: Engine) -> tuple[int, Any]:
    wanted = CreateDatabase(
        instance_id=new_id(),
        generation=1,
        state=State.RUNNING,
        credential_version=1,
        verifiers=verifiers_for(engine, generate_password()),
        limits=Limits(max_connections=4, temp_bytes=1 << 20),
    )
    return await role.call("POST", f"/v1/{engine.value}/databases", wanted.model_dump(mode="json"))


async def test_an_agent_whose_login_is_refused_while_it_serves_says_so_stays_and_recovers(served: Served) -> None:
    async with running_agent(**served.variables()) as role:
        assert (await create(role, served.engine))[0] == 201
        await served.refuse()
        try:
            async with asyncio.timeout(RECOVERED_WITHIN_SECONDS):
                while (await role.call("GET", "/v1/health"))[0] == 200:
                    await asyncio.sleep(0.05)
            status, health = await role.call("GET", "/v1/health")
            assert (status, health["engines"]) == (503, {served.engine.value: False})
            status, problem = await create(role, served.engine)
            assert (status, problem["code"]) == (503, "engine_unavailable")
            assert (await role.call("GET", f"/v1/{served.engine.value}/usage"))[0] == 503
            assert (await role.call("GET", "/v1/metrics"))[0] == 200
        finally:
            await served.let_in()
        async with asyncio.timeout(RECOVERED_WITHIN_SECONDS):
            while (await role.call("GET", "/v1/health"))[0] != 200:
                await asyncio.sleep(0.05)
        assert (await create(role, served.engine))[0] == 201
        assert role.process.returncode is None


async def test_an_engine_that_comes_up_refusing_its_agent_is_opened_once_it_lets_it_in(served: Served) -> None:
    engine = ServedEngine(served.driver())
    await served.refuse()
    await asyncio.to_thread(served.server.stop)
    try:
        await engine.open()
    finally:
        await asyncio.to_thread(served.server.start)
    try:
        await engine.keep()
        with pytest.raises(EngineUnavailableError):
            _ = engine.driver
    finally:
        await served.let_in()
    await engine.keep()
    await engine.driver.ping()
    await engine.close()


async def test_a_login_refused_for_a_moment_does_not_end_a_starting_agent_and_one_refused_for_good_does(
    served: Served,
) -> None:
    engine = ServedEngine(served.driver())
    await served.refuse()
    try:
        with pytest.raises(EngineLoginRefusedError, match="refuses the agent's login"):
            await engine.open()
        opening = asyncio.create_task(engine.open())
        await asyncio.sleep(0.3)
    finally:
        await served.let_in()
    await opening
    await engine.driver.ping()
    await engine.close()
