from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
import pytest

from syneudp.engines.contract import State
from tests.engines.agent.postgresql.tenants import (
    Connection,
    NewTenant,
    Tenant,
    admin,
    admin_url,
    driver,
    new_tenant,
)

__all__ = ["CUT", "Pair", "admin", "admin_url", "driver", "new_tenant"]

CUT = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)


@dataclass
class Pair:
    """Two tenants of one server, each with a live session: the one that tries and the one it is tried on."""

    attacker: Tenant
    victim: Tenant
    session: Connection
    victim_session: Connection

    def fill(self, statement: str) -> str:
        return statement.format(
            own=self.attacker.database,
            me=self.attacker.username,
            other=self.victim.database,
            them=self.victim.username,
            pid=self.victim_session.get_server_pid(),
        )


@asynccontextmanager
async def made_pair(new_tenant: NewTenant) -> AsyncIterator[Pair]:
    attacker, victim = new_tenant(), new_tenant()
    for tenant in (attacker, victim):
        await tenant.want(State.RUNNING, may_create=True)
    session, victim_session = await attacker.connect(), await victim.connect()
    await victim_session.execute("SET application_name = 'the victim at work'")
    await victim_session.execute("CREATE TABLE kept AS SELECT 'precious' AS word")
    yield Pair(attacker=attacker, victim=victim, session=session, victim_session=victim_session)
    session.terminate()
    victim_session.terminate()
    for tenant in (attacker, victim):
        await tenant.want(State.TERMINATED)


@pytest.fixture
async def pair(new_tenant: NewTenant) -> AsyncIterator[Pair]:
    async with made_pair(new_tenant) as pair:
        yield pair


@pytest.fixture(scope="module")
async def lasting_pair(new_tenant: NewTenant) -> AsyncIterator[Pair]:
    async with made_pair(new_tenant) as pair:
        yield pair
