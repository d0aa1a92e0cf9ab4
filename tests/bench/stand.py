"""A whole local stack for benchmarks, its engines as durable as in production, and customers who buy there."""

import asyncio
import secrets
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import aiohttp
import aiomysql
import asyncpg

from entrypoints.embedded import MariaDBServer
from entrypoints.local_state import Secrets
from tests.e2e.stack import Stack
from tests.servers import ENGINES

BASE_PORTS = {"api": 8000, "agent": 8100, "auth": 9999, "postgresql": 15432, "mysql": 13306}
PASSWORD = "correct horse battery staple"
TOP_UP_MICROS = 100_000_000
SPARES_WITHIN_SECONDS = 60.0


@dataclass(frozen=True)
class Endpoint:
    """Where a customer connects, and as whom."""

    host: str
    port: int
    database: str
    username: str
    password: str


@dataclass(frozen=True)
class Stand:
    """Addresses and secrets of a running stack."""

    stack: Stack
    agents: aiohttp.ClientSession

    @classmethod
    @asynccontextmanager
    async def of(cls, stack: Stack) -> AsyncIterator["Stand"]:
        token = {"X-Agent-Token": read_secret(stack.state, "agent-token")}
        async with aiohttp.ClientSession(headers=token) as agents:
            yield cls(stack=stack, agents=agents)

    def port(self, name: str) -> int:
        console = urlsplit(self.stack.console)
        assert console.port is not None
        return console.port - BASE_PORTS["api"] + BASE_PORTS[name]

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port(name)}"

    async def engines(self) -> dict[str, dict[str, Any]]:
        async with self.agents.get(f"{self.url('agent')}/v1/host") as answer:
            return {engine["engine"]: engine for engine in (await answer.json())["engines"]}

    async def wait_for_spares(self, engine: str, count: int) -> None:
        async with asyncio.timeout(SPARES_WITHIN_SECONDS):
            while (await self.engines())[engine]["spares"] < count:
                await asyncio.sleep(0.05)

    def superuser(self, engine: str) -> Endpoint:
        login = {"postgresql": "postgres", "mysql": "root"}[engine]
        secret = {"postgresql": "postgresql-superuser-password", "mysql": "mysql-root-password"}[engine]
        return Endpoint("127.0.0.1", self.port(engine), login, login, read_secret(self.stack.state, secret))

    @asynccontextmanager
    async def customer(self) -> AsyncIterator["Customer"]:
        account = {"email": f"{uuid4().hex}@example.com", "password": PASSWORD}
        async with aiohttp.ClientSession() as auth, auth.post(f"{self.url('auth')}/signup", json=account) as answer:
            assert answer.status == 200, await answer.text()
            token = (await answer.json())["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession(f"{self.stack.console}/api/v1/", headers=headers) as session:
            key = {"Idempotency-Key": uuid4().hex}
            async with session.post("wallet/top-ups", json={"amount_micros": TOP_UP_MICROS}, headers=key) as answer:
                assert answer.status == 201, await answer.text()
            yield Customer(session)


@dataclass(frozen=True)
class Customer:
    """A signed-in customer with money."""

    session: aiohttp.ClientSession

    async def create_until_first_query(self, engine: str) -> tuple[str, float, float]:
        """Answer the instance's id, the seconds until the API answered, and those until the first query succeeded."""
        began = time.perf_counter()
        order = {"name": f"bench-{secrets.token_hex(6)}", "engine": engine, "plan": f"{engine}-small"}
        async with self.session.post("instances", json=order) as answer:
            made = await answer.json()
            assert answer.status == 201, made
        answered = time.perf_counter()
        told = made["connection"]
        await first_query(
            engine, Endpoint(told["host"], told["port"], told["database"], told["username"], told["password"])
        )
        return made["id"], answered - began, time.perf_counter() - began

    async def delete(self, instance_id: str) -> None:
        async with self.session.delete(f"instances/{instance_id}") as answer:
            assert answer.status in {200, 202}, await answer.text()


async def first_query(engine: str, endpoint: Endpoint) -> None:
    if engine == "postgresql":
        connection = await connect_postgresql(endpoint)
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()
    else:
        opened = await connect_mysql(endpoint)
        async with opened.cursor() as cursor:
            await cursor.execute("SELECT 1")
        opened.close()


async def connect_postgresql(endpoint: Endpoint) -> "asyncpg.Connection[Any]":
    return await asyncpg.connect(
        host=endpoint.host,
        port=endpoint.port,
        database=endpoint.database,
        user=endpoint.username,
        password=endpoint.password,
        ssl=unverified(),
    )


async def connect_mysql(endpoint: Endpoint) -> Any:
    return await aiomysql.connect(
        host=endpoint.host,
        port=endpoint.port,
        db=endpoint.database if endpoint.database != "root" else None,
        user=endpoint.username,
        password=endpoint.password,
        ssl=unverified(),
        autocommit=True,
    )


def prepare_mariadb(state: Path) -> None:
    """Have the stack find a MariaDB of its own in its folder, which it then serves under the engine name mysql."""
    password = Secrets(state).take("mysql-root-password", lambda: secrets.token_urlsafe(24))
    MariaDBServer(state / "mariadb", engines=ENGINES, port=0, root_password=password).prepare()


def unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def read_secret(state: Path, name: str) -> str:
    return (state / "secrets" / name).read_text(encoding="ascii").strip()
