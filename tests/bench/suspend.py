"""`python -m tests.bench.suspend`: how long a suspend takes to be answered while 100 clients log in again and again.

Each round resumes a tenant, waits until the storm is in, suspends it through the agent's HTTP interface, and then looks
as a superuser for survivors: sessions that were let in and are there when the answer is, or a moment later, and rows
that a statement of theirs wrote after the answer. A login that is being refused is no session: MySQL and MariaDB show it
for an instant under the tenant's name, with the command `Connect` or, while it ends, with the state `login`, which no
session that was let in ever shows again.
"""

import argparse
import asyncio
import json
import secrets
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

import aiomysql
import asyncpg

from entrypoints.embedded import MariaDBServer, MySQLServer, free_port
from syneudp.engines.agent.app import create_app
from syneudp.engines.agent.driver import Driver, PrepareOrder
from syneudp.engines.agent.host import Host
from syneudp.engines.agent.mysql import MySQLDriver
from syneudp.engines.agent.mysql import prepare as prepare_mysql
from syneudp.engines.agent.postgresql import PostgreSQLDriver
from syneudp.engines.agent.postgresql import prepare as prepare_postgresql
from syneudp.engines.agent.served import ServedEngine
from syneudp.engines.client import AgentClient, AgentVerb
from syneudp.engines.contract import Applied, Desired, Engine, Limits, State
from syneudp.engines.verifiers import generate_password, verifiers_for
from syneudp.kernel.identifiers import new_id
from syneudp.kernel.logging import configure_logging
from syneudp.kernel.server import serve
from tests.mysql_tenants import tls_context
from tests.servers import running_mysql, running_postgresql

TIMEOUT_SECONDS = 60.0
STORM_IS_IN = 0.1
STORM_WAIT_SECONDS = 60.0
LOOK_SECONDS = 0.05

Ask = Callable[[str], Awaitable[int]]


@dataclass
class Stand:
    """A running server with its agent's driver, its certificate, and a superuser who answers with one number."""

    engine: Engine
    driver: Driver
    certificate: str
    host: str
    port: int
    superuser: Callable[[str], Any]


@dataclass
class Figures:
    """What the rounds came to."""

    seconds: list[float] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    sessions_left: int = 0
    rows_late: int = 0

    @property
    def survivors(self) -> int:
        return self.sessions_left + self.rows_late

    def say(self, name: str, storm: dict[str, int]) -> None:
        ordered = sorted(self.seconds)
        p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
        print(
            f"{name}: {len(ordered)} rounds, suspend answered after median {statistics.median(ordered) * 1000:.0f} ms,"
            f" p99 {p99 * 1000:.0f} ms, longest {ordered[-1] * 1000:.0f} ms; sessions ended a round: median"
            f" {statistics.median(self.ended):.0f}, fewest {min(self.ended)}; survivors: {self.survivors}"
            f" ({self.sessions_left} sessions, {self.rows_late} rows); storm: {storm['logins']} logins tried,"
            f" {storm['admitted']} admitted, {storm['writes']} rows written, {storm['stopped']} clients gave up",
            flush=True,
        )


@dataclass
class Tenant:
    """One instance, told what to be through the agent's HTTP interface."""

    client: AgentClient
    url: str
    engine: Engine
    connections: int
    instance_id: UUID = field(default_factory=new_id)
    password: str = field(default_factory=generate_password)
    generation: int = 0

    async def want(self, verb: AgentVerb, state: State) -> Applied:
        self.generation += 1
        desired = Desired(
            generation=self.generation,
            state=state,
            credential_version=1,
            verifiers=self.verifiers,
            limits=Limits(max_connections=self.connections, temp_bytes=0),
        )
        return await self.client.apply(
            agent_url=self.url,
            engine=self.engine,
            verb=verb,
            instance_id=self.instance_id,
            desired=desired,
            timeout_seconds=TIMEOUT_SECONDS,
        )

    def __post_init__(self) -> None:
        self.verifiers = verifiers_for(self.engine, self.password)


@asynccontextmanager
async def postgresql() -> AsyncIterator[Stand]:
    with running_postgresql() as server:
        url = server.url(user="syneudp_agent", password=secrets.token_urlsafe(24), database="postgres")
        await prepare_postgresql(
            PrepareOrder(superuser_url=server.superuser_url(), admin_url=url, agent_hosts=(), require_tls=True)
        )

        @asynccontextmanager
        async def superuser(database: str) -> AsyncIterator[Ask]:
            connection = await asyncpg.connect(server.superuser_url(database))

            async def ask(sql: str) -> int:
                return int(await connection.fetchval(sql) or 0)

            try:
                yield ask
            finally:
                await connection.close()

        driver = PostgreSQLDriver(admin_url=url, endpoint_host=server.host, endpoint_port=server.port)
        yield Stand(Engine.POSTGRESQL, driver, str(server.certificate), server.host, server.port, superuser)


@asynccontextmanager
async def mysql(kind: Any) -> AsyncIterator[Stand]:
    with running_mysql(kind) as server:
        url = server.url(user="syneudp_agent", password=secrets.token_urlsafe(24))
        await prepare_mysql(
            PrepareOrder(superuser_url=server.root_url(), admin_url=url, agent_hosts=("127.0.0.1",), require_tls=True)
        )

        @asynccontextmanager
        async def superuser(database: str) -> AsyncIterator[Ask]:
            connection = await aiomysql.connect(
                host=server.host,
                port=server.port,
                user="root",
                password=server.root_password,
                db=database,
                ssl=tls_context(server),
                autocommit=True,
            )

            async def ask(sql: str) -> int:
                async with connection.cursor() as cursor:
                    await cursor.execute(sql)
                    found = await cursor.fetchone()
                    return int(found[0] or 0) if found else 0

            try:
                yield ask
            finally:
                connection.close()

        driver = MySQLDriver(admin_url=url, endpoint_host=server.host, endpoint_port=server.port)
        yield Stand(Engine.MYSQL, driver, str(server.certificate), server.host, server.port, superuser)


KINDS: dict[str, Callable[[], AbstractAsyncContextManager[Stand]]] = {
    "postgresql": postgresql,
    "mysql": partial(mysql, MySQLServer),
    "mariadb": partial(mysql, MariaDBServer),
}
SESSIONS = {
    Engine.POSTGRESQL: "SELECT count(*) FROM pg_stat_activity WHERE usename = '{username}'",
    Engine.MYSQL: (
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = '{username}' AND COMMAND <> 'Connect' AND COALESCE(STATE, '') <> 'login'"
    ),
}
HITS = {
    Engine.POSTGRESQL: (
        "CREATE TABLE hits (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
        " at timestamptz NOT NULL DEFAULT clock_timestamp())"
    ),
    Engine.MYSQL: (
        "CREATE TABLE hits (id BIGINT AUTO_INCREMENT PRIMARY KEY,"
        " at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6))"
    ),
}
LATE = {
    Engine.POSTGRESQL: "SELECT count(*) FROM hits WHERE id > {known} AND extract(epoch FROM at) >= {since}",
    Engine.MYSQL: "SELECT count(*) FROM hits WHERE id > {known} AND UNIX_TIMESTAMP(at) >= {since}",
}
GRANT_HITS = {Engine.POSTGRESQL: 'GRANT ALL ON hits TO "{username}"', Engine.MYSQL: "DO 0"}


async def measure(name: str, *, rounds: int, clients: int, seconds: float) -> None:
    async with AsyncExitStack() as opened:
        stand = await opened.enter_async_context(KINDS[name]())
        client, url = await serve_agent(opened, stand)
        tenant = Tenant(client, url, stand.engine, connections=clients)
        made = await tenant.want("create", State.RUNNING)
        ask: Ask = await opened.enter_async_context(stand.superuser(made.database))
        await ask(HITS[stand.engine])
        await ask(GRANT_HITS[stand.engine].format(username=made.username))
        storm = await start_storm(stand, made, tenant.password, clients)
        figures = Figures()
        sessions = SESSIONS[stand.engine].format(username=made.username)
        until = time.monotonic() + seconds
        for _ in range(rounds):
            if figures.seconds and time.monotonic() > until:
                break
            await tenant.want("resume", State.RUNNING)
            await wait_for_the_storm(ask, sessions, at_least=int(clients * STORM_IS_IN))
            known = await ask("SELECT max(id) FROM hits")
            began = time.perf_counter()
            suspended = await tenant.want("suspend", State.SUSPENDED)
            answered_at = time.time()
            figures.seconds.append(time.perf_counter() - began)
            figures.ended.append(suspended.sessions_ended)
            written = f"SELECT count(*) FROM hits WHERE id > {known}"
            left, rows = await ask(sessions), await ask(written)
            await asyncio.sleep(LOOK_SECONDS)
            figures.sessions_left += max(left, await ask(sessions))
            late = LATE[stand.engine].format(known=known, since=answered_at)
            figures.rows_late += max(await ask(written) - rows, await ask(late))
        figures.say(name, await stop_storm(storm))


async def serve_agent(opened: AsyncExitStack, stand: Stand) -> tuple[AgentClient, str]:
    token, bind, stopping = secrets.token_urlsafe(32), f"127.0.0.1:{free_port()}", asyncio.Event()
    served = ServedEngine(stand.driver)
    await served.open()
    opened.push_async_callback(served.close)
    app = create_app(Host([served]), tokens=[token])
    serving = asyncio.create_task(serve(app, binds=[bind], stopping=stopping))

    async def stop() -> None:
        stopping.set()
        await serving

    opened.push_async_callback(stop)
    client = await opened.enter_async_context(AgentClient(token))
    await client.host(agent_url=f"http://{bind}")
    return client, f"http://{bind}"


async def start_storm(stand: Stand, made: Applied, password: str, clients: int) -> asyncio.subprocess.Process:
    storm = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.storm", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    order = {
        "clients": clients,
        "engine": stand.engine.value,
        "host": stand.host,
        "port": stand.port,
        "username": made.username,
        "password": password,
        "database": made.database,
        "certificate": stand.certificate,
    }
    assert storm.stdin is not None
    storm.stdin.write(json.dumps(order).encode() + b"\n")
    await storm.stdin.drain()
    return storm


async def stop_storm(storm: asyncio.subprocess.Process) -> dict[str, int]:
    said, _ = await storm.communicate(b"\n")
    told: dict[str, int] = json.loads(said)
    return told


async def wait_for_the_storm(ask: Ask, sessions: str, *, at_least: int) -> None:
    async with asyncio.timeout(STORM_WAIT_SECONDS):
        while await ask(sessions) < at_least:
            await asyncio.sleep(LOOK_SECONDS)


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.suspend", description=__doc__)
    parser.add_argument("--engine", choices=KINDS, action="append")
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="end earlier, after that time an engine")
    asked = parser.parse_args()
    configure_logging("error")
    for name in asked.engine or KINDS:
        await measure(name, rounds=asked.rounds, clients=asked.clients, seconds=asked.seconds)


if __name__ == "__main__":
    asyncio.run(main())
