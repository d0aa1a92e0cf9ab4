from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pymysql
import pytest

from entrypoints.embedded import MySQLFamilyServer
from syneudp.engines.agent.mysql import MySQLDriver
from syneudp.engines.contract import State
from syneudp.engines.verifiers import generate_password
from syneudp.kernel.identifiers import new_id
from tests.mysql_tenants import (
    MySQLTenant,
    admin_url,
    driver,
    engine_server,
    fetched,
    new_tenant,
    opened_driver,
    root,
    tenant,
)

__all__ = ["CUT", "Pair", "admin_url", "driver", "engine_server", "new_tenant", "refused_with", "root", "tenant"]

CUT = (pymysql.err.MySQLError, OSError, EOFError)


@dataclass
class Pair:
    """Two tenants of one server, each with a live session: the one that tries and the one it is tried on."""

    attacker: MySQLTenant
    victim: MySQLTenant
    session: Any
    victim_session: Any
    victim_session_id: int

    def fill(self, statement: str) -> str:
        return (
            statement.replace("{own}", self.attacker.database)
            .replace("{me}", self.attacker.username)
            .replace("{other}", self.victim.database)
            .replace("{them}", self.victim.username)
            .replace("{id}", str(self.victim_session_id))
        )

    async def run(self, statement: str) -> list[tuple[Any, ...]]:
        return await fetched(self.session, self.fill(statement))


@asynccontextmanager
async def made_pair(driver: MySQLDriver, server: MySQLFamilyServer) -> AsyncIterator[Pair]:
    attacker, victim = (
        MySQLTenant(driver=driver, server=server, instance_id=new_id(), password=generate_password()) for _ in range(2)
    )
    for made in (attacker, victim):
        await made.want(State.RUNNING, may_create=True)
    async with attacker.connected() as session, victim.connected() as victim_session:
        for statement in (
            "CREATE TABLE kept (id INT PRIMARY KEY, word VARCHAR(20))",
            "INSERT INTO kept VALUES (1, 'precious')",
            "CREATE VIEW seen AS SELECT word FROM kept",
            "CREATE PROCEDURE told() SELECT word FROM kept",
        ):
            await fetched(victim_session, statement)
        await fetched(session, "CREATE TABLE mine (id INT PRIMARY KEY, word TEXT)")
        ((session_id,),) = await fetched(victim_session, "SELECT CONNECTION_ID()")
        yield Pair(attacker, victim, session, victim_session, session_id)
    for made in (attacker, victim):
        await made.want(State.TERMINATED)


@pytest.fixture
async def pair(driver: MySQLDriver, engine_server: MySQLFamilyServer) -> AsyncIterator[Pair]:
    async with made_pair(driver, engine_server) as pair:
        yield pair


@pytest.fixture(scope="module")
async def lasting_pair(engine_server: MySQLFamilyServer, admin_url: str) -> AsyncIterator[Pair]:
    async with opened_driver(engine_server, admin_url) as driver, made_pair(driver, engine_server) as pair:
        yield pair


async def refused_with(pair: Pair, statement: str) -> int:
    """Run a statement that must be refused and answer with which error."""
    with pytest.raises(pymysql.err.MySQLError) as refusal:
        await pair.run(statement)
    return int(refusal.value.args[0])
