"""What an account held at a past instant, from its entries."""

from typing import Final
from uuid import UUID

from syneudp.kernel.database import Connection, row
from syneudp.ledger.errors import AccountUnknownError, BooksCutError

READ: Final = (
    "SELECT coalesce(b.balance_micros, 0)::bigint AS before_micros, ledger_cut_at() AS cut_at, e.moved_micros"
    " FROM accounts a LEFT JOIN cut_bases b ON b.account_id = a.id"
)
SUM_WRITTEN: Final = (
    f"{READ} CROSS JOIN LATERAL (SELECT coalesce(sum(amount_micros), 0)::bigint AS moved_micros FROM entries"
    " WHERE account_id = a.id AND created_at <= $2) e WHERE a.id = $1"
)
SUM_EFFECTIVE: Final = (
    f"{READ} CROSS JOIN LATERAL (SELECT coalesce(sum(l.amount_micros), 0)::bigint AS moved_micros FROM entries l"
    " JOIN transfers t ON t.id = l.transfer_id WHERE l.account_id = a.id AND t.effective_at <= $2) e WHERE a.id = $1"
)


async def balance_at(connection: Connection, account_id: UUID, at: int) -> int:
    """Sum what was written on an account up to an instant (epoch seconds, that second included), in micro-units.

    This is what anybody could read then, and never changes afterwards: what is corrected later is written later.
    Raises AccountUnknownError, and BooksCutError for an instant whose entries were detached.
    """
    return await _sum(connection, SUM_WRITTEN, account_id, at)


async def effective_balance_at(connection: Connection, account_id: UUID, at: int) -> int:
    """Sum what counts on an account up to an instant (epoch seconds, that second included), in micro-units.

    An hour counts at its end however late it was closed, and a correction from the instant it was made effective: this
    may change afterwards. Raises AccountUnknownError, BooksCutError.
    """
    return await _sum(connection, SUM_EFFECTIVE, account_id, at)


async def _sum(connection: Connection, sql: str, account_id: UUID, at: int) -> int:
    found = await row(connection, sql, account_id, at)
    if found is None:
        raise AccountUnknownError
    if at < found["cut_at"] - 1:
        raise BooksCutError
    return int(found["before_micros"]) + int(found["moved_micros"])
