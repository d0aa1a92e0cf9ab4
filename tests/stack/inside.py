"""What only the operator of a running stack sees: its processes, secrets, servers and the agent's own answers."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
import aiomysql
import asyncpg

from entrypoints.local_leftovers import children_of
from entrypoints.local_plan import CONTROL_DATABASE, Ports
from syneudp.identity.rules import PROOF_LASTS_SECONDS
from tests.e2e.clients import unverified
from tests.e2e.stack import Stack

ROLES = ("api", "billing", "agent")
LOOPBACK = "127.0.0.1"
REGISTRY = "syneudpagent"
CONSOLE_PORT = 8000
CHUNK_BYTES = 16 * 1024 * 1024


class Inside:
    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.ports = Ports.shifted((urlsplit(stack.console).port or 0) - CONSOLE_PORT)

    def secret(self, name: str) -> str:
        return (self.stack.state / "secrets" / name).read_text("ascii").strip()

    def secrets(self) -> dict[str, str]:
        return {path.name: self.secret(path.name) for path in (self.stack.state / "secrets").iterdir()}

    def role(self, name: str) -> int:
        found = [pid for pid in children_of(self.stack.launcher) if is_role(pid, name)]
        assert len(found) == 1, f"{len(found)} processes of {name}"
        return found[0]

    def signal(self, name: str, number: signal.Signals) -> int:
        pid = self.role(name)
        os.kill(pid, number)
        return pid

    async def control(self) -> asyncpg.Connection:
        return await self._postgresql("control", self.ports.control, CONTROL_DATABASE)

    async def postgresql(self, database: str = "postgres") -> asyncpg.Connection:
        return await self._postgresql("postgresql", self.ports.postgresql, database)

    async def mysql(self) -> aiomysql.Connection:
        password = self.secret("mysql-root-password")
        return await aiomysql.connect(
            host=LOOPBACK, port=self.ports.mysql, user="root", password=password, ssl=unverified()
        )

    async def ask(self, sql: str, *parameters: Any) -> list[asyncpg.Record]:
        connection = await self.control()
        try:
            found: list[asyncpg.Record] = await connection.fetch(sql, *parameters)
        finally:
            await connection.close()
        return found

    async def let_sign_ins_be_long_ago(self) -> None:
        await self.ask("UPDATE web_sessions SET created_at = created_at - $1::bigint", PROOF_LASTS_SECONDS)

    async def ask_mysql(self, sql: str) -> list[tuple[Any, ...]]:
        connection = await self.mysql()
        try:
            async with connection.cursor() as cursor:
                await cursor.execute(sql)
                return list(await cursor.fetchall())
        finally:
            connection.close()

    async def reports(self, engine: str) -> list[dict[str, Any]]:
        headers = {"X-Agent-Token": self.secret("agent-token")}
        items: list[dict[str, Any]] = []
        cursor = ""
        async with aiohttp.ClientSession(f"http://{LOOPBACK}:{self.ports.agent}", headers=headers) as session:
            while True:
                async with session.get(f"/v1/{engine}/databases", params={"limit": "100"} | _from(cursor)) as told:
                    assert told.status == 200, await told.text()
                    page = await told.json()
                items += page["items"]
                cursor = page["next_cursor"] or ""
                if not cursor:
                    return items

    async def control_tables(self) -> dict[str, str]:
        connection = await self.control()
        try:
            return await dumped(connection, "public")
        finally:
            await connection.close()

    async def registries(self) -> dict[str, str]:
        connection = await self.postgresql(REGISTRY)
        try:
            told = {f"postgresql {name}": text for name, text in (await dumped(connection, "registry")).items()}
        finally:
            await connection.close()
        tables = f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{REGISTRY}'"
        for (table,) in await self.ask_mysql(tables):
            told[f"mysql {table}"] = repr(await self.ask_mysql(f"SELECT * FROM {REGISTRY}.{table}"))
        return told

    async def _postgresql(self, server: str, port: int, database: str) -> asyncpg.Connection:
        password = quote(self.secret(f"{server}-superuser-password"), safe="")
        return await asyncpg.connect(f"postgresql://postgres:{password}@{LOOPBACK}:{port}/{database}?sslmode=require")


def _from(cursor: str) -> dict[str, str]:
    return {"cursor": cursor} if cursor else {}


async def dumped(connection: asyncpg.Connection, schema: str) -> dict[str, str]:
    tables = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind IN ('r', 'p')", schema
    )
    told = {}
    for (table,) in tables:
        lines = await connection.fetch(f'SELECT t::text FROM {schema}."{table}" t')
        told[table] = "\n".join(line[0] for line in lines)
    return told


def is_role(pid: int, name: str) -> bool:
    with suppress(OSError):
        return f"\0--role\0{name}\0" in Path(f"/proc/{pid}/cmdline").read_text("utf-8", "replace")
    return False


def environment(pid: int) -> str:
    return Path(f"/proc/{pid}/environ").read_text("utf-8", "replace")


def found_in_memory(pid: int, needles: dict[str, bytes]) -> set[str]:
    longest = max(len(needle) for needle in needles.values())
    found: set[str] = set()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for begin, end in readable_regions(pid):
            for place in range(begin, end, CHUNK_BYTES):
                with suppress(OSError, ValueError, OverflowError):
                    memory.seek(place)
                    held = memory.read(min(CHUNK_BYTES + longest, end - place))
                    found |= {name for name, needle in needles.items() if needle in held}
    return found


def readable_regions(pid: int) -> Iterator[tuple[int, int]]:
    for line in Path(f"/proc/{pid}/maps").read_text("utf-8").splitlines():
        span, rights, *rest = line.split()
        if rights.startswith("r") and not (rest and rest[-1] in {"[vvar]", "[vsyscall]"}):
            begin, _, end = span.partition("-")
            yield int(begin, 16), int(end, 16)


def back_again(inside: Inside, name: str, *, instead_of: int, within_seconds: float) -> bool:
    ends = time.monotonic() + within_seconds
    while time.monotonic() < ends:
        with suppress(AssertionError):
            if inside.role(name) != instead_of:
                return True
        time.sleep(0.05)
    return False
