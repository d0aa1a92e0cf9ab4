"""A whole platform whose every part may be killed: control database, two engines, one agent, the billing role."""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from entrypoints.embedded import MariaDBServer, MySQLFamilyServer, MySQLServer, PostgreSQLServer, free_port
from entrypoints.embedded.errors import EmbeddedEngineError
from tests.billing.past import billing_environment
from tests.instances.agents import Agent, Role, plain_environment
from tests.servers import (
    ROOT,
    TEMPLATE,
    ControlDatabase,
    ControlServer,
    opened_control,
    passing_folder,
    running_mysql,
    running_postgresql,
)

SURVIVES_A_KILL = {"synchronous_commit": "on"}
SURVIVES_A_KILL_MYSQL = {"innodb-flush-log-at-trx-commit": "2", "innodb-doublewrite": "ON"}
FLAVOURS: dict[str, type[MySQLFamilyServer]] = {"mysql": MySQLServer, "mariadb": MariaDBServer}
START_ATTEMPTS = 20
WARM_POOL = 8
Server = PostgreSQLServer | MySQLFamilyServer


@dataclass
class Stand:
    control: ControlDatabase
    postgresql: PostgreSQLServer
    mysql: MySQLFamilyServer
    agent: Agent
    billing: Role

    def victims(self) -> dict[str, tuple[Callable[[], None], Callable[[], None]]]:
        """Name each part with how it is killed and how it is started again."""
        return {
            "agent": (self.agent.kill, self.agent.start),
            "billing": (self.billing.kill, self.billing.start),
            "postgresql": (lambda: kill(self.postgresql), lambda: start(self.postgresql)),
            "mysql": (lambda: kill(self.mysql), lambda: start(self.mysql)),
        }


def kill(server: Server) -> None:
    """End a server the way a power cut would, as far as its processes go."""
    os.killpg(server.pid, signal.SIGKILL)
    server.stop()


def start(server: Server) -> None:
    """Start a killed server, which may first have to outwait its own orphans."""
    for attempt in range(START_ATTEMPTS):
        try:
            server.start()
        except EmbeddedEngineError:
            if attempt == START_ATTEMPTS - 1:
                raise
            server.stop()
        else:
            return


@asynccontextmanager
async def running_stand(*, flavour: str = "mysql") -> AsyncIterator[Stand]:
    """Start it all, and stop it all in whatever state it is left."""
    with ExitStack() as opened:
        keeper = opened.enter_context(running_postgresql())
        postgresql = opened.enter_context(running_postgresql(settings=SURVIVES_A_KILL))
        mysql = opened.enter_context(running_mysql(FLAVOURS[flavour], settings=SURVIVES_A_KILL_MYSQL))
        folder = opened.enter_context(passing_folder())
        agent = opened.enter_context(_agent(postgresql, mysql, folder))
        server = ControlServer(keeper)
        await server.make_roles()
        await asyncio.to_thread(migrate_apart, (await server.create_empty(TEMPLATE)).owner_url)
        async with opened_control(server) as control:
            billing = Role("billing", billing_environment(control), folder / "billing.log")
            try:
                await asyncio.to_thread(agent.start)
                await agent.ready()
                billing.start()
                yield Stand(control=control, postgresql=postgresql, mysql=mysql, agent=agent, billing=billing)
            finally:
                billing.kill()


def migrate_apart(url: str) -> None:
    """Migrate in a process of its own, since the tool keeps its state in the one it runs in."""
    _operate("migrate", settings={"SYNEUDP_MIGRATION_DATABASE_URL": url})


def _operate(*words: str, settings: dict[str, str]) -> None:
    subprocess.run(
        [sys.executable, "-m", "entrypoints", *words],
        cwd=ROOT,
        env=plain_environment({"SYNEUDP_ENVIRONMENT": "local", **settings}),
        check=True,
        timeout=120,
    )


@contextmanager
def _agent(postgresql: PostgreSQLServer, mysql: MySQLFamilyServer, folder: Path) -> Iterator[Agent]:
    password = secrets.token_urlsafe(24)
    admins = {
        "SYNEUDP_POSTGRESQL_ADMIN_URL": postgresql.url(user="syneudpagent", password=password, database="postgres"),
        "SYNEUDP_MYSQL_ADMIN_URL": mysql.url(user="syneudpagent", password=password),
    }
    superusers = {
        "SYNEUDP_POSTGRESQL_SUPERUSER_URL": postgresql.superuser_url(),
        "SYNEUDP_MYSQL_SUPERUSER_URL": mysql.root_url(),
    }
    _operate("engines", "prepare", settings={**admins, **superusers})
    endpoints = {
        "SYNEUDP_POSTGRESQL_ENDPOINT": f"127.0.0.1:{postgresql.port}",
        "SYNEUDP_MYSQL_ENDPOINT": f"127.0.0.1:{mysql.port}",
    }
    agent = Agent(free_port(), {**admins, **endpoints, "SYNEUDP_WARM_POOL": str(WARM_POOL)}, folder / "agent.log")
    try:
        yield agent
    finally:
        agent.kill()
