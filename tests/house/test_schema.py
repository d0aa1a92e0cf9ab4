import asyncio
import os
import sys
from pathlib import Path

import asyncpg
import pytest

from syneudp.kernel.database import execute, reading, rows, value
from tests.servers import ControlDatabase

HERE = Path(__file__).parent
WRITTEN = HERE / "schema.txt"


async def read_schema() -> list[str]:
    found = await rows(reading(), (HERE / "schema.sql").read_text(encoding="utf-8"))
    return [str(told["line"]) for told in found]


async def test_a_migrated_database_has_exactly_what_is_written_down(control: ControlDatabase) -> None:
    told = await read_schema()
    written = WRITTEN.read_text(encoding="utf-8").splitlines()
    assert {"missing": sorted(set(written) - set(told)), "unwritten": sorted(set(told) - set(written))} == {
        "missing": [],
        "unwritten": [],
    }


async def test_migrating_again_changes_nothing(control: ControlDatabase) -> None:
    before = await read_schema()
    again = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "entrypoints",
        "migrate",
        env={**os.environ, "SYNEUDP_MIGRATION_DATABASE_URL": control.owner_url},
    )
    assert await again.wait() == 0
    assert await read_schema() == before


async def test_every_table_and_partition_has_an_owner_other_than_the_runtime(control: ControlDatabase) -> None:
    owners = await rows(
        reading(),
        "SELECT DISTINCT pg_get_userbyid(relowner) AS owner FROM pg_class WHERE relnamespace = 'public'::regnamespace",
    )
    assert [told["owner"] for told in owners] == ["syneudp_owner"]


@pytest.mark.parametrize(
    "act", ["UPDATE %s SET created_at = created_at", "DELETE FROM %s", "TRUNCATE %s", "DROP TABLE %s"]
)
async def test_the_runtime_can_change_no_partition_of_the_entries(control: ControlDatabase, act: str) -> None:
    partitions = await rows(
        reading(), "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'entries'::regclass"
    )
    assert len(partitions) > 1
    for partition in (*partitions, {"name": "entries"}):
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.CheckViolationError)):
            await execute(reading(), act % partition["name"])


async def test_the_runtime_cannot_detach_a_partition(control: ControlDatabase) -> None:
    name = await value(
        reading(), "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'entries'::regclass LIMIT 1"
    )
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await execute(reading(), f"ALTER TABLE entries DETACH PARTITION {name}")
