import os
import signal
import ssl
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiomysql
import pymysql
import pytest

from entrypoints.embedded import (
    EmbeddedEngineError,
    MariaDBServer,
    MySQLFamilyServer,
    MySQLServer,
    free_port,
    packages,
)
from tests.servers import ENGINES, ROOT, passing_folder

PASSWORD = "it's a \\ p@ss/word"
KINDS: list[type[MySQLFamilyServer]] = [MySQLServer, MariaDBServer]
LAUNCHER = """
import sys, time
from pathlib import Path
from entrypoints.embedded import MariaDBServer
server = MariaDBServer(Path(sys.argv[1]), engines=Path(sys.argv[2]), port=int(sys.argv[3]), root_password="x")
server.prepare()
server.start()
print(server.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    with passing_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def mariadb_folder() -> Path:
    return packages.unpack(
        MariaDBServer.package,
        ENGINES,
        name=MariaDBServer.flavour,
        from_unstable=MariaDBServer.from_unstable,
        announce=lambda: None,
        title=MariaDBServer.title,
    ).root


def _server(kind: type[MySQLFamilyServer], folder: Path) -> MySQLFamilyServer:
    return kind(folder / kind.flavour, engines=ENGINES, port=free_port(), root_password=PASSWORD)


async def _root(server: MySQLFamilyServer, **options: Any) -> Any:
    context = ssl.create_default_context(cafile=str(server.certificate))
    context.check_hostname = False
    chosen = {"host": server.host, "port": server.port, "user": "root", "password": PASSWORD, "ssl": context}
    return await aiomysql.connect(**{**chosen, "autocommit": True, **options})


async def _row(connection: Any, sql: str) -> Any:
    async with connection.cursor() as cursor:
        await cursor.execute(sql)
        return await cursor.fetchone()


async def _value(connection: Any, sql: str) -> Any:
    row = await _row(connection, sql)
    return None if row is None else row[0]


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.flavour)
async def test_it_starts_asks_for_tls_and_passwords_and_a_second_start_finds_the_data(
    folder: Path, kind: type[MySQLFamilyServer]
) -> None:
    server = _server(kind, folder)
    server.prepare()
    server.start()
    try:
        pid = server.pid
        connection = await _root(server)
        assert ("MariaDB" in await _value(connection, "SELECT VERSION()")) == (kind is MariaDBServer)
        assert (await _row(connection, "SHOW SESSION STATUS LIKE 'Ssl_cipher'"))[1]
        await _value(connection, "CREATE DATABASE kept")
        assert await _value(connection, "SELECT COUNT(*) FROM mysql.user WHERE User = '' OR Host = '%'") == 0
        assert Path(await _value(connection, "SELECT @@tmpdir")).is_relative_to(server.data_folder.parent)
        connection.close()
        socket_path = {"unix_socket": str(server.socket_path), "ssl": None}
        (await _root(server, **socket_path)).close()
        for refused in ({"password": "wrong"}, {"password": ""}, {"ssl": None}, {**socket_path, "password": ""}):
            with pytest.raises(pymysql.err.OperationalError, match="1045|3159"):
                await _root(server, **refused)
        assert stat.S_IMODE(server.data_folder.parent.stat().st_mode) == 0o700
    finally:
        server.stop()
    assert not _is_running(pid)
    again = _server(kind, folder)
    again.prepare()
    again.start()
    try:
        connection = await _root(again)
        assert await _value(connection, "SHOW DATABASES LIKE 'kept'") == "kept"
        connection.close()
    finally:
        again.stop()
        again.stop()


def test_a_server_dies_with_the_launcher_that_was_killed(folder: Path) -> None:
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, str(folder / "mariadb"), str(ENGINES), str(free_port())],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert launcher.stdout is not None
    pid = int(launcher.stdout.readline())
    launcher.send_signal(signal.SIGKILL)
    launcher.wait()
    launcher.stdout.close()
    deadline = time.monotonic() + 15
    while _is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_running(pid)


def test_a_mirror_that_lacks_what_is_asked_for_gets_one_plain_sentence_and_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "UNSTABLE", "nosuchsuite")
    server = MySQLServer(folder / "mysql", engines=folder / "engines", port=free_port(), root_password=PASSWORD)
    with pytest.raises(
        EmbeddedEngineError, match=r"^MySQL could not be fetched from the Debian mirror\. It said: [^\n]+$"
    ):
        server.prepare()
    assert not server.prepared
    assert [path.name for path in (folder / "engines").iterdir()] == ["mysql.lock"]


def test_a_machine_without_apt_gets_one_plain_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder))
    server = MySQLServer(folder / "mysql", engines=folder / "engines", port=free_port(), root_password=PASSWORD)
    with pytest.raises(EmbeddedEngineError, match=r"^MySQL cannot be fetched without apt-get and dpkg; [^\n]+\.$"):
        server.prepare()


def test_a_program_that_is_no_supported_server_is_refused(folder: Path) -> None:
    server = MySQLServer(
        folder / "mysql", engines=ENGINES, port=free_port(), root_password=PASSWORD, program=Path("/bin/true")
    )
    with pytest.raises(EmbeddedEngineError, match="/bin/true is no MySQL that SyneUDP supports"):
        server.prepare()


def test_a_supported_program_that_is_named_is_used_instead(folder: Path, mariadb_folder: Path) -> None:
    unpacked = packages.UnpackedPrograms(mariadb_folder)
    program = folder / "bin" / "mariadbd"
    program.parent.mkdir()
    command = " ".join([*unpacked.launcher(), str(mariadb_folder / "usr" / "sbin" / "mariadbd")])
    program.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    (folder / "share").mkdir()
    (folder / "share" / "mysql").symlink_to(mariadb_folder / "usr" / "share" / "mysql")
    server = MariaDBServer(
        folder / "data", engines=folder / "engines", port=free_port(), root_password=PASSWORD, program=program
    )
    server.prepare()
    server.start()
    server.stop()
    assert not (folder / "engines").exists()


def test_two_at_once_fetch_an_engine_once_and_both_have_it_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = []

    def fetch(package: str, apt: Path, **_options: object) -> list[Path]:
        fetched.append(package)
        time.sleep(0.3)
        return []

    monkeypatch.setattr(packages, "_download", fetch)
    results: list[Path] = []

    def unpack() -> None:
        unpacked = packages.unpack(
            "server", folder, name="engine", from_unstable=True, announce=lambda: None, title="Engine"
        )
        results.append(unpacked.root)

    threads = [threading.Thread(target=unpack) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fetched == ["server"]
    assert results == [folder / "engine"] * 3
