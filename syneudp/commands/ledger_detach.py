"""Take whole months of long ago out of the books, once all of them were found right, and leave the proof in a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

from syneudp import identity, ledger
from syneudp.commands.hosts import OPERATOR_LENGTH_MAX, Operator
from syneudp.commands.ledger_audit import audit_books
from syneudp.commands.ledger_seals import CheckpointRefusedError, newest_lines
from syneudp.identity import Act
from syneudp.kernel import clock
from syneudp.kernel.clock import rfc3339
from syneudp.kernel.database import Connection, execute, reading, transact
from syneudp.ledger import DetachRefusedError
from syneudp.wallet import Month

NOT_PAST: Final = "Only entries of months that are over are detached."
NOT_RIGHT: Final = "The books break {} rules, which `ledger audit` names; nothing was detached."
HELD: Final = "Others hold the books too long; nothing was detached. Try again."
EXISTS: Final = "That file exists already; nothing was detached."
NO_FILE: Final = "The file cannot be written: {}. Nothing was detached."


@dataclass(frozen=True, slots=True)
class Detached:
    """The tables that are no longer part of the books, and the instant before which nothing is in them."""

    before_at: int
    tables: tuple[str, ...]


async def detach_before(month: Month, output: str, operator: Operator) -> Detached:
    """Audit the books, detach the entries written before a month, and write the checkpoint that ties the cut-off.

    The file must not exist yet, and is there only where the entries are detached. Raises DetachRefusedError.
    """
    if month > Month.of(await clock.now(reading())):
        raise DetachRefusedError(NOT_PAST)
    findings = await audit_books()
    if findings:
        raise DetachRefusedError(NOT_RIGHT.format(len(findings)))
    file = Path(output)
    _reserve(file)
    done = False

    async def whole(tx: Connection) -> list[str]:
        await execute(tx, "SET LOCAL statement_timeout = 0")
        tables = await ledger.detach_before(tx, month.begins_at)
        await ledger.take_checkpoint(tx)
        await _record(tx, operator, f"ledger detach before {month}")
        _write(file, await newest_lines(tx))
        return tables

    try:
        tables = await transact(whole)
        done = True
    except asyncpg.LockNotAvailableError:
        raise DetachRefusedError(HELD) from None
    except CheckpointRefusedError as refusal:
        raise DetachRefusedError(str(refusal)) from None
    finally:
        if not done:
            _release(file)
    return Detached(before_at=month.begins_at, tables=tuple(tables))


def detached_lines(done: Detached) -> list[str]:
    """Write what was detached as lines for a terminal."""
    return [
        f"The books begin at {rfc3339(done.before_at)} now; {len(done.tables)} tables stand beside them.",
        *(f"Detached: {name}" for name in done.tables),
    ]


def _reserve(file: Path) -> None:
    try:
        file.open("x").close()
    except FileExistsError:
        raise DetachRefusedError(EXISTS) from None
    except OSError as error:
        raise DetachRefusedError(NO_FILE.format(error.strerror)) from None


def _release(file: Path) -> None:
    file.unlink(missing_ok=True)


def _write(file: Path, lines: Sequence[str]) -> None:
    try:
        file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    except OSError as error:
        raise DetachRefusedError(NO_FILE.format(error.strerror)) from None


async def _record(tx: Connection, operator: Operator, told: str) -> None:
    await identity.record_audit(
        tx,
        user_id=None,
        actor=f"operator:{operator.name[:OPERATOR_LENGTH_MAX]}",
        act=Act.OPERATOR,
        subject=told,
        address="",
        user_agent="syneudp ledger",
        reason=operator.reason,
    )
