"""The spares of a PostgreSQL server, held against other agents by a lock of the registry database."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from syneudp.engines.agent.driver import Names, Spare, limits_of
from syneudp.engines.agent.postgresql.claim import PostgreSQLClaim
from syneudp.engines.agent.postgresql.connections import Connection, Connections
from syneudp.engines.agent.postgresql.shape import spare_shape
from syneudp.engines.agent.postgresql.statements import SPARES, USUAL_LIMITS
from syneudp.engines.agent.spares import shape_of

SHELF_LOCK_KEY: Final = 0x53504152
TRY_LOCK: Final = "SELECT pg_try_advisory_lock($1)"
RESERVE: Final = """
INSERT INTO registry.instances (
    database_name, username, state, made, accepted_generation, applied_generation, credential_version,
    applied_credential_version, verifier, max_connections, temp_bytes, shape
)
VALUES ($1, $2, 'spare', false, 0, 0, 0, 0, '', 1, 0, $3)
"""
MARK_READY: Final = """
UPDATE registry.instances SET made = true, changed_at = clock_timestamp()
WHERE database_name = $1 AND instance_id IS NULL
"""
WITHDRAW: Final = """
UPDATE registry.instances SET made = false
WHERE database_name = $1 AND instance_id IS NULL AND made
RETURNING true
"""
FORGET: Final = "DELETE FROM registry.instances WHERE database_name = $1 AND instance_id IS NULL AND NOT made"


class PostgreSQLShelf:
    """The `Shelf` of the PostgreSQL driver; a spare's role has no password and may not log in."""

    def __init__(self, connection: Connection, connections: Connections) -> None:
        self._connection = connection
        self._connections = connections

    async def spares(self) -> Sequence[Spare]:
        """List every spare, the oldest first."""
        return [
            Spare(
                names=Names(row["database_name"], row["username"]),
                ready=row["made"],
                whole=row["whole"],
                current=row["shape"] == spare_shape(),
            )
            for row in await self._connection.fetch(SPARES)
        ]

    async def reserve(self, names: Names) -> None:
        """Write down that a spare of that name is being made."""
        await self._connection.execute(RESERVE, names.database, names.username, spare_shape())

    async def make(self, names: Names) -> None:
        """Make database and role, then let the spare be claimed.

        The role has the limits that most instances have by then, so that whoever takes it seldom has any to set.
        """
        shape = shape_of(names, verifier="")
        claim = PostgreSQLClaim(shape.instance_id, self._connection, self._connections)
        await claim.create(shape)
        usual = await self._connection.fetchrow(USUAL_LIMITS)
        if usual is not None:
            await claim.set_limits(replace(shape, limits=limits_of(usual)))
        await self._connection.execute(MARK_READY, names.database)

    async def withdraw(self, names: Names) -> bool:
        """Let a ready spare be claimed no more; False where somebody was quicker."""
        return bool(await self._connection.fetchval(WITHDRAW, names.database))

    async def discard(self, names: Names) -> None:
        """Drop a withdrawn or half-made spare and forget it."""
        shape = shape_of(names, verifier="")
        await PostgreSQLClaim(shape.instance_id, self._connection, self._connections).drop(shape)
        await self._connection.execute(FORGET, names.database)
