"""Bring the control database to this release's schema, once, under an advisory lock."""

import os
from pathlib import Path
from typing import Final

import asyncpg
from aerich import Command
from tortoise import Tortoise

import migrations
from syneudp.kernel.database import APP_LABEL, tortoise_config

os.environ.setdefault("AERICH_NO_TORTOISE_V1_WARNING", "1")

MIGRATION_LOCK: Final = 0x53594E45
LOCATION: Final = str(Path(migrations.__file__).parent)


async def migrate(url: str) -> list[str]:
    """Apply what is missing as the owner of the tables and return the names of the versions applied.

    Two migrations at once queue behind one session-level advisory lock; each version commits whole or not at all.
    """
    guard = await asyncpg.connect(url)
    try:
        await guard.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
        config = tortoise_config(url, application_name="syneudp-migrate", pool_size=2)
        command = Command(tortoise_config=config, app=APP_LABEL, location=LOCATION)
        try:
            await command.init()
            return await command.upgrade(run_in_transaction=True)
        finally:
            await Tortoise.close_connections()
    finally:
        await guard.close()
