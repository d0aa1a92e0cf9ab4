"""The agent's registry on a MySQL or MariaDB engine, and the lock that one instance's claim holds."""

import hashlib
import random
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from syneudp.engines.agent.driver import RegistryRow, Unfinished, limits_of
from syneudp.engines.agent.errors import EngineUnavailableError, FencedError
from syneudp.engines.agent.mysql.batch import Answer, Statement
from syneudp.engines.agent.mysql.connections import Session
from syneudp.engines.agent.mysql.dialects import read_query
from syneudp.engines.contract import State

SALT_BYTES: Final = 32
LOCK_WAIT_SECONDS: Final = 30
COLUMNS: Final = (
    "instance_id, database_name, username, state, made, accepted_generation, applied_generation, credential_version,"
    " applied_credential_version, verifier, max_connections, temp_bytes, statement_seconds,"
    " idle_transaction_seconds, memory_bytes, may_grow, previous_until"
)

COUNT_SPARES: Final = (
    "SELECT COUNT(*) FROM syneudpagent.databases WHERE instance_id IS NULL AND made = 1 AND shape = %(shape)s"
)
COUNT_LIVING: Final = "SELECT COUNT(*) FROM syneudpagent.databases WHERE state IN ('running', 'suspended')"
READY_SPARES: Final = (
    "SELECT database_name, username FROM syneudpagent.databases"
    " WHERE instance_id IS NULL AND made = 1 AND shape = %(shape)s LIMIT 64"
)


async def raise_tables(session: Session) -> str:
    """Bring the registry's tables up to date and answer the salt of the lock names."""
    parameters = {"salt": secrets.token_hex(SALT_BYTES)}
    for statement in read_query("registry.sql").split(";\n\n"):
        await session.run(statement, parameters if "%(salt)s" in statement else None)
    return str(await session.value("SELECT salt FROM syneudpagent.lock_names WHERE one = 1"))


def lock_name(instance_id: UUID, salt: str) -> str:
    """Name the instance's lock, 64 characters long.

    A server has one room for the GET_LOCK names of everybody, so a tenant that could guess the name could keep its own
    suspension waiting: the salt stands in the registry, which no tenant can read.
    """
    return hashlib.sha256(bytes.fromhex(salt) + instance_id.bytes).hexdigest()


async def take_lock(session: Session, name: str, instance_id: UUID) -> RegistryRow | None:
    """Wait for the lock as long as the caller lets it, and read under it, in the same trip, what is known.

    It is held until it is given back or the connection ends.
    """
    while True:
        asked, known = await session.batch(
            Statement("SELECT GET_LOCK(%(name)s, %(wait)s) AS taken", {"name": name, "wait": LOCK_WAIT_SECONDS}),
            _reading(instance_id),
        )
        taken = asked.rows[0]["taken"]
        if taken == 1:
            return _known(known)
        if taken is None:
            raise EngineUnavailableError


async def try_lock(session: Session, name: str) -> bool:
    """Take the lock if nobody holds it."""
    return bool(await session.value("SELECT GET_LOCK(%(name)s, 0)", {"name": name}) == 1)


async def give_lock_back(session: Session, name: str) -> None:
    """Let the next holder in."""
    await session.run("DO RELEASE_LOCK(%(name)s)", {"name": name})


async def read_row(session: Session, instance_id: UUID) -> RegistryRow | None:
    """Read one instance, None where it was never heard of."""
    return _known((await session.batch(_reading(instance_id)))[0])


async def read_rows(session: Session, *, after: UUID | None, limit: int) -> Sequence[RegistryRow]:
    """Read a page of instances in the order of their ids, tombstones included."""
    found = await session.rows(
        f"SELECT {COLUMNS} FROM syneudpagent.databases WHERE instance_id > %(after)s"
        " ORDER BY instance_id LIMIT %(limit)s",
        {"after": "" if after is None else str(after), "limit": limit},
    )
    return [_row(record) for record in found]


async def read_living(session: Session) -> Sequence[RegistryRow]:
    """Read every instance that is no tombstone."""
    found = await session.rows(f"SELECT {COLUMNS} FROM syneudpagent.databases WHERE state IN ('running', 'suspended')")
    return [_row(record) for record in found]


async def count_spares(session: Session, *, shape: str) -> int:
    """Count the spares that are ready to be claimed."""
    return int(await session.value(COUNT_SPARES, {"shape": shape}))


async def take_spare(session: Session, row: RegistryRow, *, shape: str) -> RegistryRow | None:
    """Give a ready spare to an instance, in one statement that commits by itself.

    Candidates are tried in any order, so that claims made at once seldom meet; the one who changes the row has it.
    """
    found = await session.rows(READY_SPARES, {"shape": shape})
    random.shuffle(found)
    for spare in found:
        taken = replace(row, database=spare["database_name"], username=spare["username"], made=True)
        if await session.run(read_query("take_spare.sql"), {**_parameters(taken), "shape": shape}) == 1:
            return taken
    return None


async def read_rows_of(session: Session, usernames: Sequence[str]) -> Sequence[RegistryRow]:
    """Read the instances of at least one user."""
    found = await session.rows_among(
        f"SELECT {COLUMNS} FROM syneudpagent.databases WHERE username IN %(names)s AND instance_id IS NOT NULL",
        usernames,
    )
    return [_row(record) for record in found]


async def count_living(session: Session) -> int:
    """Count the instances that are no tombstones."""
    return int(await session.value(COUNT_LIVING))


async def read_pending(session: Session) -> Sequence[Unfinished]:
    """Name the instances whose accepted generation was not applied, oldest change first."""
    found = await session.rows(
        "SELECT instance_id, accepted_generation, state FROM syneudpagent.databases"
        " WHERE accepted_generation <> applied_generation ORDER BY changed_at, instance_id"
    )
    return [
        Unfinished(UUID(record["instance_id"]), record["accepted_generation"], State(record["state"]))
        for record in found
    ]


async def read_outlived(session: Session, now: int) -> Sequence[UUID]:
    """Name the instances whose previous password was to work until `now` (epoch seconds) or earlier."""
    found = await session.rows(
        "SELECT instance_id FROM syneudpagent.databases WHERE previous_until <= %(now)s ORDER BY previous_until",
        {"now": now},
    )
    return [UUID(record["instance_id"]) for record in found]


async def write_outcome(session: Session, row: RegistryRow, *, of: str) -> None:
    """Run the statement that brings a row's state about, and write in the same trip that it did.

    Raises FencedError where a newer generation, or another database, stands there by now and so stays.
    """
    _, written = await session.batch(Statement(of), Statement(read_query("write_row.sql"), _parameters(row)))
    if not written.touched:
        raise FencedError


async def write_row(session: Session, row: RegistryRow) -> None:
    """Insert or replace one instance; names never change once written.

    Raises FencedError where a newer generation, or another database, stands there already and so stays.
    """
    parameters = _parameters(row)
    if await session.run(read_query("write_row.sql"), parameters):
        return
    if not await session.run(read_query("insert_row.sql"), parameters):
        raise FencedError


def _reading(instance_id: UUID) -> Statement:
    return Statement(
        f"SELECT {COLUMNS} FROM syneudpagent.databases WHERE instance_id = %(instance_id)s",
        {"instance_id": str(instance_id)},
    )


def _known(answer: Answer) -> RegistryRow | None:
    return _row(answer.rows[0]) if answer.rows else None


def _parameters(row: RegistryRow) -> dict[str, Any]:
    return {
        "instance_id": str(row.instance_id),
        "database_name": row.database,
        "username": row.username,
        "state": row.state.value,
        "made": int(row.made),
        "accepted_generation": row.accepted_generation,
        "applied_generation": row.applied_generation,
        "credential_version": row.credential_version,
        "applied_credential_version": row.applied_credential_version,
        "verifier": row.verifier,
        "previous_until": row.previous_until,
        **row.limits.model_dump(),
    }


def _row(record: dict[str, Any]) -> RegistryRow:
    return RegistryRow(
        instance_id=UUID(record["instance_id"]),
        database=record["database_name"],
        username=record["username"],
        state=State(record["state"]),
        made=bool(record["made"]),
        accepted_generation=record["accepted_generation"],
        applied_generation=record["applied_generation"],
        credential_version=record["credential_version"],
        applied_credential_version=record["applied_credential_version"],
        verifier=record["verifier"],
        limits=limits_of({**record, "may_grow": bool(record["may_grow"])}),
        previous_until=record["previous_until"],
    )
