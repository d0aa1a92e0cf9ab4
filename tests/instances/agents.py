import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp

from entrypoints.embedded import MySQLFamilyServer, PostgreSQLServer, free_port
from tests.instances.shop import TOKEN
from tests.servers import ROOT, passing_folder, running_postgresql

READY_SECONDS = 30.0
START_PAUSE_SECONDS = 0.05


class Role:
    """One role of the platform as a process of its own, logging to a file."""

    def __init__(self, role: str, environment: dict[str, str], log: Path) -> None:
        self._arguments = [sys.executable, "-m", "entrypoints", "--role", role]
        self._environment = environment
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._arguments, cwd=ROOT, env=plain_environment(self._environment), stdout=log, stderr=log
            )

    def signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def stop(self) -> int | None:
        """End it in good order; one that is still starting is let come up first, since it hears no signal before."""
        deadline = time.monotonic() + READY_SECONDS
        while self._is_starting() and time.monotonic() < deadline:
            time.sleep(START_PAUSE_SECONDS)
        self.signal(signal.SIGTERM)
        return self._wait()

    def _is_starting(self) -> bool:
        return self._process is not None and self._process.poll() is None and "role_started" not in self.said()

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self._wait()

    def said(self) -> str:
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""

    def _wait(self) -> int | None:
        if self._process is None:
            return None
        try:
            return self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
        finally:
            self._process = None


def plain_environment(own: dict[str, str]) -> dict[str, str]:
    kept = {
        name: text for name, text in os.environ.items() if not name.startswith(("SYNEUDP_", "SUPABASE_", "STRIPE_"))
    }
    return {**kept, **own}


class Agent(Role):
    """The real agent role in front of real engines."""

    def __init__(self, port: int, environment: dict[str, str], log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.admin_url = ""
        super().__init__(
            "agent",
            {
                "SYNEUDP_ENVIRONMENT": "local",
                "SYNEUDP_AGENT_BIND": f"127.0.0.1:{port}",
                "SYNEUDP_AGENT_TOKEN": TOKEN,
                **environment,
            },
            log,
        )

    async def ready(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + READY_SECONDS
        async with aiohttp.ClientSession(headers={"X-Agent-Token": TOKEN}) as session:
            while loop.time() < deadline:
                try:
                    async with session.get(f"{self.url}/v1/health") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.05)
        raise AssertionError(f"the agent is not ready: {self.said()[-3000:]}")


@contextmanager
def agent_of_postgresql(server: PostgreSQLServer) -> Iterator[Agent]:
    admin_url = server.url(user="syneudpagent", password=_agent_password(server.superuser_url()), database="postgres")
    with _agent(
        prepared={
            "SYNEUDP_POSTGRESQL_SUPERUSER_URL": server.superuser_url(),
            "SYNEUDP_POSTGRESQL_ADMIN_URL": admin_url,
        },
        served={
            "SYNEUDP_POSTGRESQL_ADMIN_URL": admin_url,
            "SYNEUDP_POSTGRESQL_ENDPOINT": f"127.0.0.1:{server.port}",
        },
    ) as agent:
        yield agent


@contextmanager
def agent_of_mysql(server: MySQLFamilyServer) -> Iterator[Agent]:
    admin_url = f"mysql://syneudpagent:{_agent_password(server.root_url())}@127.0.0.1:{server.port}/"
    with _agent(
        prepared={"SYNEUDP_MYSQL_SUPERUSER_URL": server.root_url(), "SYNEUDP_MYSQL_ADMIN_URL": admin_url},
        served={"SYNEUDP_MYSQL_ADMIN_URL": admin_url, "SYNEUDP_MYSQL_ENDPOINT": f"127.0.0.1:{server.port}"},
    ) as agent:
        yield agent


def _agent_password(superuser_url: str) -> str:
    """Make the same password for every agent of a server: to prepare it with another one shuts the others out."""
    return hashlib.sha256(superuser_url.encode()).hexdigest()


@contextmanager
def _agent(*, prepared: dict[str, str], served: dict[str, str]) -> Iterator[Agent]:
    subprocess.run(
        [sys.executable, "-m", "entrypoints", "engines", "prepare"],
        cwd=ROOT,
        env=plain_environment({"SYNEUDP_ENVIRONMENT": "local", **prepared}),
        check=True,
        timeout=60,
    )
    with passing_folder() as folder:
        agent = Agent(free_port(), served, folder / "agent.log")
        try:
            agent.start()
            yield agent
        finally:
            agent.stop()


@contextmanager
def customers_postgresql() -> Iterator[PostgreSQLServer]:
    with running_postgresql() as server:
        yield server


@asynccontextmanager
async def hanging_server() -> AsyncIterator[str]:
    opened: list[asyncio.StreamWriter] = []

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(writer)

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.close()
        for writer in opened:
            writer.close()
