"""Ending a tenant's sessions until none is left."""

import asyncio
from datetime import datetime
from typing import Final

from syneudp.engines.agent.driver import RegistryRow
from syneudp.engines.agent.postgresql.connections import Connection
from syneudp.engines.agent.postgresql.statements import END_SESSIONS

PAUSE_SECONDS: Final = 0.005
PAUSE_BEFORE_LAST_SWEEP_SECONDS: Final = 0.025
EMPTY_SWEEPS: Final = 2


async def end_sessions(connection: Connection, row: RegistryRow, *, started_before: datetime | None = None) -> int:
    """End every session of the user and in the database, and answer how many there were.

    Sweeps until two sweeps in a row, 25 ms apart, find none: a login that passed its check just before the door closed
    shows up only a moment later. Bounded by the caller's deadline. Superusers' and the agent's own sessions stay.
    `started_before` spares later ones.
    """
    ended: set[tuple[int, datetime]] = set()
    empty_sweeps = 0
    while True:
        found = await connection.fetch(END_SESSIONS, row.username, row.database, started_before)
        ended.update((session["pid"], session["backend_start"]) for session in found)
        empty_sweeps = 0 if found else empty_sweeps + 1
        if empty_sweeps == EMPTY_SWEEPS:
            return len(ended)
        await asyncio.sleep(PAUSE_SECONDS if found else PAUSE_BEFORE_LAST_SWEEP_SECONDS)
