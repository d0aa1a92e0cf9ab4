"""A real PostgreSQL primary and its synchronous standby, made by pg_basebackup."""

import asyncio
import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import asyncpg

from entrypoints.embedded import PostgreSQLServer, free_port
from entrypoints.embedded.processes import run_to_end
from tests.servers import QUICK_AND_UNSAFE, passing_folder

REPLICATION_RULE = "hostssl replication postgres 127.0.0.1/32 scram-sha-256\n"
PRIMARY = {
    "synchronous_commit": "on",
    "synchronous_standby_names": "*",
    "wal_level": "replica",
    "max_wal_senders": "4",
    "wal_sender_timeout": "5s",
}
STANDBY = {
    "synchronous_commit": "on",
    "hot_standby": "on",
    "max_standby_streaming_delay": "0",
    "wal_receiver_timeout": "5s",
}
PROMOTED_WITHIN_SECONDS = 30.0


@dataclass
class Pair:
    primary: PostgreSQLServer
    standby: PostgreSQLServer
    password: str

    def url(self, *, user: str, password: str) -> str:
        hosts = ",".join(f"{server.host}:{server.port}" for server in (self.primary, self.standby))
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return f"postgresql://{login}@{hosts}/postgres?sslmode=require&target_session_attrs=read-write"

    def superuser_url(self) -> str:
        return self.url(user="postgres", password=self.password)

    def kill_primary(self) -> None:
        os.killpg(self.primary.pid, signal.SIGKILL)

    async def promote(self) -> None:
        connection = await asyncpg.connect(self.standby.superuser_url())
        try:
            await connection.execute("SELECT pg_promote(false)")
            async with asyncio.timeout(PROMOTED_WITHIN_SECONDS):
                while await connection.fetchval("SELECT pg_is_in_recovery()"):
                    await asyncio.sleep(0.05)
        finally:
            await connection.close()


@contextmanager
def running_pair() -> Iterator[Pair]:
    password = secrets.token_urlsafe(24)
    with passing_folder() as folder:
        primary = _server(folder / "primary", password, PRIMARY)
        standby = _server(folder / "standby", password, STANDBY)
        try:
            primary.prepare()
            rules = primary._data() / "pg_hba.conf"
            rules.write_text(REPLICATION_RULE + rules.read_text(encoding="utf-8"), encoding="utf-8")
            primary.start()
            _copy(primary, standby, password)
            standby.prepare()
            standby.start()
            yield Pair(primary, standby, password)
        finally:
            standby.stop()
            primary.stop()


def _server(folder: Path, password: str, settings: dict[str, str]) -> PostgreSQLServer:
    return PostgreSQLServer(
        folder, port=free_port(), superuser_password=password, settings={**QUICK_AND_UNSAFE, **settings}
    )


def _copy(primary: PostgreSQLServer, standby: PostgreSQLServer, password: str) -> None:
    source = f"host={primary.host} port={primary.port} user=postgres password={password} sslmode=require"
    command = [
        primary._program("pg_basebackup"),
        f"--pgdata={standby._data()}",
        f"--dbname={source} application_name=standby",
        "--write-recovery-conf",
        "--wal-method=stream",
        "--checkpoint=fast",
        "--no-sync",
    ]
    run_to_end("pg_basebackup", command, account=primary._account)
