"""The PostgreSQL dialect: versions 16 to 18."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from syneudp.engines.agent.driver import CANCEL_GRACE_SECONDS, Cut, EngineFacts, Overrun, Unfinished, limits_of
from syneudp.engines.agent.errors import EngineLoginRefusedError, EngineUnavailableError, EngineUnpreparedError
from syneudp.engines.agent.postgresql.claim import PostgreSQLClaim
from syneudp.engines.agent.postgresql.connections import REFUSED, Connections, unreachable_as_unavailable
from syneudp.engines.agent.postgresql.guard import Guard
from syneudp.engines.agent.postgresql.limits import Settings, is_rewritten
from syneudp.engines.agent.postgresql.preparation import faults_of, read_preparation, require_supported
from syneudp.engines.agent.postgresql.report import report_of
from syneudp.engines.agent.postgresql.schemas import Schemas
from syneudp.engines.agent.postgresql.shape import spare_shape
from syneudp.engines.agent.postgresql.shelf import SHELF_LOCK_KEY, TRY_LOCK, PostgreSQLShelf
from syneudp.engines.agent.postgresql.sizes import Sizes
from syneudp.engines.agent.postgresql.statements import (
    REGISTRY_SCHEMA,
    REPORT,
    ROTATIONS_SCHEMA,
    SETTINGS_IN_USE,
    UNKNOWN_DATABASES,
    USAGE,
    WATCH,
)
from syneudp.engines.contract import DatabaseReport, Endpoint, Engine, Scheme, State, UsageItem
from syneudp.kernel.logging import log

RESTORE_SECONDS_MAX: Final = 2.0
ROW_BY_ROW: Final = "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off"
COUNT_INSTANCES: Final = "SELECT count(*) FROM registry.instances WHERE state IN ('running', 'suspended')"
COUNT_SPARES: Final = "SELECT count(*) FROM registry.instances WHERE instance_id IS NULL AND made AND shape = $1"
PENDING: Final = """
SELECT instance_id, accepted_generation, state FROM registry.instances
WHERE accepted_generation <> applied_generation
ORDER BY changed_at
"""


class PostgreSQLDriver:
    """The `Driver` of PostgreSQL. admin_url may name several hosts with target_session_attrs; its path is not used."""

    engine: Final = Engine.POSTGRESQL
    scheme: Final = Scheme.SCRAM_SHA_256
    keeps_previous_password: Final = False

    def __init__(self, *, admin_url: str, endpoint_host: str, endpoint_port: int) -> None:
        self._connections = Connections(admin_url)
        self._guard = Guard(self._connections)
        self._schemas = Schemas(self._connections)
        self._sizes = Sizes()
        self.endpoint = Endpoint(host=endpoint_host, port=endpoint_port, tls=False)

    async def open(self) -> EngineFacts:
        """Connect, verify version and preparation, make the registry's tables where they are missing."""
        try:
            with unreachable_as_unavailable():
                return await self._open()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close every connection. Fine when not open."""
        await self._guard.stop()
        await self._connections.close()

    async def _open(self) -> EngineFacts:
        try:
            await self._connections.open()
        except REFUSED as fault:
            raise EngineLoginRefusedError from fault
        async with self._connections.registry() as connection:
            require_supported(connection.get_server_version().major * 10_000)
            found = await read_preparation(connection)
            faults = faults_of(found)
            if faults:
                raise EngineUnpreparedError(faults)
            await connection.execute(REGISTRY_SCHEMA)
            await connection.execute(ROTATIONS_SCHEMA)
        self._guard.start()
        self.endpoint = self.endpoint.model_copy(update={"tls": found["tls"]})
        return EngineFacts(flavour="postgresql", version=found["version"], tls=found["tls"])

    @asynccontextmanager
    async def claim(self, instance_id: UUID) -> AsyncIterator[PostgreSQLClaim]:
        """Hold the instance's advisory lock of the registry database on one session; the pool's reset lets it go."""
        async with self._connections.registry() as connection:
            yield await PostgreSQLClaim.locked(instance_id, connection, self._connections)

    async def pending(self) -> Sequence[Unfinished]:
        """Instances whose accepted generation is not their applied one, oldest change first."""
        async with self._connections.registry() as connection:
            found = await connection.fetch(PENDING)
        return [
            Unfinished(UUID(int=row["instance_id"].int), row["accepted_generation"], State(row["state"]))
            for row in found
        ]

    async def outlived(self, _now: int, /) -> Sequence[UUID]:
        """Answer none: a role has one password, whatever the time."""
        return []

    async def count_instances(self) -> int:
        """Count the instances that are no tombstones."""
        async with self._connections.registry() as connection:
            return int(await connection.fetchval(COUNT_INSTANCES))

    async def count_spares(self) -> int:
        """Count the spares that are ready to be claimed."""
        async with self._connections.registry() as connection:
            return int(await connection.fetchval(COUNT_SPARES, spare_shape()))

    @asynccontextmanager
    async def shelf(self) -> AsyncIterator[PostgreSQLShelf | None]:
        """Hold the lock of the spares on one session; None where another agent holds it."""
        async with self._connections.registry() as connection:
            held = await connection.fetchval(TRY_LOCK, SHELF_LOCK_KEY)
            yield PostgreSQLShelf(connection, self._connections) if held else None

    async def report(self, instance_id: UUID) -> DatabaseReport | None:
        """Compare registry and engine for one instance, tombstones included."""
        async with self._connections.registry() as connection:
            found = await connection.fetchrow(REPORT, instance_id, None, 1)
            if found is None:
                return None
            sizes = await self._sizes.of(connection, [found["database_name"]])
        return report_of(
            found,
            storage_bytes=sizes[found["database_name"]],
            schema_differs=found["is_open"] and await self._schemas.differs(found),
        )

    async def reports(self, *, after: UUID | None, limit: int) -> Sequence[DatabaseReport]:
        """Compare registry and engine for up to `limit` instances with an id above `after`, ascending by id.

        Their sizes are those of the last `usage`, where there was one.
        """
        async with self._connections.registry() as connection:
            await connection.execute(ROW_BY_ROW)
            found = await connection.fetch(REPORT, None, after, limit)
            sizes = await self._sizes.known_of(connection, [row["database_name"] for row in found])
        return [
            report_of(
                row,
                storage_bytes=sizes[row["database_name"]],
                schema_differs=self._schemas.seen_differing(row) and await self._schemas.differs(row),
            )
            for row in found
        ]

    async def unknown_databases(self) -> Sequence[str]:
        """Names of databases in the agent's form that no registry row knows, at most 1000."""
        async with self._connections.registry() as connection:
            return [row["datname"] for row in await connection.fetch(UNKNOWN_DATABASES)]

    async def usage(self) -> Sequence[UsageItem]:
        """Measure every instance that is not terminated in one statement."""
        async with self._connections.registry() as connection:
            found = await connection.fetch(USAGE)
        self._sizes.remember({row["database_name"]: row["storage_bytes"] for row in found})
        return [
            UsageItem(
                instance_id=UUID(int=row["instance_id"].int),
                storage_bytes=row["storage_bytes"],
                sessions=row["sessions"],
                transactions=row["transactions"],
            )
            for row in found
        ]

    async def watch(self) -> Sequence[Cut]:
        """Cancel statements and end sessions that are over a limit, by the server's own clock, and restore defaults.

        What a session asks for in memory is not seen from outside; its role's defaults are all that holds it.
        """
        async with self._connections.registry() as connection:
            found = await connection.fetch(WATCH, CANCEL_GRACE_SECONDS)
            in_use = await connection.fetch(SETTINGS_IN_USE)
            await self._schemas.look_at_next(connection)
        restored = [
            instance_id
            for group in in_use
            if is_rewritten(limits_of(dict(group)), Settings(group["everywhere"], group["inside"]))
            for instance_id in group["instance_ids"]
            if await self._restored(UUID(int=instance_id.int))
        ]
        return [Cut(UUID(int=instance_id.int), Overrun.SETTINGS, session_ended=False) for instance_id in restored] + [
            Cut(
                instance_id=UUID(int=row["instance_id"].int),
                overrun=Overrun(row["overrun"]),
                session_ended=row["ends_session"],
            )
            for row in found
            if row["signalled"]
        ]

    async def _restored(self, instance_id: UUID) -> bool:
        try:
            async with asyncio.timeout(RESTORE_SECONDS_MAX), self.claim(instance_id) as claim:
                return await claim.restore_settings()
        except (TimeoutError, EngineUnavailableError):
            log.warning("settings_not_restored", engine=self.engine.value, instance_id=str(instance_id))
            return False

    async def ping(self) -> None:
        """Run one trivial statement."""
        async with self._connections.registry() as connection:
            await connection.execute("SELECT 1")
