"""The embedded engines of the development launcher: the control database, and customers' PostgreSQL and MySQL."""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

import asyncpg

from entrypoints.embedded import EmbeddedEngineError, MariaDBServer, MySQLServer, PostgreSQLServer
from entrypoints.local_leftovers import children_of
from entrypoints.local_plan import (
    AGENT_LOGIN,
    CONTROL_DATABASE,
    OWNER,
    PROJECT,
    RUNTIME,
    LocalPlan,
)
from entrypoints.local_terminal import LaunchError, say, step

WATCH_EVERY_SECONDS: Final = 0.5
END_AGAIN_EVERY_SECONDS: Final = 0.3
LOOPBACK_NETWORKS: Final = ("127.0.0.1/32", "::1/128")
SMALL_SERVER: Final = {"shared_buffers": "64MB", "max_connections": "200", "reserved_connections": "20"}

Server = PostgreSQLServer | MySQLServer | MariaDBServer
Answer = TypeVar("Answer")


async def in_thread(work: Callable[[], Answer]) -> Answer:
    """Run blocking engine work in a thread; when cancelled, end the programs it waits for and let it finish."""
    thread = asyncio.create_task(asyncio.to_thread(work))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        while not thread.done():
            for child in children_of(os.getpid()):
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(child, signal.SIGTERM)
            await asyncio.wait([thread], timeout=END_AGAIN_EVERY_SECONDS)
        with suppress(EmbeddedEngineError):
            thread.result()
        raise


class LocalEngines:
    """Three servers over one state folder, raised together and stopped in the reverse order."""

    def __init__(self, plan: LocalPlan, environment: Mapping[str, str]) -> None:
        self._plan = plan
        self._program = environment.get("SYNEUDP_MYSQL_PROGRAM") or None
        self.control = PostgreSQLServer(
            plan.state / "control",
            port=plan.ports.control,
            superuser_password=plan.control_superuser_password,
            settings=SMALL_SERVER,
            progress=_tell,
        )
        self.postgresql = PostgreSQLServer(
            plan.state / "postgresql",
            port=plan.ports.postgresql,
            superuser_password=plan.postgresql_superuser_password,
            closed_roles={AGENT_LOGIN: LOOPBACK_NETWORKS},
            settings=SMALL_SERVER,
            progress=_tell,
        )
        self.mysql_title = MySQLServer.title
        self._started: list[tuple[str, Server]] = []

    async def start_control(self) -> None:
        """Start the control database with its roles; raises LaunchError or EmbeddedEngineError."""
        async with step("Starting the control database", "Control database"):
            await self._raise("the control database", self.control)
            await self._admit()

    async def start_postgresql(self) -> None:
        """Start customers' PostgreSQL; raises EmbeddedEngineError."""
        async with step("Starting PostgreSQL for customers", "PostgreSQL for customers"):
            await self._raise("PostgreSQL", self.postgresql)

    async def start_mysql(self) -> None:
        """Start customers' MySQL, or MariaDB where MySQL cannot be had; raises EmbeddedEngineError."""
        async with step("Starting MySQL for customers", "MySQL for customers"):
            server = await in_thread(self._choose_mysql)
            self.mysql_title = server.title
            await self._raise(server.title, server)

    async def watch(self) -> None:
        """Wait until one of the servers ends unasked, then raise LaunchError."""
        while True:
            for name, server in self._started:
                if not server.running:
                    raise LaunchError(f"{name} ended unexpectedly; its log is {self._plan.state}/*/server.log.")
            await asyncio.sleep(WATCH_EVERY_SECONDS)

    async def stop(self) -> None:
        """Stop every server that was started, the last one first."""
        while self._started:
            _, server = self._started.pop()
            await asyncio.to_thread(server.stop)

    async def _raise(self, name: str, server: Server) -> None:
        self._started.append((name, server))
        await in_thread(server.prepare)
        await in_thread(server.start)

    def _choose_mysql(self) -> MySQLServer | MariaDBServer:
        mysql, mariadb = self._mysql_server(), self._mariadb_server()
        if mariadb.prepared and not mysql.prepared:
            say("  · MariaDB serves as MySQL here, as it did before.")
            return mariadb
        try:
            mysql.prepare()
        except EmbeddedEngineError as why:
            if mysql.prepared:
                raise
            mariadb.prepare()
            say(f"  · MariaDB serves as MySQL here, because MySQL cannot be had: {why}")
            return mariadb
        return mysql

    def _mysql_server(self) -> MySQLServer:
        return MySQLServer(
            self._plan.state / "mysql",
            engines=PROJECT / ".engines",
            port=self._plan.ports.mysql,
            root_password=self._plan.mysql_root_password,
            program=None if self._program is None else Path(self._program),
            progress=_tell,
        )

    def _mariadb_server(self) -> MariaDBServer:
        return MariaDBServer(
            self._plan.state / "mariadb",
            engines=PROJECT / ".engines",
            port=self._plan.ports.mysql,
            root_password=self._plan.mysql_root_password,
            program=None if self._program is None else Path(self._program),
            progress=_tell,
        )

    async def _admit(self) -> None:
        try:
            connection = await asyncpg.connect(self.control.superuser_url())
        except (asyncpg.PostgresError, OSError) as error:
            raise LaunchError(
                f"The control database in {self._plan.state / 'control'} refuses the password kept in "
                f"{self._plan.state / 'secrets'}: restore the one that belongs to it, or start with a new folder."
            ) from error
        try:
            for role, password in ((OWNER, self._plan.owner_password), (RUNTIME, self._plan.runtime_password)):
                exists = await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role)
                await connection.execute(f"{'ALTER' if exists else 'CREATE'} ROLE {role} LOGIN PASSWORD '{password}'")
            if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", CONTROL_DATABASE):
                await connection.execute(f"CREATE DATABASE {CONTROL_DATABASE} OWNER {OWNER}")
            await connection.execute(f"REVOKE ALL ON DATABASE {CONTROL_DATABASE} FROM PUBLIC")
            await connection.execute(f"GRANT CONNECT ON DATABASE {CONTROL_DATABASE} TO {RUNTIME}")
        finally:
            await connection.close()


def _tell(sentence: str) -> None:
    say(f"    {sentence}")
