"""What the agent watches all the time on a PostgreSQL server, for the tries that no privilege stops."""

import asyncio
from contextlib import suppress
from datetime import datetime
from typing import Final

from syneudp.engines.agent.driver import REGISTRY_DATABASE
from syneudp.engines.agent.postgresql.connections import Connection, Connections
from syneudp.engines.agent.postgresql.statements import END_TRESPASSERS, STALLED
from syneudp.kernel.logging import log

EVERY_SECONDS: Final = 0.5
STALLED_LOOKS: Final = 6
HOLD_CATALOGS: Final = "SELECT FROM pg_roles CROSS JOIN pg_auth_members LIMIT 0"


class Guard:
    """Ends, every half second, tenants' sessions that hold the whole server up or were let in by an old password.

    Any login may queue for an exclusive lock on a shared catalog (`CREATE RULE ... TO pg_database`): it is refused only
    once it has the lock, and until then every later login waits behind it. A login begun before a rotation is checked
    against the old verifier, however late it ends. A session stuck in a COPY keeps every DROP DATABASE waiting.

    Its one transaction stays open and so keeps its share of the catalogs' locks, without which it would wait in the
    same queue; it holds no snapshot between looks, so it keeps no vacuum back.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look. Fine when it has begun."""
        if self._running is None:
            self._running = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop looking. Fine when it never began."""
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    async def _run(self) -> None:
        while True:
            try:
                await self._watch()
            except Exception as fault:
                log.warning("guard_interrupted", engine="postgresql", cause=type(fault).__name__)
            await asyncio.sleep(EVERY_SECONDS)

    async def _watch(self) -> None:
        async with self._connections.tenant(REGISTRY_DATABASE) as connection:
            await connection.execute("BEGIN")
            await connection.execute(HOLD_CATALOGS)
            seen: dict[tuple[int, datetime], int] = {}
            while True:
                seen = await look(connection, seen)
                await asyncio.sleep(EVERY_SECONDS)


async def look(connection: Connection, seen: dict[tuple[int, datetime], int]) -> dict[tuple[int, datetime], int]:
    """Look once; answer in how many looks in a row each session was found stalled before a waiting DROP DATABASE."""
    await connection.execute("SELECT pg_stat_clear_snapshot()")
    for ended in await connection.fetch(END_TRESPASSERS):
        log.warning("session_ended", engine="postgresql", username=ended["username"], reason=ended["reason"])
    stalled = {(row["pid"], row["backend_start"]) for row in await connection.fetch(STALLED)}
    counted = {session: seen.get(session, 0) + 1 for session in stalled}
    for pid, _ in (session for session, looks in counted.items() if looks >= STALLED_LOOKS):
        await connection.fetchval("SELECT pg_terminate_backend($1)", pid)
        log.warning("session_ended", engine="postgresql", reason="stalled")
    return counted
