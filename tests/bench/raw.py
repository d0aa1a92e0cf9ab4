"""The engines' own statements for a database, a user and a grant, as a person would type them."""

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Protocol

from tests.bench.stand import Endpoint, connect_mysql, connect_postgresql, first_query


class Raw(Protocol):
    """A superuser's open connection to one engine."""

    async def make(self, name: str, password: str) -> None: ...

    async def drop(self, name: str) -> None: ...


class RawPostgreSQL:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def make(self, name: str, password: str) -> None:
        await self._connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
        await self._connection.execute(f"CREATE DATABASE {name}")
        await self._connection.execute(f"GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {name} TO {name}")

    async def drop(self, name: str) -> None:
        await self._connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await self._connection.execute(f"DROP ROLE {name}")


class RawMySQL:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def make(self, name: str, password: str) -> None:
        await self._run(f"CREATE DATABASE {name}")
        await self._run(f"CREATE USER '{name}'@'%' IDENTIFIED BY '{password}'")
        await self._run(f"GRANT ALL ON {name}.* TO '{name}'@'%'")

    async def drop(self, name: str) -> None:
        await self._run(f"DROP DATABASE {name}")
        await self._run(f"DROP USER '{name}'@'%'")

    async def _run(self, statement: str) -> None:
        async with self._connection.cursor() as cursor:
            await cursor.execute(statement)


@asynccontextmanager
async def opened_raw(engine: str, superuser: Endpoint) -> AsyncIterator[Raw]:
    if engine == "postgresql":
        connection = await connect_postgresql(superuser)
        try:
            yield RawPostgreSQL(connection)
        finally:
            await connection.close()
    else:
        opened = await connect_mysql(superuser)
        try:
            yield RawMySQL(opened)
        finally:
            opened.close()


async def make_until_first_query(raw: Raw, engine: str, superuser: Endpoint) -> tuple[str, float]:
    """Answer the name, and the seconds until the new user's first query succeeded."""
    name, password = f"raw{secrets.token_hex(6)}", secrets.token_hex(14)
    began = time.perf_counter()
    await raw.make(name, password)
    await first_query(engine, replace(superuser, database=name, username=name, password=password))
    return name, time.perf_counter() - began
