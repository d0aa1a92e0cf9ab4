"""Limits of MySQL and MariaDB tenants, judged from what the server itself measures.

A tenant can set its own clock (SET timestamp), so MySQL's figures come from the timers of performance_schema and
MariaDB's from TIME_MS, which that clock does not move; both count a procedure's whole call as one statement.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from syneudp.engines.agent.driver import CANCEL_GRACE_SECONDS, Cut, Overrun, RegistryRow
from syneudp.engines.agent.mysql import registry, statements
from syneudp.engines.agent.mysql.connections import Session
from syneudp.engines.agent.mysql.dialects import Dialect
from syneudp.engines.contract import State

MEBIBYTE: Final = 1024 * 1024
SESSION_MEMORY_ALLOWED: Final = 64 * MEBIBYTE
TEMP_SPACE_ALLOWED: Final = MEBIBYTE


@dataclass(frozen=True, slots=True)
class Watched:
    """One session as the server measures it: seconds that the statement runs or the transaction stands idle, bytes."""

    id: int
    username: str
    statement_seconds: float
    idle_transaction_seconds: float
    memory_bytes: int
    temp_bytes: int


async def watch(session: Session, dialect: Dialect) -> Sequence[Cut]:
    """Look at every tenant's sessions once and end what is over a limit."""
    seen = [_watched(record) for record in await session.rows(dialect.watch_query)]
    if not seen:
        return []
    rows = {
        row.username: row
        for row in await registry.read_rows_of(session, sorted({watched.username for watched in seen}))
        if row.state is State.RUNNING
    }
    cuts = []
    for watched, cut in judge(seen, rows):
        statement = statements.kill(watched.id) if cut.session_ended else statements.kill_query(watched.id)
        if await session.run_unless_gone(statement):
            cuts.append(cut)
    return cuts


def judge(seen: Sequence[Watched], rows: Mapping[str, RegistryRow]) -> Iterator[tuple[Watched, Cut]]:
    """Name each session that is over a limit of its tenant; `seen` is ordered by age, oldest first.

    A session may hold SESSION_MEMORY_ALLOWED over memory_bytes for packets and rows under way, and
    TEMP_SPACE_ALLOWED over temp_bytes for what the server opens before anything is written.
    """
    places: Counter[str] = Counter()
    for watched in seen:
        row = rows.get(watched.username)
        if row is None:
            continue
        places[watched.username] += 1
        overrun = _overrun(watched, row, place=places[watched.username])
        if overrun is None:
            continue
        spared = (
            overrun is Overrun.STATEMENT
            and watched.statement_seconds < row.limits.statement_seconds + CANCEL_GRACE_SECONDS
        )
        yield watched, Cut(instance_id=row.instance_id, overrun=overrun, session_ended=not spared)


def _overrun(watched: Watched, row: RegistryRow, *, place: int) -> Overrun | None:
    limits = row.limits
    checks = {
        Overrun.CONNECTIONS: place > limits.max_connections,
        Overrun.IDLE_TRANSACTION: 0 < limits.idle_transaction_seconds <= watched.idle_transaction_seconds,
        Overrun.MEMORY: 0 < limits.memory_bytes < watched.memory_bytes - SESSION_MEMORY_ALLOWED,
        Overrun.TEMP_FILES: watched.temp_bytes > limits.temp_bytes + TEMP_SPACE_ALLOWED,
        Overrun.STATEMENT: 0 < limits.statement_seconds <= watched.statement_seconds,
    }
    return next((overrun for overrun, holds in checks.items() if holds), None)


def _watched(record: Mapping[str, Any]) -> Watched:
    return Watched(
        id=int(record["id"]),
        username=str(record["username"]),
        statement_seconds=float(record["statement_seconds"] or 0),
        idle_transaction_seconds=float(record["idle_transaction_seconds"] or 0),
        memory_bytes=int(record["memory_bytes"] or 0),
        temp_bytes=int(record["temp_bytes"] or 0),
    )
