"""The locks of money, in their one order: the shard, then the wallet, then whatever stands above.

Whoever opens, closes or posts shares the shard's lock; closing an hour holds it alone. `now` is read once both are
held, so that whatever was committed before is seen and whatever comes after is later.
"""

from typing import Any, Final
from uuid import UUID

from syneudp.kernel import clock
from syneudp.kernel.database import Connection, execute, row
from syneudp.kernel.money import SECONDS_PER_HOUR
from syneudp.wallet.depletion import settle_depletion
from syneudp.wallet.errors import WalletNotFoundError
from syneudp.wallet.values import Cap, LockedWallet, WalletRecord

SHARD_LOCKS: Final = 0x5348
LOCK: Final = (
    "WITH shared AS MATERIALIZED"
    " (SELECT id, pg_advisory_xact_lock_shared($2, shard) FROM wallets WHERE id = $1)"
    " SELECT w.id, w.user_id, w.account_id, w.shard, w.currency, w.last_event_at"
    " FROM shared JOIN wallets w ON w.id = shared.id FOR NO KEY UPDATE OF w"
)
READ_LOCKED: Final = (
    "WITH held AS MATERIALIZED (SELECT coalesce(q.hour, s.closed_through) AS posted_through, a.balance_micros,"
    " d.depletes_at, cap.monthly_micros AS cap_micros, cap.set_at AS cap_set_at,"
    f" greatest({clock.instant_or('$3')}, s.closed_through * $4::bigint, $2::bigint) AS now,"
    " (SELECT min(c.begins_at) FROM usage_segments u"
    " CROSS JOIN LATERAL usage_changes(u.tariff_id, u.resource_id, u.running, u.from_at) c"
    " WHERE u.wallet_id = w.id AND u.until_at IS NULL"
    " AND (c.price_micros_per_hour, c.storage_steps) <> (u.price_micros_per_hour, u.storage_steps)) AS changes_at"
    " FROM wallets w JOIN shards s ON s.shard = w.shard JOIN accounts a ON a.id = w.account_id"
    " LEFT JOIN wallet_depletions d ON d.wallet_id = w.id"
    " LEFT JOIN wallet_quarantines q ON q.wallet_id = w.id"
    " LEFT JOIN LATERAL (SELECT c.monthly_micros, c.set_at FROM wallet_caps c WHERE c.wallet_id = w.id"
    " ORDER BY c.number DESC LIMIT 1) cap ON true WHERE w.id = $1),"
    " remembered AS (UPDATE wallets SET last_event_at = held.now FROM held WHERE id = $1 AND last_event_at < held.now)"
    " SELECT * FROM held"
)


async def lock_wallet(tx: Connection, wallet_id: UUID) -> LockedWallet:
    """Lock a wallet for the rest of `tx` and settle its depletion first: a late top-up never pays for dry seconds.

    Where a price changed since, its segments are split there.

    `now` is the greatest of the clock, the shard's last closed hour and the wallet's last event: a clock that stepped
    back reopens nothing. Raises WalletNotFoundError.
    """
    found = await row(tx, LOCK, wallet_id, SHARD_LOCKS)
    if found is None:
        raise WalletNotFoundError
    last_event_at = found.pop("last_event_at")
    held: Any = await row(tx, READ_LOCKED, wallet_id, last_event_at, clock.stands_at(), SECONDS_PER_HOUR)
    return await settle_depletion(
        tx,
        LockedWallet(
            wallet=WalletRecord(**found),
            now=held["now"],
            closed_through_at=held["posted_through"] * SECONDS_PER_HOUR,
            balance_micros=held["balance_micros"],
            depleted=(),
            cap=None if held["cap_micros"] is None else Cap(held["cap_micros"], held["cap_set_at"]),
        ),
        depletes_at=held["depletes_at"],
        changes_at=held["changes_at"],
    )


async def lock_shard_for_close(tx: Connection, shard: int) -> None:
    """Take a shard's lock alone, waiting so briefly that nobody queues behind; 55P03 is for `transact` to try again."""
    await execute(tx, "SELECT wallet_lock_shard_alone($1, $2)", SHARD_LOCKS, shard)
