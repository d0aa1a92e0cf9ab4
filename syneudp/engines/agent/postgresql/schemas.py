"""The privileges on schema public: the one thing of a tenant's shape that only a look inside its database shows."""

import asyncio
from typing import Final
from uuid import UUID

import asyncpg

from syneudp.engines.agent.errors import EngineUnavailableError
from syneudp.engines.agent.postgresql.connections import Connection, Connections
from syneudp.engines.agent.postgresql.statements import NEXT_DATABASES, SCHEMA_PRIVILEGES
from syneudp.kernel.logging import log

LOOKS: Final = 2
LOOK_SECONDS_MAX: Final = 2.0
WHOLE: Final = frozenset({"CREATE", "USAGE"})


class Schemas:
    """Looks into one database after the other, a few each time, and remembers in which the privileges differ.

    A connection a database is dear, so a list is answered from what was seen, and what differed is looked at again.
    That is soon enough, because a tenant holds no grant option and cannot change these privileges itself.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._differing: set[UUID] = set()
        self._after: UUID | None = None

    async def look_at_next(self, connection: Connection) -> None:
        """Look into the next LOOKS databases; `connection` is one to the registry."""
        found = await connection.fetch(NEXT_DATABASES, self._after, LOOKS)
        for row in found:
            await self.differs(row)
        self._after = UUID(int=found[-1]["instance_id"].int) if len(found) == LOOKS else None

    def seen_differing(self, row: asyncpg.Record) -> bool:
        """Tell what the last look into an instance's database found."""
        return UUID(int=row["instance_id"].int) in self._differing

    async def differs(self, row: asyncpg.Record) -> bool:
        """Look into an instance's database; False also where that cannot be done just now."""
        instance_id = UUID(int=row["instance_id"].int)
        self._differing.discard(instance_id)
        try:
            async with asyncio.timeout(LOOK_SECONDS_MAX), self._connections.tenant(row["database_name"]) as inside:
                found = await inside.fetchrow(SCHEMA_PRIVILEGES, row["username"])
        except (TimeoutError, EngineUnavailableError, asyncpg.PostgresError) as fault:
            log.info("schema_not_seen", engine="postgresql", instance_id=str(instance_id), cause=type(fault).__name__)
            return False
        if found is not None and (found["open_to_others"] or set(found["tenant_privileges"]) != WHOLE):
            self._differing.add(instance_id)
        return instance_id in self._differing
