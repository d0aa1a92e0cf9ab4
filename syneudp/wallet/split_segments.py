"""Split the open segments of a shard where prices or storage change, right after the hour before was closed."""

from typing import Final

from syneudp.kernel import clock
from syneudp.kernel.database import Connection, execute, load_sql, rows, value
from syneudp.kernel.money import SECONDS_PER_HOUR
from syneudp.wallet.caps import cap_of
from syneudp.wallet.depletion import recompute_depletion
from syneudp.wallet.reckonings import finish_reckoning, wallets_of
from syneudp.wallet.values import LockedWallet, Reckoning, WalletRecord

ANYTHING_CHANGES: Final = (
    "SELECT EXISTS (SELECT FROM tariff_versions WHERE begins_at = $2)"
    " OR EXISTS (SELECT FROM storage_steps WHERE shard = $1 AND begins_at = $2)"
)
LATE_RECKONINGS: Final = (
    "SELECT tariff_id, begins_at, shard FROM tariff_reckonings WHERE shard = $1 AND begins_at <= $2"
)
READ_WALLETS: Final = (
    "SELECT w.id, w.user_id, w.account_id, w.shard, w.currency FROM wallets w WHERE w.id = ANY($1)"
    " AND NOT EXISTS (SELECT FROM wallet_quarantines q WHERE q.wallet_id = w.id) ORDER BY w.id FOR NO KEY UPDATE"
)
EVERY_WALLET: Final = 1_000_000


async def split_at(tx: Connection, *, shard: int, at: int) -> int:
    """Split what changes at an hour boundary (epoch seconds) and answer how many segments were; mostly none.

    For the close, in its transaction: the shard's lock is held alone and the shard is closed through `at`, so that the
    closed pieces are posted. Wallets that were set aside are split when they are locked. No depletion moves, since it
    saw the change ahead, but for wallets that nobody had looked at yet after a new price was set.
    """
    if not await value(tx, ANYTHING_CHANGES, shard, at):
        return 0
    split = await execute(tx, load_sql(__file__, "split_at.sql"), shard, at)
    for found in await rows(tx, LATE_RECKONINGS, shard, at):
        await _reckon(tx, Reckoning(**found), at)
    return split


async def _reckon(tx: Connection, late: Reckoning, at: int) -> None:
    concerned = await wallets_of(tx, late, after=None, limit=EVERY_WALLET)
    for found in await rows(tx, READ_WALLETS, concerned):
        held = LockedWallet(
            wallet=WalletRecord(**found),
            now=max(await clock.now(tx), at),
            closed_through_at=at // SECONDS_PER_HOUR * SECONDS_PER_HOUR,
            balance_micros=0,
            depleted=(),
            cap=await cap_of(tx, found["id"]),
        )
        await recompute_depletion(tx, held)
    await finish_reckoning(tx, late)
