"""Tenants on real MySQL and MariaDB servers, as the control plane and their customers see them."""

import secrets
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import aiomysql
import pymysql
import pymysql.constants.ER
import pytest

from entrypoints.embedded import MySQLFamilyServer
from syneudp.engines.agent.apply import Outcome, apply
from syneudp.engines.agent.driver import PrepareOrder
from syneudp.engines.agent.mysql import MySQLDriver, prepare
from syneudp.engines.contract import Desired, Engine, Limits, State
from syneudp.engines.verifiers import generate_password, verifiers_for
from syneudp.kernel.identifiers import new_id

AGENT_LOGIN: Final = "syneudp_agent"
AGENT_HOST: Final = "127.0.0.1"
MEBIBYTE: Final = 1024 * 1024
REFUSED: Final = pymysql.err.OperationalError


def tls_context(server: MySQLFamilyServer) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(server.certificate))
    context.check_hostname = False
    return context


@asynccontextmanager
async def connected(
    server: MySQLFamilyServer,
    *,
    user: str,
    password: str,
    database: str | None = None,
    tls: bool = True,
    program: str = "",
) -> AsyncIterator[Any]:
    connection = await aiomysql.connect(
        host=server.host,
        port=server.port,
        user=user,
        password=password,
        db=database,
        ssl=tls_context(server) if tls else None,
        autocommit=True,
        connect_timeout=10,
        program_name=program,
    )
    try:
        yield connection
    finally:
        connection.close()


async def fetched(connection: Any, sql: str) -> list[tuple[Any, ...]]:
    async with connection.cursor() as cursor:
        await cursor.execute(sql)
        return list(await cursor.fetchall())


async def assert_refused(connection: Any, sql: str) -> None:
    """Run a statement that must be refused, and not for being no SQL of this server."""
    with pytest.raises(pymysql.err.MySQLError) as refusal:
        await fetched(connection, sql)
    assert refusal.value.args[0] != pymysql.constants.ER.PARSE_ERROR, sql


async def is_alive(connection: Any) -> bool:
    with suppress(pymysql.err.MySQLError, OSError, EOFError):
        return await fetched(connection, "SELECT 1") == [(1,)]
    return False


@dataclass
class MySQLTenant:
    driver: MySQLDriver
    server: MySQLFamilyServer
    instance_id: UUID
    password: str
    generation: int = 0
    credential_version: int = 1
    max_connections: int = 8
    limits: dict[str, Any] = field(default_factory=dict)
    previous_password_seconds: int = 0
    database: str = ""
    username: str = ""

    async def want(self, state: State, *, generation: int | None = None, may_create: bool = False) -> Outcome:
        if generation is None:
            self.generation += 1
            generation = self.generation
        outcome = await apply(
            self.driver, instance_id=self.instance_id, desired=self.desired(state, generation), may_create=may_create
        )
        self.database, self.username = outcome.applied.database, outcome.applied.username
        return outcome

    def desired(self, state: State, generation: int) -> Desired:
        return Desired(
            generation=generation,
            state=state,
            credential_version=self.credential_version,
            verifiers=verifiers_for(Engine.MYSQL, self.password),
            limits=Limits(**{"max_connections": self.max_connections, "temp_bytes": 64 * MEBIBYTE} | self.limits),
            previous_password_seconds=self.previous_password_seconds,
        )

    def change_password(self) -> str:
        old, self.password = self.password, generate_password()
        self.credential_version += 1
        return old

    @asynccontextmanager
    async def connected(
        self, *, password: str | None = None, database: str | None = None, tls: bool = True, program: str = ""
    ) -> AsyncIterator[Any]:
        async with connected(
            self.server,
            user=self.username,
            password=password or self.password,
            database=self.database if database is None else database,
            tls=tls,
            program=program,
        ) as connection:
            yield connection

    async def drift(self) -> list[str]:
        report = await self.driver.report(self.instance_id)
        assert report is not None
        return report.drift


NewTenant = Callable[[], MySQLTenant]


@pytest.fixture(scope="session", params=["mysql", "mariadb"])
def engine_server(request: pytest.FixtureRequest) -> MySQLFamilyServer:
    server: MySQLFamilyServer = request.getfixturevalue(f"{request.param}_server")
    return server


@pytest.fixture(scope="session")
async def admin_url(engine_server: MySQLFamilyServer) -> str:
    url = engine_server.url(user=AGENT_LOGIN, password=secrets.token_urlsafe(24))
    await prepare(
        PrepareOrder(superuser_url=engine_server.root_url(), admin_url=url, agent_hosts=(AGENT_HOST,), require_tls=True)
    )
    return url


@asynccontextmanager
async def opened_driver(server: MySQLFamilyServer, admin_url: str) -> AsyncIterator[MySQLDriver]:
    driver = MySQLDriver(admin_url=admin_url, endpoint_host=server.host, endpoint_port=server.port)
    await driver.open()
    try:
        yield driver
    finally:
        await driver.close()


@pytest.fixture
async def driver(admin_url: str, engine_server: MySQLFamilyServer) -> AsyncIterator[MySQLDriver]:
    async with opened_driver(engine_server, admin_url) as driver:
        yield driver


@pytest.fixture
async def root(engine_server: MySQLFamilyServer) -> AsyncIterator[Any]:
    async with connected(engine_server, user="root", password=engine_server.root_password) as connection:
        yield connection


@pytest.fixture
def new_tenant(driver: MySQLDriver, engine_server: MySQLFamilyServer) -> NewTenant:
    return lambda: MySQLTenant(driver=driver, server=engine_server, instance_id=new_id(), password=generate_password())


@pytest.fixture
async def tenant(new_tenant: NewTenant) -> AsyncIterator[MySQLTenant]:
    tenant = new_tenant()
    await tenant.want(State.RUNNING, may_create=True)
    yield tenant
    await tenant.want(State.TERMINATED)
