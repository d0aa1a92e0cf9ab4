"""The most that a wallet may spend in a month: set, change or remove it, and say whether it leaves room."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from syneudp.kernel.database import Connection, execute, row
from syneudp.kernel.money import SECONDS_PER_HOUR
from syneudp.ledger import balance
from syneudp.wallet import cap_rules, rules
from syneudp.wallet.depletion import settle_depletion
from syneudp.wallet.months import Month
from syneudp.wallet.segment_records import open_segments
from syneudp.wallet.spending import spending_through
from syneudp.wallet.values import AlertKind, Cap, LockedWallet, Segment, Spending

READ: Final = "SELECT monthly_micros, set_at FROM wallet_caps WHERE wallet_id = $1 ORDER BY number DESC LIMIT 1"
SET: Final = (
    "INSERT INTO wallet_caps (wallet_id, number, monthly_micros, spent_micros, set_at)"
    " SELECT $1, 1 + coalesce(max(c.number), 0), $2, $3, $4 FROM wallet_caps c WHERE c.wallet_id = $1"
)
READ_REACHED: Final = (
    "SELECT ends_at, burn_micros_per_hour, cardinality(resource_ids) AS ran FROM wallet_alerts"
    f" WHERE wallet_id = $1 AND kind = '{AlertKind.CAP_REACHED}' AND ends_at >= $2 ORDER BY id DESC LIMIT 1"
)


async def cap_of(connection: Connection, wallet_id: UUID) -> Cap | None:
    """Read a wallet's monthly cap; None where there is none."""
    found = await row(connection, READ, wallet_id)
    return None if found is None or found["monthly_micros"] is None else Cap(**found)


async def set_cap(tx: Connection, locked: LockedWallet, *, monthly_micros: int | None) -> LockedWallet:
    """Set what a wallet may spend in a calendar month (UTC), in micro-units, or None for no cap, from now on.

    Where more was spent already, or not one more second fits, what runs ends now, as when a cap is reached: the
    resources are told in `depleted`. Does nothing where it is so already. Raises CapInvalidError.
    """
    cap_rules.check_cap(monthly_micros)
    present = None if locked.cap is None else locked.cap.monthly_micros
    if present == monthly_micros:
        return replace(locked, depleted=(), ended=None)
    segments = await open_segments(tx, locked.wallet.id)
    spending = await spending_through(tx, locked.wallet.id, locked.now)
    spent_micros = charged_by(segments, spending, now=locked.now)
    await execute(tx, SET, locked.wallet.id, monthly_micros, spent_micros, locked.now)
    held = replace(
        locked,
        balance_micros=await balance(tx, locked.wallet.account_id),
        depleted=(),
        ended=None,
        cap=None if monthly_micros is None else Cap(monthly_micros, locked.now),
    )
    return await settle_depletion(tx, held, depletes_at=held.now, changes_at=None)


async def reached_at(connection: Connection, wallet_id: UUID, cap: Cap, *, spent_micros: int, now: int) -> int | None:
    """Tell when the cap ended what ran in the month of `now`, while it still leaves no second of that; else None."""
    found = await row(connection, READ_REACHED, wallet_id, max(Month.of(now).begins_at, cap.set_at))
    if found is None or found["ends_at"] > now:
        return None
    next_second = found["burn_micros_per_hour"] // SECONDS_PER_HOUR + found["ran"]
    return int(found["ends_at"]) if spent_micros + next_second > cap.monthly_micros else None


def charged_by(segments: Sequence[Segment], spending: Spending, *, now: int) -> int:
    """Sum what the month of `now` was charged by then, in micro-units, closed segments to their end.

    `spending` is settled through `now`, or through an earlier instant.
    """
    month = Month.of(now)
    closed = cap_rules.spent((), spending, month, at=month.ends_at)
    return closed + sum(rules.charge(segment, month.begins_at, now) for segment in segments)
