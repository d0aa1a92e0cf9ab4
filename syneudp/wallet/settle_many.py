"""Settle many wallets whose money has ended in one transaction: what a wallet costs then is a row and no statement.

Only the plain case, a wallet whose open segments meet no change of price or storage before its money ends; all others,
and those that reached their monthly cap, are left to `lock_wallet`, which settles one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from syneudp.kernel import clock
from syneudp.kernel.database import Connection, execute, load_sql, rows
from syneudp.kernel.money import SECONDS_PER_HOUR
from syneudp.ledger import AccountKind, Entry, Posting, Reason, open_account, post_many
from syneudp.wallet import rules
from syneudp.wallet.alerts import Ended, alert_suspensions
from syneudp.wallet.depletion import depletion_key
from syneudp.wallet.locks import SHARD_LOCKS
from syneudp.wallet.segment_records import close_segments, segment_from
from syneudp.wallet.values import EndCause, LockedWallet, Segment, UsageEnd, WalletRecord

LOCK_SHARDS: Final = (
    "SELECT pg_advisory_xact_lock_shared($2, told.shard)"
    " FROM (SELECT DISTINCT shard FROM wallets WHERE id = ANY($1::uuid[]) ORDER BY shard) told"
)
FIND_REVENUES: Final = (
    "SELECT a.id, a.shard, a.currency FROM unnest($1::smallint[], $2::text[]) AS told (shard, currency)"
    " JOIN accounts a ON a.kind = 'revenue' AND a.shard = told.shard AND a.currency = told.currency AND a.provider = ''"
)
LOCK_WALLETS: Final = (
    "SELECT id, user_id, account_id, shard, currency FROM wallets WHERE id = ANY($1::uuid[])"
    " ORDER BY id FOR NO KEY UPDATE"
)


@dataclass(frozen=True, slots=True)
class _End:
    """A wallet whose money ended at a second, and the pieces of its segments that end there."""

    locked: LockedWallet
    revenue_id: UUID
    ended_at: int
    pieces: Sequence[Segment]

    @property
    def rest_micros(self) -> int:
        through = self.locked.closed_through_at
        return sum(rules.charge(piece, through, piece.until_at or 0) for piece in self.pieces)

    def posting(self) -> Posting:
        return Posting(
            reason=Reason.USAGE_DEPLETED,
            key=depletion_key(self.locked.wallet.id, self.ended_at),
            effective_at=self.ended_at,
            created_at=self.locked.now,
            entries=(
                Entry(self.locked.wallet.account_id, -self.rest_micros),
                Entry(self.revenue_id, self.rest_micros),
            ),
        )

    def told(self, pieces: Sequence[Segment]) -> Ended:
        locked = self.settled()
        return Ended(locked=locked, ended_at=self.ended_at, burn_micros_per_hour=rules.burn(pieces, at=self.ended_at))

    def settled(self) -> LockedWallet:
        return replace(
            self.locked,
            balance_micros=self.locked.balance_micros - self.rest_micros,
            depleted=tuple(piece.resource_id for piece in self.pieces),
            ended=UsageEnd(self.ended_at, EndCause.BALANCE),
        )


async def settle_many(tx: Connection, wallet_ids: Sequence[UUID]) -> list[LockedWallet]:
    """Lock wallets of any shards and end those whose money has ended by now; answers these, as they are then.

    For each it does what `lock_wallet` does for one: segments close at the very second and are posted, the depletion is
    gone and the customer is told, afterwards 0 <= balance < the cost of the next second. Shards are locked in their
    order, then wallets in theirs. Raises SegmentConflictError and what `post_many` raises, and then nothing was done.
    """
    wanted = list(wallet_ids)
    await rows(tx, LOCK_SHARDS, wanted, SHARD_LOCKS)
    records = {found["id"]: WalletRecord(**found) for found in await rows(tx, LOCK_WALLETS, wanted)}
    held = await rows(tx, load_sql(__file__, "read_many_locked.sql"), list(records), clock.stands_at())
    due = {each["id"]: each for each in held if each["why"] == EndCause.BALANCE and each["depletes_at"] <= each["now"]}
    segments: dict[UUID, list[Segment]] = {wallet_id: [] for wallet_id in due}
    for found in await rows(tx, load_sql(__file__, "open_segments.sql"), list(due)):
        segments[found["wallet_id"]].append(segment_from(found))
    revenues = await _revenues(tx, [records[wallet_id] for wallet_id in due])
    ends = [
        end
        for wallet_id, found in due.items()
        if (end := _end_of(records[wallet_id], found, segments[wallet_id], revenues)) is not None
    ]
    if not ends:
        return []
    await close_segments(tx, [piece for end in ends for piece in end.pieces])
    await post_many(tx, [end.posting() for end in ends if end.rest_micros])
    await execute(tx, "DELETE FROM wallet_depletions WHERE wallet_id = ANY($1)", [end.locked.wallet.id for end in ends])
    await alert_suspensions(tx, [end.told(segments[end.locked.wallet.id]) for end in ends])
    return [end.settled() for end in ends]


async def _revenues(tx: Connection, wallets: Sequence[WalletRecord]) -> dict[tuple[int, str], UUID]:
    wanted = sorted({(wallet.shard, wallet.currency) for wallet in wallets})
    found = await rows(tx, FIND_REVENUES, [shard for shard, _ in wanted], [currency for _, currency in wanted])
    revenues = {(each["shard"], each["currency"]): each["id"] for each in found}
    for shard, currency in wanted:
        if (shard, currency) not in revenues:
            account = await open_account(tx, kind=AccountKind.REVENUE, shard=shard, currency=currency)
            revenues[shard, currency] = account
    return revenues


def _end_of(
    wallet: WalletRecord,
    found: dict[str, Any],
    segments: Sequence[Segment],
    revenues: Mapping[tuple[int, str], UUID],
) -> _End | None:
    locked = LockedWallet(
        wallet=wallet,
        now=found["now"],
        closed_through_at=found["posted_through"] * SECONDS_PER_HOUR,
        balance_micros=found["balance_micros"],
        depleted=(),
    )
    ended_at = rules.depletes_at(
        segments, posted_through_at=locked.closed_through_at, balance_micros=locked.balance_micros
    )
    if ended_at is None or ended_at > locked.now:
        return None
    if any(change.at < ended_at for segment in segments for change in segment.coming):
        return None
    pieces = [replace(segment, until_at=max(ended_at, segment.from_at), coming=()) for segment in segments]
    return _End(locked=locked, revenue_id=revenues[wallet.shard, wallet.currency], ended_at=ended_at, pieces=pieces)
