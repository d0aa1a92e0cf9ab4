"""Real servers for tests: one of each kind a test process, in folders that go with it."""

import asyncio
import hashlib
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

from entrypoints.embedded import MySQLFamilyServer, PostgreSQLServer, free_port
from entrypoints.embedded.packages import locked
from syneudp.kernel.database import database

ROOT: Final = Path(__file__).parents[1]
ENGINES: Final = ROOT / ".engines"
OWNER: Final = "syneudp_owner"
RUNTIME: Final = "syneudp_runtime"
TEMPLATE: Final = "controltemplate"
MEMORY: Final = Path("/dev/shm")
MEMORY_BYTES_MINIMUM: Final = 8 * 1024**3
QUICK_AND_UNSAFE: Final = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "reserved_connections": "20",
    "shared_buffers": "64MB",
}
QUICK_AND_UNSAFE_MYSQL: Final = {
    "innodb-flush-log-at-trx-commit": "0",
    "innodb-flush-method": "nosync",
    "innodb-doublewrite": "OFF",
    "innodb-buffer-pool-size": "64M",
    "max-connections": "200",
    "require-secure-transport": "OFF",
}


@contextmanager
def passing_folder(*, in_memory: bool = False) -> Iterator[Path]:
    """Make a folder that goes with the test: in memory where that is asked and 8 GiB of it are free, else on disk."""
    roomy = in_memory and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES_MINIMUM
    folder = Path(tempfile.mkdtemp(prefix="syneudp-tests-", dir=MEMORY if roomy else None))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_postgresql(
    *, settings: dict[str, str] | None = None, in_memory: bool = False
) -> Iterator[PostgreSQLServer]:
    with passing_folder(in_memory=in_memory) as folder:
        server = PostgreSQLServer(
            folder / "postgresql",
            port=free_port(),
            superuser_password=secrets.token_urlsafe(24),
            settings={**QUICK_AND_UNSAFE, **(settings or {})},
        )
        try:
            server.prepare()
            server.start()
            yield server
        finally:
            server.stop()


@contextmanager
def running_mysql(
    kind: type[MySQLFamilyServer], *, settings: dict[str, str] | None = None
) -> Iterator[MySQLFamilyServer]:
    template, password = _initialised(kind)
    with passing_folder() as folder:
        server = kind(
            folder / kind.flavour,
            engines=ENGINES,
            port=free_port(),
            root_password=password,
            settings={**QUICK_AND_UNSAFE_MYSQL, **(settings or {})},
        )
        subprocess.run(["cp", "-a", "--reflink=auto", str(template), str(server.data_folder)], check=True)
        try:
            server.prepare()
            server.start()
            yield server
        finally:
            server.stop()


def _initialised(kind: type[MySQLFamilyServer]) -> tuple[Path, str]:
    sources = sorted((ROOT / "entrypoints" / "embedded").glob("*.py"))
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    folder = ENGINES / "test-templates" / f"{kind.flavour}-{digest}"
    password_file = folder / "root-password"
    with locked(ENGINES / f"test-template-{kind.flavour}.lock"):
        for outdated in set(folder.parent.glob(f"{kind.flavour}-*")) - {folder}:
            shutil.rmtree(outdated, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        if not password_file.exists():
            password_file.touch(mode=0o600)
            password_file.write_text(secrets.token_urlsafe(24), encoding="utf-8")
        password = password_file.read_text(encoding="utf-8")
        server = kind(folder / "server", engines=ENGINES, port=0, root_password=password)
        server.prepare()
    return server.data_folder, password


@dataclass(frozen=True)
class ControlDatabase:
    """A migrated control database of one test: `url` as the runtime role, `owner_url` as the owner of its tables."""

    name: str
    url: str
    owner_url: str


class ControlServer:
    """Makes control databases on one server: migrates a template once and clones it for every test."""

    def __init__(self, server: PostgreSQLServer) -> None:
        self._server = server
        self._passwords = {OWNER: secrets.token_urlsafe(24), RUNTIME: secrets.token_urlsafe(24)}
        self._clones = 0

    async def make_roles(self) -> None:
        connection = await asyncpg.connect(self._server.superuser_url())
        try:
            for role, password in self._passwords.items():
                await connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'")
        finally:
            await connection.close()

    async def create_empty(self, name: str) -> ControlDatabase:
        await self._as_superuser(f"CREATE DATABASE {name} OWNER {OWNER} TEMPLATE template0")
        return self._described(name)

    @asynccontextmanager
    async def cloned(self) -> AsyncIterator[ControlDatabase]:
        self._clones += 1
        name = f"control{self._clones}"
        await self._as_superuser(f"CREATE DATABASE {name} OWNER {OWNER} TEMPLATE {TEMPLATE} STRATEGY file_copy")
        try:
            yield self._described(name)
        finally:
            await self.drop(name)

    async def drop(self, name: str) -> None:
        await self._as_superuser(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _described(self, name: str) -> ControlDatabase:
        return ControlDatabase(
            name=name,
            url=self._server.url(user=RUNTIME, password=self._passwords[RUNTIME], database=name),
            owner_url=self._server.url(user=OWNER, password=self._passwords[OWNER], database=name),
        )

    async def _as_superuser(self, statement: str) -> None:
        connection = await asyncpg.connect(self._server.superuser_url())
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@asynccontextmanager
async def opened_control(control_server: ControlServer) -> AsyncIterator[ControlDatabase]:
    async with control_server.cloned() as control:
        async with database(control.url, application_name="syneudp-tests"):
            yield control
        await asyncio.sleep(0)
