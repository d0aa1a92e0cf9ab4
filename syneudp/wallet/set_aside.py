"""A wallet whose books would break is set aside, so that its shard's hours close without it, and readmitted later.

While it is set aside its own posted hours end at `hour`, the shard's go on: every verb works from there, and what it
used stays owed. Readmission posts the hours between the two.
"""

from dataclasses import dataclass
from typing import Final, NoReturn
from uuid import UUID

from syneudp.kernel import clock
from syneudp.kernel.database import Connection, execute, row, rows
from syneudp.kernel.money import SECONDS_PER_HOUR
from syneudp.ledger import AccountKind, Entry, Reason, open_account, post
from syneudp.wallet import rules
from syneudp.wallet.segment_records import open_segments
from syneudp.wallet.values import LockedWallet

WHY_LENGTH_MAX: Final = 400
READ_RUNNING: Final = (
    "SELECT DISTINCT s.wallet_id FROM usage_segments s WHERE s.shard = $1 AND s.until_at IS NULL AND s.from_at < $2"
    " AND NOT EXISTS (SELECT FROM wallet_quarantines q WHERE q.wallet_id = s.wallet_id) ORDER BY s.wallet_id"
)
READ_ALL: Final = "SELECT wallet_id, hour, why, since_at FROM wallet_quarantines ORDER BY since_at, wallet_id"
SET_ASIDE: Final = (
    "INSERT INTO wallet_quarantines (wallet_id, shard, hour, why, since_at)"
    " SELECT w.id, w.shard, $2, $3, $4 FROM wallets w WHERE w.id = $1"
    " ON CONFLICT (wallet_id) DO NOTHING"
)
READ_POSTED: Final = (
    "SELECT q.hour, s.closed_through FROM wallet_quarantines q JOIN shards s ON s.shard = q.shard"
    " WHERE q.wallet_id = $1"
)


@dataclass(frozen=True, slots=True)
class Quarantine:
    """A wallet set aside: nothing of it is posted by hour closes from `hour` (epoch // 3600) on, for this reason."""

    wallet_id: UUID
    hour: int
    why: str
    since_at: int


class ProbedError(Exception):
    """The hour could be posted for this wallet; raised so that the trial leaves nothing."""


async def running_wallets(connection: Connection, shard: int, hour: int) -> list[UUID]:
    """List the wallets of a shard that an hour's close charges, by id."""
    return [found["wallet_id"] for found in await rows(connection, READ_RUNNING, shard, (hour + 1) * SECONDS_PER_HOUR)]


async def probe_hour(tx: Connection, locked: LockedWallet, hour: int) -> NoReturn:
    """Try to post an hour for one wallet alone. Raises ProbedError where it would stand, else what refused it."""
    await _post(tx, locked, until_at=(hour + 1) * SECONDS_PER_HOUR, key=f"probe:{locked.wallet.id}:{hour}")
    raise ProbedError


async def set_aside(tx: Connection, wallet_id: UUID, *, hour: int, why: str) -> bool:
    """Leave a wallet out of its shard's closes from an hour on; the shard's lock must be held alone."""
    told = why[:WHY_LENGTH_MAX] or "refused"
    return await execute(tx, SET_ASIDE, wallet_id, hour, told, await clock.now(tx)) == 1


async def readmit(tx: Connection, locked: LockedWallet) -> bool:
    """Post what a wallet set aside owes up to where its shard is closed, and take it back; False where it is not.

    Raises asyncpg's CheckViolationError where its books would still break.
    """
    found = await row(tx, READ_POSTED, locked.wallet.id)
    if found is None:
        return False
    until_at = found["closed_through"] * SECONDS_PER_HOUR
    key = f"readmission:{locked.wallet.id}:{found['hour']}:{found['closed_through']}"
    await _post(tx, locked, until_at=until_at, key=key)
    return await execute(tx, "DELETE FROM wallet_quarantines WHERE wallet_id = $1", locked.wallet.id) == 1


async def quarantines(connection: Connection) -> list[Quarantine]:
    """List the wallets that are set aside, longest first."""
    return [Quarantine(**found) for found in await rows(connection, READ_ALL)]


async def _post(tx: Connection, locked: LockedWallet, *, until_at: int, key: str) -> None:
    segments = await open_segments(tx, locked.wallet.id)
    rest = rules.owed(segments, posted_through_at=locked.closed_through_at, at=until_at)
    if not rest:
        return
    wallet = locked.wallet
    revenue = await open_account(tx, kind=AccountKind.REVENUE, shard=wallet.shard, currency=wallet.currency)
    await post(
        tx,
        reason=Reason.USAGE_REST,
        key=key,
        effective_at=until_at,
        created_at=locked.now,
        entries=[Entry(wallet.account_id, -rest), Entry(revenue, rest)],
    )
