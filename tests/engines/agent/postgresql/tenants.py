import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import pytest

from entrypoints.embedded import PostgreSQLServer
from syneudp.engines.agent.apply import Outcome, apply
from syneudp.engines.agent.driver import REGISTRY_DATABASE, PrepareOrder
from syneudp.engines.agent.postgresql import PostgreSQLDriver, prepare
from syneudp.engines.contract import DatabaseReport, Desired, Engine, Limits, State
from syneudp.engines.verifiers import generate_password, verifiers_for
from syneudp.kernel.identifiers import new_id

AGENT_LOGIN = "syneudp_agent"
MEBIBYTE = 1024 * 1024


@pytest.fixture(scope="session")
async def admin_url(postgresql_server: PostgreSQLServer) -> str:
    superuser_url = postgresql_server.superuser_url()
    password = hashlib.sha256(superuser_url.encode()).hexdigest()
    url = postgresql_server.url(user=AGENT_LOGIN, password=password, database="postgres")
    await prepare(PrepareOrder(superuser_url=superuser_url, admin_url=url, agent_hosts=(), require_tls=True))
    return url


@pytest.fixture(scope="session")
async def driver(admin_url: str, postgresql_server: PostgreSQLServer) -> AsyncIterator[PostgreSQLDriver]:
    driver = PostgreSQLDriver(
        admin_url=admin_url, endpoint_host=postgresql_server.host, endpoint_port=postgresql_server.port
    )
    await driver.open()
    try:
        yield driver
    finally:
        await driver.close()


Connection: TypeAlias = "asyncpg.Connection[Any]"


@dataclass
class Tenant:
    """One instance as the control plane and its customer see it."""

    driver: PostgreSQLDriver
    server: PostgreSQLServer
    instance_id: UUID
    password: str
    generation: int = 0
    credential_version: int = 1
    max_connections: int = 8
    limits: dict[str, Any] = field(default_factory=dict)
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
            verifiers=verifiers_for(Engine.POSTGRESQL, self.password),
            limits=Limits(**{"max_connections": self.max_connections, "temp_bytes": 64 * MEBIBYTE} | self.limits),
        )

    async def report(self) -> DatabaseReport:
        report = await self.driver.report(self.instance_id)
        assert report is not None
        return report

    def change_password(self) -> str:
        old, self.password = self.password, generate_password()
        self.credential_version += 1
        return old

    async def connect(self, *, password: str | None = None, database: str | None = None) -> Connection:
        return await asyncpg.connect(
            self.server.url(user=self.username, password=password or self.password, database=database or self.database),
            ssl=self.server.tls_context(),
            timeout=10,
        )


NewTenant = Callable[[], Tenant]


@pytest.fixture(scope="session")
def new_tenant(driver: PostgreSQLDriver, postgresql_server: PostgreSQLServer) -> NewTenant:
    return lambda: Tenant(driver=driver, server=postgresql_server, instance_id=new_id(), password=generate_password())


@pytest.fixture
async def tenant(new_tenant: NewTenant) -> AsyncIterator[Tenant]:
    tenant = new_tenant()
    await tenant.want(State.RUNNING, may_create=True)
    yield tenant
    await tenant.want(State.TERMINATED)


@pytest.fixture(scope="session")
async def admin(admin_url: str, driver: PostgreSQLDriver) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(admin_url, database=REGISTRY_DATABASE)
    yield connection
    await connection.close()
