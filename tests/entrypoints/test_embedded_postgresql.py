import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from entrypoints.embedded import EmbeddedEngineError, PostgreSQLServer, free_port
from entrypoints.embedded.postgresql import admission_rules
from tests.servers import QUICK_AND_UNSAFE, ROOT, passing_folder

PASSWORD = "it's a \\ p@ss/word"
LAUNCHER = """
import sys, time
from pathlib import Path
from entrypoints.embedded import PostgreSQLServer
server = PostgreSQLServer(Path(sys.argv[1]), port=int(sys.argv[2]), superuser_password="x", settings={"fsync": "off"})
server.prepare()
server.start()
print(server.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    with passing_folder() as folder:
        yield folder


def _server(
    folder: Path, *, port: int | None = None, closed_roles: dict[str, list[str]] | None = None
) -> PostgreSQLServer:
    return PostgreSQLServer(
        folder / "postgresql",
        port=port or free_port(),
        superuser_password=PASSWORD,
        closed_roles=closed_roles,
        settings=QUICK_AND_UNSAFE,
    )


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_it_starts_asks_for_tls_and_passwords_and_a_second_start_finds_the_data(folder: Path) -> None:
    said: list[str] = []
    server = PostgreSQLServer(
        folder / "postgresql", port=free_port(), superuser_password=PASSWORD, progress=said.append
    )
    server.prepare()
    server.start()
    try:
        pid = server.pid
        connection = await asyncpg.connect(server.superuser_url())
        assert str(await connection.fetchval("SHOW server_version")).startswith("17.")
        assert await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        await connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
        await connection.close()
        connection = await asyncpg.connect(
            host=server.host, port=server.port, user="postgres", password=PASSWORD, ssl=server.tls_context()
        )
        await connection.close()
        refusals: list[dict[str, Any]] = [
            {"ssl": False},
            {"password": "wrong", "ssl": "require"},
            {"password": "", "ssl": "require"},
        ]
        for refused in refusals:
            with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
                await asyncpg.connect(
                    **{"host": server.host, "port": server.port, "user": "postgres", "password": PASSWORD, **refused}
                )
        assert not list((folder / "postgresql").glob("**/.s.PGSQL*"))
    finally:
        server.stop()
    assert not server.running
    assert not _is_running(pid)
    again = _server(folder)
    again.prepare()
    again.start()
    try:
        connection = await asyncpg.connect(again.superuser_url())
        assert await connection.fetchval("SELECT n FROM kept") == 7
        await connection.close()
    finally:
        again.stop()
        again.stop()
    assert said == ["Initialising PostgreSQL 17"]


async def test_a_closed_role_logs_in_from_its_networks_only(folder: Path) -> None:
    server = _server(folder, closed_roles={'age"nt': ["10.9.0.0/16"], "near": ["127.0.0.0/8"]})
    server.prepare()
    server.start()
    try:
        superuser = await asyncpg.connect(server.superuser_url())
        for role in ('"age""nt"', "near", "customer"):
            await superuser.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
        await superuser.close()
        for role in ("near", "customer"):
            await (await asyncpg.connect(server.url(user=role, password="x", database="postgres"))).close()
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match="pg_hba.conf rejects"):
            await asyncpg.connect(server.url(user='age"nt', password="x", database="postgres"))
    finally:
        server.stop()


def test_no_admission_rule_trusts_anybody_or_goes_without_tls() -> None:
    lines = admission_rules({"postgres": ["127.0.0.1/32"]}).splitlines()
    assert lines == [
        'hostssl all "postgres" 127.0.0.1/32 scram-sha-256',
        'host all "postgres" all reject',
        "hostssl all all all scram-sha-256",
    ]


def test_a_server_dies_with_the_launcher_that_was_killed(folder: Path) -> None:
    port = free_port()
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, str(folder / "postgresql"), str(port)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert launcher.stdout is not None
    pid = int(launcher.stdout.readline())
    assert _is_running(pid)
    launcher.send_signal(signal.SIGKILL)
    launcher.wait()
    launcher.stdout.close()
    deadline = time.monotonic() + 10
    while _is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_running(pid)


def test_a_busy_port_gets_one_plain_sentence(folder: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = _server(folder, port=listener.getsockname()[1])
        server.prepare()
        with pytest.raises(EmbeddedEngineError, match=r"^PostgreSQL cannot listen on 127.0.0.1 port \d+: [^\n]+\.$"):
            server.start()
    assert not server.running


def test_a_server_that_ends_at_once_is_told_with_its_last_words(folder: Path) -> None:
    server = PostgreSQLServer(
        folder / "postgresql", port=free_port(), superuser_password="x", settings={"shared_buffers": "nonsense"}
    )
    server.prepare()
    with pytest.raises(EmbeddedEngineError, match="did not start. Its log ends with: .*shared_buffers"):
        server.start()
    assert not server.running


def test_data_of_another_version_is_refused_in_a_sentence(folder: Path) -> None:
    server = _server(folder)
    server.prepare()
    (folder / "postgresql" / "data" / "PG_VERSION").write_text("16\n", encoding="utf-8")
    with pytest.raises(EmbeddedEngineError, match="is of PostgreSQL 16, and this is PostgreSQL 17"):
        server.prepare()


async def test_a_folder_below_a_closed_home_is_kept_where_the_engines_account_can_reach_it(folder: Path) -> None:
    home = folder / "home"
    home.mkdir(mode=0o700)
    server = _server(home)
    server.prepare()
    kept = (home / "postgresql").resolve()
    try:
        assert kept.is_relative_to("/var/lib/syneudp/data" if os.geteuid() == 0 else home)
        server.start()
        assert "Uid:\t0" not in Path(f"/proc/{server.pid}/status").read_text(encoding="utf-8")
        await (await asyncpg.connect(server.superuser_url())).close()
        server.stop()
        again = _server(home)
        again.prepare()
        assert (home / "postgresql").resolve() == kept
    finally:
        server.stop()
        shutil.rmtree(kept)
