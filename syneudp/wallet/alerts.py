"""Tell a customer about their money in time: each thing once an episode, with the numbers of that moment.

A wallet is told of its runway at 72 h, 24 h and 1 h, of its suspension, and of what follows. `wallet_alert_watches`
keeps how many thresholds it was told of and when to look at it next, moved by every change of balance or burn, so that
finding what is due is one read of an index. A runway that is lifted above a threshold, by whatever, arms it again; a
wallet that falls through several at once is told of the last alone. While nothing burns, nothing is armed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from syneudp.kernel.database import Connection, execute, load_sql, row, rows
from syneudp.kernel.identifiers import new_id
from syneudp.kernel.money import SECONDS_PER_HOUR
from syneudp.ledger import balance
from syneudp.wallet import rules
from syneudp.wallet.segment_records import open_segments
from syneudp.wallet.values import Alert, AlertKind, AlertPage, Announcement, LockedWallet, UsageEnd

RUNWAY_ALERTS: Final = (
    (72 * SECONDS_PER_HOUR, AlertKind.RUNWAY_72_HOURS),
    (24 * SECONDS_PER_HOUR, AlertKind.RUNWAY_24_HOURS),
    (SECONDS_PER_HOUR, AlertKind.RUNWAY_1_HOUR),
)
THRESHOLDS: Final = [seconds for seconds, _ in RUNWAY_ALERTS]
COLUMNS: Final = (
    "id, wallet_id, kind, raised_at, balance_micros, available_micros, burn_micros_per_hour, ends_at, resource_ids"
)
READ_WATCH: Final = (
    "SELECT w.level, w.look_at, d.depletes_at FROM wallet_alert_watches w"
    " LEFT JOIN wallet_depletions d ON d.wallet_id = w.wallet_id AND d.why = 'balance' WHERE w.wallet_id = $1"
)
KEEP_WATCH: Final = "UPDATE wallet_alert_watches SET level = $2, look_at = $3 WHERE wallet_id = $1"
END_WATCHES: Final = (
    "INSERT INTO wallet_alert_watches (wallet_id, level, look_at)"
    " SELECT wallet_id, $2, NULL FROM unnest($1::uuid[]) AS wallet_id ORDER BY wallet_id"
    " ON CONFLICT (wallet_id) DO UPDATE SET level = excluded.level, look_at = NULL"
)
REST_WATCH: Final = "UPDATE wallet_alert_watches SET look_at = NULL WHERE wallet_id = $1"
DUE: Final = "SELECT wallet_id FROM wallet_alert_watches WHERE look_at <= $1 ORDER BY look_at, wallet_id LIMIT $2"
INSERT: Final = f"INSERT INTO wallet_alerts ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
INSERT_SUSPENSIONS: Final = (
    f"INSERT INTO wallet_alerts ({COLUMNS})"
    " SELECT told.id, told.wallet_id, $3, told.raised_at, told.left_micros, told.left_micros, told.burn, told.ended_at,"
    " string_to_array(told.resources, ',')::uuid[]"
    " FROM unnest($1::uuid[], $2::uuid[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[])"
    " AS told (id, wallet_id, raised_at, left_micros, burn, ended_at, resources)"
)
LIST: Final = (
    f"SELECT {COLUMNS} FROM wallet_alerts WHERE wallet_id = $1 AND ($2::uuid IS NULL OR id < $2)"
    " ORDER BY id DESC LIMIT $3"
)
TAKE: Final = (
    "UPDATE wallet_alerts SET announced = true WHERE id = ("
    "SELECT id FROM wallet_alerts WHERE NOT announced ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)"
    f" RETURNING {COLUMNS}"
)


@dataclass(frozen=True, slots=True)
class Ended:
    """A settled wallet whose money ended, or cap was reached, at `ended_at`, and what it burnt until then."""

    locked: LockedWallet
    ended_at: int
    burn_micros_per_hour: int


async def remember_end(tx: Connection, locked: LockedWallet, end: UsageEnd) -> None:
    """Keep when the money or the cap ends what runs, and by the money when its runway is to be looked at next.

    That is at its next threshold, or now where one is armed again.
    """
    wallet = locked.wallet
    await execute(
        tx,
        load_sql(__file__, "remember_end.sql"),
        wallet.id,
        wallet.shard,
        end.at,
        end.why.value,
        locked.now,
        THRESHOLDS,
    )


async def alert_suspensions(tx: Connection, ended: Sequence[Ended]) -> None:
    """Tell in the settling transaction whose money ended and what stopped; no threshold is left for them."""
    await execute(tx, END_WATCHES, [each.locked.wallet.id for each in ended], len(RUNWAY_ALERTS))
    await execute(
        tx,
        INSERT_SUSPENSIONS,
        [new_id() for _ in ended],
        [each.locked.wallet.id for each in ended],
        AlertKind.SUSPENDED.value,
        [each.locked.now for each in ended],
        [each.locked.balance_micros for each in ended],
        [each.burn_micros_per_hour for each in ended],
        [each.ended_at for each in ended],
        [",".join(str(resource) for resource in each.locked.depleted) for each in ended],
    )


async def alert_cap_reached(tx: Connection, ended: Ended) -> None:
    """Tell in the settling transaction that the month's cap ended what ran; the money's thresholds stay as they are."""
    locked = ended.locked
    await execute(tx, REST_WATCH, locked.wallet.id)
    numbers = (locked.balance_micros, locked.balance_micros, ended.burn_micros_per_hour, ended.ended_at)
    await _insert(tx, locked, AlertKind.CAP_REACHED, *numbers, resource_ids=locked.depleted)


async def raise_alert(
    tx: Connection, locked: LockedWallet, kind: AlertKind, *, ends_at: int | None, resource_ids: Sequence[UUID]
) -> None:
    """Tell a customer something about their wallet as it is at `locked.now`; once an episode is the caller's part.

    `ends_at` is the instant that it is about and `resource_ids` what it concerns.
    """
    posted = await balance(tx, locked.wallet.account_id)
    segments = await open_segments(tx, locked.wallet.id)
    accrued = rules.owed(segments, posted_through_at=locked.closed_through_at, at=locked.now)
    burn = rules.burn(segments, at=locked.now)
    await _insert(tx, locked, kind, posted, max(posted - accrued, 0), burn, ends_at, resource_ids=resource_ids)


async def due_alerts(connection: Connection, now: int, limit: int) -> list[UUID]:
    """List the wallets whose runway is to be looked at by `now`, longest due first."""
    return [found["wallet_id"] for found in await rows(connection, DUE, now, limit)]


async def raise_runway_alert(tx: Connection, locked: LockedWallet) -> AlertKind | None:
    """Look at a wallet's runway: tell of the threshold it fell through, or arm those it was lifted above.

    Does nothing where another process has looked already.
    """
    found: Any = await row(tx, READ_WATCH, locked.wallet.id)
    if found is None or found["look_at"] is None or found["look_at"] > locked.now:
        return None
    level, ends_at = found["level"], found["depletes_at"]
    if ends_at is None:
        await execute(tx, KEEP_WATCH, locked.wallet.id, level, None)
        return None
    reached = sum(ends_at - locked.now <= seconds for seconds in THRESHOLDS)
    look_at = ends_at - THRESHOLDS[reached] if reached < len(THRESHOLDS) else None
    await execute(tx, KEEP_WATCH, locked.wallet.id, reached, look_at)
    if reached <= level:
        return None
    kind = RUNWAY_ALERTS[reached - 1][1]
    running = [segment.resource_id for segment in await open_segments(tx, locked.wallet.id)]
    await raise_alert(tx, locked, kind, ends_at=ends_at, resource_ids=running)
    return kind


async def alerts_of(connection: Connection, wallet_id: UUID, *, limit: int, cursor: UUID | None) -> AlertPage:
    """List what a wallet's customer was told, newest first; the cursor is the last id seen."""
    found = await rows(connection, LIST, wallet_id, cursor, limit + 1)
    items = tuple(_alert(each) for each in found[:limit])
    return AlertPage(items=items, next_cursor=items[-1].id if len(found) > limit else None)


async def take_unannounced(tx: Connection) -> Announcement | None:
    """Take one alert that is not announced yet; it counts as announced once `tx` commits."""
    found = await row(tx, TAKE)
    if found is None:
        return None
    owner: Any = await row(tx, "SELECT user_id, currency FROM wallets WHERE id = $1", found["wallet_id"])
    return Announcement(alert=_alert(found), **owner)


async def _insert(
    tx: Connection,
    locked: LockedWallet,
    kind: AlertKind,
    *numbers: int | None,
    resource_ids: Sequence[UUID],
) -> None:
    await execute(tx, INSERT, new_id(), locked.wallet.id, kind.value, locked.now, *numbers, list(resource_ids))


def _alert(found: dict[str, Any]) -> Alert:
    return Alert(**{**found, "kind": AlertKind(found["kind"]), "resource_ids": tuple(found["resource_ids"])})
