"""Take entries of long ago out of the books behind a checkpoint, with a sealed record of where they went on from."""

from typing import Final

import asyncpg

from syneudp.kernel import clock
from syneudp.kernel.database import PATIENT_SECONDS, Connection, row, rows, value
from syneudp.ledger.errors import DetachRefusedError
from syneudp.ledger.values import CutOff

DETACH: Final = "SELECT name FROM ledger_detach_before($1, $2) AS name"
READ_NEWEST: Final = "SELECT number, before_at, accounts, entries, digest FROM cut_offs ORDER BY number DESC LIMIT 1"


async def detach_before(tx: Connection, before_at: int) -> list[str]:
    """Detach the partitions of entries written before an instant (epoch seconds); answers the names of the tables.

    What each account held and where its sequence stood is kept as a cut-off, from which the audit goes on, and nothing
    is ever written before it again. The tables stay until the owner archives and drops them. Works as the owner of the
    books alone. Raises DetachRefusedError.
    """
    try:
        found = await rows(tx, DETACH, before_at, await clock.now(tx), timeout_seconds=PATIENT_SECONDS)
    except asyncpg.RaiseError as refusal:
        raise DetachRefusedError(str(refusal)) from None
    except asyncpg.InsufficientPrivilegeError:
        raise DetachRefusedError("Only the owner of the books detaches entries.") from None
    return [str(each["name"]) for each in found]


async def cut_off(connection: Connection) -> CutOff | None:
    """Read the newest cut-off; None where nothing was ever detached."""
    found = await row(connection, READ_NEWEST)
    return None if found is None else CutOff(**found)


async def cut_at(connection: Connection) -> int | None:
    """Tell the instant (epoch seconds) from which on the books hold every entry; None where they hold all."""
    found = await value(connection, "SELECT max(before_at) FROM cut_offs")
    return None if found is None else int(found)
