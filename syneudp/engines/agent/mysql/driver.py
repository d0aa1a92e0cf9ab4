"""The agent's driver for MySQL and MariaDB."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from syneudp.engines.agent.driver import NAME_PATTERN, Cut, EngineFacts, Overrun, RegistryRow, Unfinished
from syneudp.engines.agent.errors import EngineLoginRefusedError, EngineUnavailableError
from syneudp.engines.agent.mysql import prepared, registry
from syneudp.engines.agent.mysql.claim import MySQLClaim
from syneudp.engines.agent.mysql.connections import LoginRefusedError, Pool, Session, read_login
from syneudp.engines.agent.mysql.dialects import Dialect, dialect_of, read_query
from syneudp.engines.agent.mysql.observe import SESSIONS_QUERY, Observed, drift_of, observe, storage_bytes
from syneudp.engines.agent.mysql.preparation import refuse_unprepared
from syneudp.engines.agent.mysql.shelf import SHELF_LOCK_ID, MySQLShelf
from syneudp.engines.agent.mysql.statements import spare_shape
from syneudp.engines.agent.mysql.trespass import end_trespassers, users_with_excess
from syneudp.engines.agent.mysql.watch import watch
from syneudp.engines.contract import DatabaseReport, Endpoint, Engine, Scheme, State, UsageItem

VERSION_QUERY: Final = "SELECT VERSION()"


class MySQLDriver:
    """The frame's `Driver` for one MySQL or MariaDB server or cluster.

    `admin_url` is mysql://user:password@host:port/, with several hosts parted by commas for a Galera cluster.
    """

    def __init__(self, *, admin_url: str, endpoint_host: str, endpoint_port: int) -> None:
        self._pool = Pool(read_login(admin_url))
        self._endpoint_host = endpoint_host
        self._endpoint_port = endpoint_port
        self._dialect: Dialect | None = None
        self._salt = ""
        self._tls = False

    @property
    def engine(self) -> Engine:
        """Tell the engine name, which both flavours serve."""
        return Engine.MYSQL

    @property
    def endpoint(self) -> Endpoint:
        """Tell where customers connect; `tls` is known after `open`."""
        return Endpoint(host=self._endpoint_host, port=self._endpoint_port, tls=self._tls)

    @property
    def scheme(self) -> Scheme:
        """Tell which verifier the server takes. Raises EngineUnavailableError before `open`."""
        return self._spoken().scheme

    @property
    def keeps_previous_password(self) -> bool:
        """Tell whether it is a MySQL: a MariaDB account has one password."""
        return self._spoken().keeps_previous_password

    async def open(self) -> EngineFacts:
        """Connect, choose the dialect, verify the preparation, bring the registry's tables up to date."""
        try:
            await self._pool.open()
        except LoginRefusedError as refusal:
            raise EngineLoginRefusedError from refusal
        async with self._pool.session() as session:
            version = str(await session.value(VERSION_QUERY))
            dialect = dialect_of(version)
            await refuse_unprepared(session, dialect)
            self._salt = await registry.raise_tables(session)
            self._tls = session.speaks_tls
            self._dialect = dialect
        return EngineFacts(flavour=dialect.flavour, version=version, tls=self._tls)

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()

    @asynccontextmanager
    async def claim(self, instance_id: UUID) -> AsyncIterator[MySQLClaim]:
        """Hold the instance's lock on one connection; when that breaks, the server gives the lock back."""
        name = registry.lock_name(instance_id, self._salt)
        async with self._pool.session() as session:
            known = await registry.take_lock(session, name, instance_id)
            try:
                yield MySQLClaim(
                    session=session,
                    dialect=self._spoken(),
                    instance_id=instance_id,
                    tls=self._tls,
                    pool=self._pool,
                    known=known,
                )
            finally:
                if session.usable:
                    await registry.give_lock_back(session, name)

    async def pending(self) -> Sequence[Unfinished]:
        """Name the instances whose accepted generation was not applied."""
        async with self._pool.session() as session:
            return await registry.read_pending(session)

    async def outlived(self, now: int, /) -> Sequence[UUID]:
        """Name the instances whose previous password was to work until `now` or earlier."""
        async with self._pool.session() as session:
            return await registry.read_outlived(session, now)

    async def count_instances(self) -> int:
        """Count the instances that are no tombstones."""
        async with self._pool.session() as session:
            return await registry.count_living(session)

    async def count_spares(self) -> int:
        """Count the spares that are ready to be claimed."""
        async with self._pool.session() as session:
            return await registry.count_spares(session, shape=spare_shape(self._spoken(), tls=self._tls))

    @asynccontextmanager
    async def shelf(self) -> AsyncIterator[MySQLShelf | None]:
        """Hold the lock of the spares on one connection; None where another agent holds it."""
        name = registry.lock_name(SHELF_LOCK_ID, self._salt)
        async with self._pool.session() as session:
            held = await registry.try_lock(session, name)
            try:
                shelf = MySQLShelf(session=session, dialect=self._spoken(), tls=self._tls, pool=self._pool)
                yield shelf if held else None
            finally:
                if held and session.usable:
                    await registry.give_lock_back(session, name)

    async def report(self, instance_id: UUID) -> DatabaseReport | None:
        """Compare registry and engine for one instance."""
        async with self._pool.session() as session:
            row = await registry.read_row(session, instance_id)
            reports = await self._reports(session, [row] if row is not None else [])
        return reports[0] if reports else None

    async def reports(self, *, after: UUID | None, limit: int) -> Sequence[DatabaseReport]:
        """Compare registry and engine for a page of instances."""
        async with self._pool.session() as session:
            return await self._reports(session, await registry.read_rows(session, after=after, limit=limit))

    async def usage(self) -> Sequence[UsageItem]:
        """Measure every living instance in one pass over the engine."""
        dialect = self._spoken()
        async with self._pool.session() as session:
            rows = await registry.read_living(session)
            if not rows:
                return []
            storage = await storage_bytes(session, dialect)
            among = await session.rows_among(SESSIONS_QUERY, [row.username for row in rows])
            sessions = {found["username"]: found["sessions"] for found in among}
            counted = await session.rows(dialect.transactions_query)
        transactions = {found["username"]: int(found["transactions"]) for found in counted}
        return [
            UsageItem(
                instance_id=row.instance_id,
                storage_bytes=storage.get(row.database, 0),
                sessions=sessions.get(row.username, 0),
                transactions=transactions.get(row.username, 0),
            )
            for row in rows
        ]

    async def unknown_databases(self) -> Sequence[str]:
        """Name the databases in the agent's form that no registry row knows."""
        async with self._pool.session() as session:
            found = await session.rows(read_query("unknown_databases.sql"))
        return [record["name"] for record in found if NAME_PATTERN.fullmatch(record["name"])]

    async def watch(self) -> Sequence[Cut]:
        """Cancel statements and end sessions that are over a limit, and take back what tenants gave themselves."""
        dialect = self._spoken()
        async with self._pool.session() as session:
            cuts = list(await watch(session, dialect))
            await prepared.look(session, dialect)
            users = await users_with_excess(session, dialect)
            rows = await registry.read_rows_of(session, users) if users else []
        for row in rows:
            async with self.claim(row.instance_id) as claim:
                if await self._restored(claim):
                    cuts.append(Cut(row.instance_id, Overrun.PRIVILEGES, session_ended=False))
        async with self._pool.session() as session:
            cuts += await self._trespassers_ended(session)
        return cuts

    async def ping(self) -> None:
        """Run one trivial statement."""
        async with self._pool.session() as session:
            await session.run("DO 0")

    async def _restored(self, claim: MySQLClaim) -> bool:
        row = claim.known
        if row is None or row.state is not State.RUNNING or row.accepted_generation != row.applied_generation:
            return False
        return await claim.restore_rights(row)

    async def _trespassers_ended(self, session: Session) -> Sequence[Cut]:
        ended = {trespasser.username for trespasser in await end_trespassers(session)}
        rows = await registry.read_rows_of(session, sorted(ended)) if ended else []
        return [Cut(row.instance_id, Overrun.PRIVILEGES, session_ended=True) for row in rows]

    async def _reports(self, session: Session, rows: Sequence[RegistryRow]) -> list[DatabaseReport]:
        seen = await observe(session, self._spoken(), rows, with_storage=True)
        return [self._report(row, seen[row.instance_id]) for row in rows]

    def _report(self, row: RegistryRow, seen: Observed) -> DatabaseReport:
        return DatabaseReport(
            instance_id=row.instance_id,
            database=row.database,
            username=row.username,
            state=row.state,
            accepted_generation=row.accepted_generation,
            applied_generation=row.applied_generation,
            credential_version=row.applied_credential_version,
            storage_bytes=seen.storage_bytes,
            sessions=seen.sessions,
            drift=drift_of(row, seen, dialect=self._spoken(), tls=self._tls),
        )

    def _spoken(self) -> Dialect:
        if self._dialect is None:
            raise EngineUnavailableError
        return self._dialect
