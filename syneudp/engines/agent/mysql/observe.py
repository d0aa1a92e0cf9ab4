"""What the engine really has of the tenants that the registry knows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from syneudp.engines.agent.driver import Drift, RegistryRow
from syneudp.engines.agent.mysql.batch import Statement
from syneudp.engines.agent.mysql.connections import Session
from syneudp.engines.agent.mysql.dialects import Dialect
from syneudp.engines.agent.mysql.statements import granted_columns
from syneudp.engines.contract import State

PRIVILEGE_SUFFIX: Final = "_priv"
DATABASES_QUERY: Final = "SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA WHERE SCHEMA_NAME IN %(names)s"
GRANTS_QUERY: Final = "SELECT * FROM mysql.db WHERE User IN %(names)s"
SESSIONS_QUERY: Final = (
    "SELECT USER AS username, COUNT(*) AS sessions FROM information_schema.PROCESSLIST"
    " WHERE USER IN %(names)s GROUP BY USER"
)


@dataclass(frozen=True)
class Account:
    """A tenant's account as the engine has it."""

    locked: bool
    verifier: str
    plugin: str
    max_connections: int
    tls: bool
    statement_seconds: float | None
    reaches_beyond: bool
    has_previous: bool = False

    def is_limited_like(self, row: RegistryRow, *, tls: bool) -> bool:
        """Say whether the account's own limits are the registry's; None where the server keeps no such limit."""
        return (
            self.max_connections == row.limits.max_connections
            and self.statement_seconds in {None, row.limits.statement_seconds}
            and (self.tls or not tls)
        )


@dataclass(frozen=True)
class Observed:
    """One tenant as the engine has it; grants by host part and database name, as sets of mysql.db's columns."""

    database: bool = False
    account: Account | None = None
    grants: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    sessions: int = 0
    storage_bytes: int = 0

    def has_exactly_the_grants_of(self, row: RegistryRow) -> bool:
        """Say whether the tenant holds the whole list on its own database, and nothing anywhere else."""
        return self.grants == {("%", row.database): granted_columns(row)} and not self._reaches_beyond

    @property
    def locked(self) -> bool:
        """Say whether nobody can have logged in as the tenant."""
        return self.account is None or self.account.locked

    @property
    def has_no_grants(self) -> bool:
        """Say whether the tenant holds nothing at all."""
        return not self.grants and not self._reaches_beyond

    @property
    def _reaches_beyond(self) -> bool:
        return self.account is not None and self.account.reaches_beyond


async def observe(
    session: Session, dialect: Dialect, rows: Sequence[RegistryRow], *, with_storage: bool = False
) -> dict[UUID, Observed]:
    """Read all of it in one trip to the server, however many rows there are."""
    if not rows:
        return {}
    usernames = [row.username for row in rows]
    databases, known, grants, counted = await session.batch(
        Statement.among(DATABASES_QUERY, [row.database for row in rows]),
        Statement.among(dialect.accounts_query, usernames),
        Statement.among(GRANTS_QUERY, usernames),
        Statement.among(SESSIONS_QUERY, usernames),
    )
    present = {record["name"] for record in databases.rows}
    accounts = {record.pop("username"): record for record in known.rows}
    sessions = {record["username"]: record["sessions"] for record in counted.rows}
    storage = await storage_bytes(session, dialect) if with_storage else {}
    return {
        row.instance_id: Observed(
            database=row.database in present,
            account=_account(accounts.get(row.username)),
            grants=_grants(record for record in grants.rows if record["User"] == row.username),
            sessions=sessions.get(row.username, 0),
            storage_bytes=storage.get(row.database, 0),
        )
        for row in rows
    }


async def storage_bytes(session: Session, dialect: Dialect) -> dict[str, int]:
    """Sum the tablespaces of every tenant's database; information_schema.TABLES lags by up to a day."""
    return {record["database_name"]: int(record["bytes"]) for record in await session.rows(dialect.storage_query, {})}


def drift_of(row: RegistryRow, seen: Observed, *, dialect: Dialect, tls: bool) -> list[str]:
    """Name every difference between the registry's word and the engine's."""
    if row.is_tombstone:
        left = {Drift.DATABASE_LEFT: seen.database, Drift.USER_LEFT: seen.account is not None}
        return [drift.value for drift, differs in left.items() if differs]
    account = seen.account
    if account is None or not seen.database:
        gone = {Drift.DATABASE_MISSING: not seen.database, Drift.USER_MISSING: account is None}
        return [drift.value for drift, differs in gone.items() if differs]
    running = row.state is State.RUNNING
    granted = seen.has_exactly_the_grants_of(row) if running else seen.has_no_grants
    differences = {
        Drift.LOGIN_OPEN: not running and not account.locked,
        Drift.LOGIN_CLOSED: running and account.locked,
        Drift.SESSIONS_LEFT: not running and seen.sessions > 0,
        Drift.LIMITS: not account.is_limited_like(row, tls=tls),
        Drift.PRIVILEGES: not granted,
        Drift.PREVIOUS_LOGIN: account.has_previous and row.previous_until is None,
        Drift.VERIFIER: (account.plugin, account.verifier) != (dialect.scheme.value, row.verifier),
    }
    return [drift.value for drift, differs in differences.items() if differs]


def _account(record: dict[str, Any] | None) -> Account | None:
    if record is None:
        return None
    return Account(
        locked=bool(record["locked"]),
        verifier=str(record["verifier"]),
        plugin=str(record["plugin"]),
        max_connections=int(record["max_connections"]),
        tls=bool(record["tls"]),
        statement_seconds=None if record["statement_seconds"] is None else float(record["statement_seconds"]),
        reaches_beyond=bool(record["reaches_beyond"]),
        has_previous=bool(record["has_previous"]),
    )


def _grants(records: Any) -> dict[tuple[str, str], frozenset[str]]:
    return {
        (record["Host"], record["Db"]): frozenset(
            column for column, value in record.items() if column.endswith(PRIVILEGE_SUFFIX) and value == "Y"
        )
        for record in records
    }
