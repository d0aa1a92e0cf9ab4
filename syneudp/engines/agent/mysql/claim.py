"""One instance's statements on MySQL or MariaDB, all on the connection that holds its lock."""

from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

import pymysql
from pymysql.constants import ER

from syneudp.engines.agent.driver import RegistryRow
from syneudp.engines.agent.errors import DatabaseMissingError, EngineUnavailableError
from syneudp.engines.agent.mysql import prepared, registry, statements
from syneudp.engines.agent.mysql.batch import Statement
from syneudp.engines.agent.mysql.connections import Pool, Session
from syneudp.engines.agent.mysql.dialects import Dialect
from syneudp.engines.agent.mysql.observe import Observed, observe
from syneudp.engines.agent.mysql.sweep import end_sessions
from syneudp.engines.agent.mysql.trespass import end_trespassers, send_guests_away

SCHEMA_READ_ONLY: Final = 3989
EMPTY_PASSWORD_NOT_RETAINED: Final = 3878
OTHER_PLUGIN_NOT_RETAINED: Final = 3894
DROP_ATTEMPTS: Final = 3
NOTHING_TO_RETAIN: Final = frozenset({EMPTY_PASSWORD_NOT_RETAINED, OTHER_PLUGIN_NOT_RETAINED})


@dataclass(frozen=True)
class MySQLClaim:
    """The frame's `Claim` for both flavours; `tls` says whether the server speaks it, and then tenants must."""

    session: Session
    dialect: Dialect
    instance_id: UUID
    tls: bool
    pool: Pool
    known: RegistryRow | None = None

    async def read(self) -> RegistryRow | None:
        """Read the registry row again."""
        return await registry.read_row(self.session, self.instance_id)

    async def write(self, row: RegistryRow) -> None:
        """Insert or replace the registry row; it commits by itself."""
        await registry.write_row(self.session, row)

    async def take_spare(self, row: RegistryRow) -> RegistryRow | None:
        """Claim a spare, and let the user in after that, since an ALTER USER commits by itself.

        A spare holds every privilege, so it becomes nothing that may not grow.
        """
        if not row.limits.may_grow:
            return None
        shape = statements.spare_shape(self.dialect, tls=self.tls)
        taken = await registry.take_spare(self.session, row, shape=shape)
        if taken is None:
            return None
        applied = replace(
            taken, applied_generation=taken.accepted_generation, applied_credential_version=taken.credential_version
        )
        letting_in = statements.alter_user(self.dialect, taken, tls=self.tls, locked=False)
        await registry.write_outcome(self.session, applied, of=letting_in)
        return applied

    async def create(self, row: RegistryRow) -> None:
        """Make user and database in the tenant's shape, the user locked."""
        if (await self._seen(row)).account is not None:
            await self._lock(row)
        await self.session.run(statements.create_user(self.dialect, row, tls=self.tls))
        await self.session.run(statements.create_database(row))
        await self.session.run(statements.grant_all(row))

    async def open_login(self, row: RegistryRow, *, rebuild: bool, end_sessions: bool) -> int:
        """Grant what is missing, take back what is too much, then let the user in.

        A session keeps the privileges it had on its current database, so sessions that were open while the grants
        changed are ended; and all of them where the tenant may not grow, since a predecessor may have died in between.
        """
        stale = end_sessions
        seen = await self._made(row) if rebuild else None
        if seen is not None:
            stale |= not seen.locked and (not seen.has_exactly_the_grants_of(row) or _stops_growing(row))
            await self._regrant(row, seen)
            await self._retain(row, seen)
        await self.session.run(statements.alter_user(self.dialect, row, tls=self.tls, locked=False))
        if seen is not None:
            await self._discard(row, seen)
        return await self._sweep(row, newer_too=False) if stale else 0

    async def close_login(self, row: RegistryRow) -> int:
        """Lock, revoke, kill: each alone leaves a tenant able to write.

        A tenant may drop its database: that closes its account all the same, and the report tells what is missing.
        """
        closing = statements.shut_out(self.dialect, row, tls=self.tls)
        try:
            await self.session.batch(*map(Statement, closing))
        except pymysql.err.MySQLError as failure:
            if failure.args[0] == ER.CANNOT_USER:
                raise DatabaseMissingError from failure
            raise
        await self._send_guests_away(row)
        return await self._sweep_and_roll_back(row)

    async def end_previous_password(self, row: RegistryRow, /) -> int:
        """Discard it and end every session: the server does not tell by which password one came in."""
        if not self.dialect.keeps_previous_password or (await self._seen(row)).account is None:
            return 0
        await self.session.run(statements.discard_password(row))
        return await self._sweep(row, newer_too=False)

    async def restore_rights(self, row: RegistryRow) -> bool:
        """Give a running tenant the privileges and limits of the registry again; answer whether any differed.

        Its password and its sessions stay: who lifted them may be another tenant.
        """
        seen = await self._seen(row)
        if seen.account is None:
            return False
        granted = seen.has_exactly_the_grants_of(row)
        if not granted:
            await self._regrant(row, seen)
        limited = seen.account.is_limited_like(row, tls=self.tls)
        if not limited:
            await self.session.run(statements.limit_user(self.dialect, row, tls=self.tls))
        return not (granted and limited)

    async def drop(self, row: RegistryRow) -> int:
        """Lock, kill, drop database and user."""
        sessions_ended = 0
        if await self._lock(row):
            sessions_ended = await self._sweep_and_roll_back(row)
            await self._send_guests_away(row)
        await self._drop_database(row)
        await self.session.run(statements.drop_user(row))
        return sessions_ended

    async def _regrant(self, row: RegistryRow, seen: Observed) -> None:
        if seen.has_exactly_the_grants_of(row):
            return
        if not seen.has_no_grants:
            await self.session.run(statements.revoke_all(row))
        await self.session.run(statements.grant_all(row))

    async def _retain(self, row: RegistryRow, seen: Observed) -> None:
        """Keep the present password beside the new one, once: to repeat it would keep the new one beside itself."""
        rotated = row.credential_version != row.applied_credential_version
        if not rotated or row.previous_until is None or seen.account is None or seen.account.verifier == row.verifier:
            return
        try:
            await self.session.run(statements.retain_password(self.dialect, row))
        except pymysql.err.MySQLError as failure:
            if failure.args[0] not in NOTHING_TO_RETAIN:
                raise

    async def _discard(self, row: RegistryRow, seen: Observed) -> None:
        if row.previous_until is None and seen.account is not None and seen.account.has_previous:
            await self.session.run(statements.discard_password(row))

    async def _seen(self, row: RegistryRow) -> Observed:
        return (await observe(self.session, self.dialect, [row]))[row.instance_id]

    async def _made(self, row: RegistryRow) -> Observed:
        seen = await self._seen(row)
        if seen.account is None or not seen.database:
            raise DatabaseMissingError
        return seen

    async def _drop_database(self, row: RegistryRow) -> None:
        """Drop the database even where the tenant left a prepared XA transaction, whose locks outlive its session.

        Raises EngineUnavailableError where one stands in the way that may be a neighbour's. MariaDB, which does not
        tell what such a one locks, would keep the database for ever: there it is rolled back if it stayed all along.
        """
        standing = await prepared.roll_back_all_of(self.session, self.dialect, row)
        attempts = 1
        while not await self._dropped(row):
            standing &= await prepared.roll_back_all_of(self.session, self.dialect, row)
            if standing and not self.dialect.tells_locks_of_prepared:
                await prepared.roll_back(self.session, standing.pop())
            elif attempts == DROP_ATTEMPTS:
                raise EngineUnavailableError
            else:
                attempts += 1

    async def _dropped(self, row: RegistryRow) -> bool:
        try:
            return await self.session.run_unless_locked(statements.drop_database(row))
        except pymysql.err.MySQLError as failure:
            if failure.args[0] != SCHEMA_READ_ONLY:
                raise
        await self.session.run(statements.make_writable(row))
        return await self.session.run_unless_locked(statements.drop_database(row))

    async def _send_guests_away(self, row: RegistryRow) -> None:
        if not await send_guests_away(self.session, row):
            return
        await end_trespassers(self.session)
        async with self.pool.other_nodes(self.session) as others:
            for other in others:
                await end_trespassers(other)

    async def _lock(self, row: RegistryRow) -> bool:
        try:
            await self.session.run(statements.lock_user(row))
        except pymysql.err.MySQLError as failure:
            if failure.args[0] == ER.CANNOT_USER:
                return False
            raise
        return True

    async def _sweep_and_roll_back(self, row: RegistryRow) -> int:
        await prepared.look(self.session, self.dialect)
        ended = await self._sweep(row, newer_too=True)
        await prepared.roll_back_all_of(self.session, self.dialect, row)
        return ended

    async def _sweep(self, row: RegistryRow, *, newer_too: bool) -> int:
        return await end_sessions(self.pool, self.session, row, newer_too=newer_too)


def _stops_growing(row: RegistryRow) -> bool:
    return not row.limits.may_grow and row.accepted_generation != row.applied_generation
