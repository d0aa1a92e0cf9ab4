"""One instance's statements on PostgreSQL, all on the connection that holds its lock."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Final, Self
from uuid import UUID

import asyncpg

from syneudp.engines.agent.driver import Names, RegistryRow, limits_of
from syneudp.engines.agent.errors import DatabaseMissingError, FencedError
from syneudp.engines.agent.postgresql.connections import Connection, Connections, change_catalog, repeated
from syneudp.engines.agent.postgresql.hindrance import drop_role, unhindered
from syneudp.engines.agent.postgresql.limits import Settings, is_rewritten, role_settings
from syneudp.engines.agent.postgresql.names import quoted, quoted_verifier
from syneudp.engines.agent.postgresql.sessions import end_sessions
from syneudp.engines.agent.postgresql.shape import (
    create_database,
    create_role,
    database_grants,
    schema_grants,
    spare_shape,
)
from syneudp.engines.agent.postgresql.statements import (
    FIND_SETTINGS,
    FOREIGN_GRANTEES,
    READ_ROW,
    TAKE_SPARE,
    WRITE_ROTATION,
    WRITE_ROW,
)
from syneudp.engines.contract import Scheme, State
from syneudp.engines.verifiers import check_verifier

INVALID_CONNECTION_LIMIT: Final = -2
TAKE_LOCK: Final = "SELECT * FROM registry.take_lock($1)"
FIND_DATABASE: Final = "SELECT datconnlimit FROM pg_database WHERE datname = $1"
FIND_ROLE: Final = "SELECT true FROM pg_roles WHERE rolname = $1"


class PostgreSQLClaim:
    """The `Claim` of the PostgreSQL driver. The tenant never owns its database: an owner could reopen or drop it."""

    def __init__(
        self, instance_id: UUID, connection: Connection, connections: Connections, *, known: RegistryRow | None = None
    ) -> None:
        self._instance_id = instance_id
        self._connection = connection
        self._connections = connections
        self._known = known

    @classmethod
    async def locked(cls, instance_id: UUID, connection: Connection, connections: Connections) -> Self:
        """Take the instance's lock for as long as the session is not given back, and read its row under it."""
        found = await connection.fetchrow(TAKE_LOCK, instance_id)
        return cls(instance_id, connection, connections, known=None if found is None else _row_of(found))

    @property
    def known(self) -> RegistryRow | None:
        """The registry row as it stood when the lock was taken."""
        return self._known

    async def read(self) -> RegistryRow | None:
        """Read the registry row as it stands now."""
        found = await self._connection.fetchrow(READ_ROW, self._instance_id)
        return None if found is None else _row_of(found)

    async def write(self, row: RegistryRow) -> None:
        """Insert or replace the registry row; a row that moved on under another server's lock is left alone."""
        written = await self._connection.fetchval(
            WRITE_ROW,
            row.instance_id,
            row.database,
            row.username,
            row.state.value,
            row.made,
            row.accepted_generation,
            row.applied_generation,
            row.credential_version,
            row.applied_credential_version,
            row.verifier,
            row.limits.max_connections,
            row.limits.temp_bytes,
            row.limits.statement_seconds,
            row.limits.idle_transaction_seconds,
            row.limits.memory_bytes,
            row.limits.may_grow,
        )
        if not written:
            raise FencedError

    async def take_spare(self, row: RegistryRow) -> RegistryRow | None:
        """Claim a spare, set verifier and limits and let the user in, in one statement: a row and a role are one.

        The role's rows are as much this statement's own as the registry's, so it waits for no other catalog change,
        and none for it: PostgreSQL takes milliseconds to see that a verifier is not that of the empty password.
        """
        check_verifier(Scheme.SCRAM_SHA_256, row.verifier)
        settings = role_settings(row.limits)
        spare = await repeated(
            partial(
                self._connection.fetchrow,
                TAKE_SPARE,
                row.instance_id,
                row.state.value,
                row.accepted_generation,
                row.credential_version,
                row.verifier,
                row.limits.max_connections,
                row.limits.temp_bytes,
                row.limits.statement_seconds,
                row.limits.idle_transaction_seconds,
                row.limits.memory_bytes,
                row.limits.may_grow,
                spare_shape(),
                settings.names,
                settings.values,
            )
        )
        if spare is None:
            return None
        return replace(
            row,
            database=spare["database_name"],
            username=spare["username"],
            made=True,
            applied_generation=row.accepted_generation,
            applied_credential_version=row.credential_version,
        )

    async def create(self, row: RegistryRow) -> None:
        """Make role and database, locked; an unfinished predecessor's are taken over, an invalid one is made again."""
        if not await self._connection.fetchval(FIND_ROLE, row.username):
            await self._change(row, create_role(row))
        found = await self._connection.fetchval(FIND_DATABASE, row.database)
        if found == INVALID_CONNECTION_LIMIT:
            await self._connection.execute(f"DROP DATABASE {quoted(row.database)}")
        if found in {None, INVALID_CONNECTION_LIMIT}:
            await self._connection.execute(create_database(row))
        await self._rebuild_grants(row)

    async def set_limits(self, row: RegistryRow) -> None:
        """Set what a role's settings lack of its limits."""
        await self._change(row, role_settings(row.limits).statement(_names(row)))

    async def restore_settings(self) -> bool:
        """Bring defaults that the tenant rewrote back to its limits; False where there is nothing to do."""
        row = self._known
        if row is None or row.state is not State.RUNNING or row.accepted_generation != row.applied_generation:
            return False
        if not is_rewritten(row.limits, await self._settings(row)):
            return False
        await self.set_limits(row)
        return True

    async def open_login(self, row: RegistryRow, *, rebuild: bool, end_sessions: bool) -> int:
        """Set verifier and limits and let the user in. Answer the number of sessions ended.

        A rotation comes before the grants: whoever has the old password could hold up what is done inside the database.
        """
        if rebuild:
            await self._require_present(row)
        ended = 0
        if end_sessions:
            await self._set_role(row, login=True)
            ended = await self._end_sessions_of_before(row)
        if rebuild:
            await self._rebuild_grants(row)
        if not end_sessions:
            await self._set_role(row, login=True)
        return ended

    async def close_login(self, row: RegistryRow) -> int:
        """Refuse the user, end its sessions and sweep until none is left, twice."""
        if not await self._connection.fetchval(FIND_ROLE, row.username):
            raise DatabaseMissingError
        await self._set_role(row, login=False)
        if row.sets_verifier:
            await self._connection.execute(WRITE_ROTATION, row.username)
        return await end_sessions(self._connection, row)

    async def end_previous_password(self, _row: RegistryRow, /) -> int:
        """Do nothing: a PostgreSQL role has one password."""
        return 0

    async def drop(self, row: RegistryRow) -> int:
        """Refuse the user, end its sessions, drop database and user. Gone already is success."""
        user, database = quoted(row.username), quoted(row.database)
        has_role = await self._connection.fetchval(FIND_ROLE, row.username)
        if has_role:
            await self._change(row, f"ALTER ROLE {user} NOLOGIN")
        ended = await end_sessions(self._connection, row)
        await self._drop_database(row, f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        if has_role:
            await drop_role(
                partial(self._change, row, f"DROP ROLE IF EXISTS {user}"),
                connection=self._connection,
                connections=self._connections,
                username=row.username,
            )
        return ended

    async def _end_sessions_of_before(self, row: RegistryRow) -> int:
        changed_at = await self._connection.fetchval(WRITE_ROTATION, row.username)
        return await end_sessions(self._connection, row, started_before=changed_at)

    async def _require_present(self, row: RegistryRow) -> None:
        has_role = await self._connection.fetchval(FIND_ROLE, row.username)
        found = await self._connection.fetchval(FIND_DATABASE, row.database)
        if not has_role or found in {None, INVALID_CONNECTION_LIMIT}:
            raise DatabaseMissingError

    async def _rebuild_grants(self, row: RegistryRow) -> None:
        await self._change(row, *database_grants(row))
        async with self._connections.tenant(row.database) as inside:
            foreign = await inside.fetch(FOREIGN_GRANTEES, row.username)
            closed = [f"REVOKE ALL ON {found['object']} FROM {found['grantee']} CASCADE" for found in foreign]
            await self._unhindered(row, partial(change_catalog, inside, *closed, *schema_grants(row), locked=False))

    async def _set_role(self, row: RegistryRow, *, login: bool) -> None:
        await self._change(row, *_role_changes(row, login=login))

    async def _settings(self, row: RegistryRow) -> Settings:
        [found] = await self._connection.fetch(FIND_SETTINGS, row.username, row.database)
        return Settings(found["everywhere"], found["inside"])

    async def _change(self, row: RegistryRow, *statements: str, locked: bool = True) -> None:
        await self._unhindered(row, partial(change_catalog, self._connection, *statements, locked=locked))

    async def _drop_database(self, row: RegistryRow, statement: str) -> None:
        await self._connection.execute("SET lock_timeout = '100ms'")
        await self._unhindered(row, partial(self._connection.execute, statement))
        await self._connection.execute("RESET lock_timeout")

    async def _unhindered(self, row: RegistryRow, attempt: Callable[[], Awaitable[object]]) -> None:
        await unhindered(attempt, connection=self._connection, username=row.username, database=row.database)


def _names(row: RegistryRow) -> Names:
    return Names(row.database, row.username)


def _role_changes(row: RegistryRow, *, login: bool) -> tuple[str, ...]:
    admission = f"{'LOGIN' if login else 'NOLOGIN'} CONNECTION LIMIT {row.limits.max_connections}"
    password = f" PASSWORD {quoted_verifier(row.verifier)}" if row.sets_verifier else ""
    return (
        f"ALTER ROLE {quoted(row.username)} {admission}{password}",
        role_settings(row.limits).statement(_names(row)),
    )


def _row_of(found: asyncpg.Record) -> RegistryRow:
    return RegistryRow(
        instance_id=UUID(int=found["instance_id"].int),
        database=found["database_name"],
        username=found["username"],
        state=State(found["state"]),
        made=found["made"],
        accepted_generation=found["accepted_generation"],
        applied_generation=found["applied_generation"],
        credential_version=found["credential_version"],
        applied_credential_version=found["applied_credential_version"],
        verifier=found["verifier"],
        limits=limits_of(dict(found)),
    )
