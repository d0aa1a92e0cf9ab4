"""What a dialect driver owes the agent's frame, and the values the two exchange.

The frame (`syneudp.engines.agent.apply`) alone decides: it fences generations, keeps tombstones, orders intent before
statements and outcome after them, and redoes what was accepted and not applied. A driver holds engine statements only
and never compares generations.

Every driver keeps, in the database `syneudpagent` of its engine, one registry row an instance (see `RegistryRow`).
"""

import base64
import re
import secrets
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol
from uuid import UUID

from syneudp.engines.contract import DatabaseReport, Endpoint, Engine, Limits, Scheme, State, UsageItem

REGISTRY_DATABASE: Final = "syneudpagent"
NAME_RANDOM_CHARACTERS: Final = 20
NAME_RANDOM_BYTES: Final = 13
DATABASE_PREFIX: Final = "db"
USERNAME_PREFIX: Final = "u"
CANCEL_GRACE_SECONDS: Final = 5
NAME_PATTERN: Final = re.compile(r"(?:db|u)[a-z2-7]{20}")


@dataclass(frozen=True, slots=True)
class Names:
    """A database's and its user's name: chosen by the agent, never reused, never a customer's text."""

    database: str
    username: str


def new_names() -> Names:
    """Choose names no other instance ever had: 100 random bits, no `_` and no `%` (MySQL reads both as patterns)."""
    random = base64.b32encode(secrets.token_bytes(NAME_RANDOM_BYTES)).decode("ascii")
    suffix = random.lower()[:NAME_RANDOM_CHARACTERS]
    return Names(database=DATABASE_PREFIX + suffix, username=USERNAME_PREFIX + suffix)


@dataclass(frozen=True, slots=True)
class RegistryRow:
    """What the agent knows of one instance. UNIQUE by instance_id, by database and by username; rows are never deleted.

    state, credential_version, verifier and limits are those of the accepted generation, whole, so that a restarted
    agent can redo it without the control plane. `made` says that the database and its user were once completely
    created: a made database that is missing is a loss to report, never something to create again, empty.
    applied_generation and applied_credential_version are 0 until something was applied. A row with state
    `terminated` is a tombstone; its verifier is the empty text. previous_until is the instant (epoch seconds) up to
    which the password before the last rotation works beside the new one; None where there is none.
    """

    instance_id: UUID
    database: str
    username: str
    state: State
    made: bool
    accepted_generation: int
    applied_generation: int
    credential_version: int
    applied_credential_version: int
    verifier: str
    limits: Limits
    previous_until: int | None = None

    @property
    def sets_verifier(self) -> bool:
        """Tell whether the password is yet to be set; one that the tenant changed in SQL stays until a rotation."""
        return self.credential_version != self.applied_credential_version

    @property
    def is_tombstone(self) -> bool:
        """Tell whether the instance is terminated for good."""
        return self.state is State.TERMINATED


@dataclass(frozen=True, slots=True)
class Unfinished:
    """What was accepted for an instance and is not applied: its generation and its desired state."""

    instance_id: UUID
    generation: int
    state: State


def limits_of(found: Mapping[str, Any]) -> Limits:
    """Take the limits out of a registry record, whose columns are named like them."""
    return Limits(**{name: found[name] for name in Limits.model_fields})


class Drift(StrEnum):
    """How an engine may differ from the registry. The words a report's `drift` uses, the same for every engine."""

    DATABASE_MISSING = "database_missing"
    USER_MISSING = "user_missing"
    DATABASE_LEFT = "database_left"
    USER_LEFT = "user_left"
    LOGIN_OPEN = "login_open"
    LOGIN_CLOSED = "login_closed"
    SESSIONS_LEFT = "sessions_left"
    LIMITS = "limits"
    PRIVILEGES = "privileges"
    VERIFIER = "verifier"
    PREVIOUS_LOGIN = "previous_login"


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What a driver found at `open`: flavour (`postgresql`, `mysql`, `mariadb`), version text, whether TLS is on."""

    flavour: str
    version: str
    tls: bool


class Overrun(StrEnum):
    """Which limit a session was over when the watchdog cut it."""

    STATEMENT = "statement"
    IDLE_TRANSACTION = "idle_transaction"
    MEMORY = "memory"
    TEMP_FILES = "temp_files"
    CONNECTIONS = "connections"
    PRIVILEGES = "privileges"
    SETTINGS = "settings"


@dataclass(frozen=True, slots=True)
class Cut:
    """One act of the watchdog: a statement cancelled, its whole session ended, or what a tenant gave itself undone."""

    instance_id: UUID
    overrun: Overrun
    session_ended: bool


class Claim(Protocol):
    """One instance, locked in the engine from intent to outcome.

    All methods run on the connection that holds the lock, so that losing the lock loses the ability to write.
    Every method is idempotent and may meet the half-done work of a predecessor that was killed at any point.
    Connection failures come out as `EngineUnavailableError`.
    """

    @property
    def known(self) -> RegistryRow | None:
        """The registry row as it stood when the lock was taken, None where the instance was never heard of."""
        ...

    async def read(self) -> RegistryRow | None:
        """Read the registry row as it stands now."""
        ...

    async def write(self, row: RegistryRow) -> None:
        """Insert or replace the registry row; durable when it returns."""
        ...

    async def take_spare(self, row: RegistryRow) -> RegistryRow | None:
        """Make a ready spare an instance that has no registry row yet: `row`, applied, under the spare's names.

        Its user is let in, and intent and outcome are durable, when it returns; None where there is no spare.
        """
        ...

    async def create(self, row: RegistryRow) -> None:
        """Make user and database in the tenant shape, grants included, but locked: nobody can log in after it.

        Called only while `row.made` is false. The database is closed to others from its first moment.
        """
        ...

    async def open_login(self, row: RegistryRow, *, rebuild: bool, end_sessions: bool) -> int:
        """Set limits, and the verifier where `row.sets_verifier`, and let the user in. Answer how many sessions ended.

        `rebuild` makes the grants anew from the desired list first (false only straight after `create`). The password
        that the verifier replaces goes on working where `row.previous_until` says so, and no other one does.
        `end_sessions` ends every session that was there, after the new verifier is in force.
        Raises `DatabaseMissingError` when the database or user is gone.
        """
        ...

    async def close_login(self, row: RegistryRow) -> int:
        """Set limits and verifier like `open_login`, refuse the user, end its sessions until none is left, twice.

        Returns only when no session of that user and in that database is left, with the number ended. A database that
        is gone is closed like one that is there, and told by its report; a user that is gone raises
        `DatabaseMissingError`.
        """
        ...

    async def end_previous_password(self, row: RegistryRow, /) -> int:
        """Refuse the password before the last rotation and end every session, since any may have come in by it.

        Answer the number of sessions ended. Fine where there is no such password.
        """
        ...

    async def drop(self, row: RegistryRow) -> int:
        """Refuse the user, end its sessions, drop database and user. Gone already is success."""
        ...


@dataclass(frozen=True, slots=True)
class Spare:
    """One spare. `ready` says that it is made, `whole` that the engine really has its database and its user.

    `current` says that it was begun in the shape that this release makes; no other is ever claimed.
    """

    names: Names
    ready: bool
    whole: bool
    current: bool


class Shelf(Protocol):
    """An engine's spares, held by one agent at a time. Every method may meet what a killed predecessor left."""

    async def spares(self) -> Sequence[Spare]:
        """List every spare, the oldest first."""
        ...

    async def reserve(self, names: Names) -> None:
        """Write down that a spare of that name is being made; durable when it returns."""
        ...

    async def make(self, names: Names) -> None:
        """Make a reserved or withdrawn spare's database and locked user, then let it be claimed."""
        ...

    async def withdraw(self, names: Names) -> bool:
        """Let a ready spare be claimed no more; False where somebody was quicker."""
        ...

    async def discard(self, names: Names) -> None:
        """Drop a withdrawn or half-made spare and forget it."""
        ...


class Driver(Protocol):
    """One engine of the host. Built as `SomeDriver(admin_url=..., endpoint_host=..., endpoint_port=...)`."""

    @property
    def engine(self) -> Engine:
        """Tell which engine name of the contract this driver serves."""
        ...

    @property
    def endpoint(self) -> Endpoint:
        """Where customers connect; `tls` is known after `open`."""
        ...

    async def open(self) -> EngineFacts:
        """Connect, verify version and preparation, bring the registry's tables up to date.

        Raises `EngineUnavailableError` when it cannot be reached (the frame tries again), `EngineUnsupportedError`
        for a flavour or version outside the design and `EngineUnpreparedError` listing every missing effect of
        `prepare` (both end the agent at start). May be called again after a failure.
        """
        ...

    async def close(self) -> None:
        """Close every connection. Fine when not open."""
        ...

    @property
    def scheme(self) -> Scheme:
        """Tell which verifier this server takes out of a desired state; known after `open`."""
        ...

    @property
    def keeps_previous_password(self) -> bool:
        """Tell whether the server can keep the password before a rotation beside the new one; known after `open`."""
        ...

    async def outlived(self, now: int, /) -> Sequence[UUID]:
        """Ids of instances whose previous password was to work until `now` (epoch seconds) or earlier."""
        ...

    def claim(self, instance_id: UUID) -> AbstractAsyncContextManager[Claim]:
        """Hold the instance's lock, waiting for another holder; the caller's deadline cancels the wait."""
        ...

    async def pending(self) -> Sequence[Unfinished]:
        """Instances whose accepted generation is not their applied one, oldest change first."""
        ...

    async def count_instances(self) -> int:
        """Count the instances that are no tombstones."""
        ...

    async def count_spares(self) -> int:
        """Count the spares that are ready to be claimed."""
        ...

    def shelf(self) -> AbstractAsyncContextManager[Shelf | None]:
        """Hold the engine's spares against every other agent; None where another one holds them."""
        ...

    async def report(self, instance_id: UUID) -> DatabaseReport | None:
        """Compare registry and engine for one instance, tombstones included; None where it was never heard of."""
        ...

    async def reports(self, *, after: UUID | None, limit: int) -> Sequence[DatabaseReport]:
        """Compare registry and engine for up to `limit` instances with an id above `after`, ascending by id."""
        ...

    async def unknown_databases(self) -> Sequence[str]:
        """Names of databases in the agent's form (`NAME_PATTERN`) that no registry row knows."""
        ...

    async def usage(self) -> Sequence[UsageItem]:
        """Measure every instance that is not terminated in one pass: bytes, sessions now, transactions ever."""
        ...

    async def watch(self) -> Sequence[Cut]:
        """Look once at every running tenant's sessions and end what is over a limit.

        A statement is cancelled first; one that goes on CANCEL_GRACE_SECONDS longer loses its session.
        """
        ...

    async def ping(self) -> None:
        """Run one trivial statement. Raises `EngineUnavailableError`."""
        ...


@dataclass(frozen=True, slots=True)
class PrepareOrder:
    """What `prepare(order)` of a dialect needs.

    superuser_url is used for this one run and kept nowhere. admin_url names the agent's login and password as the
    agent will use them. agent_hosts are the MySQL host parts of the agent's account (`'10.9.0.%'`, `'localhost'`);
    on PostgreSQL, where pg_hba limits logins, they are not used. require_tls refuses a server without TLS.
    """

    superuser_url: str
    admin_url: str
    agent_hosts: tuple[str, ...]
    require_tls: bool
