"""Wallets to be looked at once after a price was set: which are left, and when a shard is done."""

from typing import Final
from uuid import UUID

from syneudp.kernel.database import Connection, execute, rows
from syneudp.wallet.values import Reckoning

READ: Final = "SELECT tariff_id, begins_at, shard FROM tariff_reckonings ORDER BY begins_at, shard, tariff_id LIMIT $1"
WALLETS_ON: Final = (
    "SELECT DISTINCT s.wallet_id FROM usage_segments s WHERE s.shard = $1 AND s.until_at IS NULL AND s.tariff_id = $2"
    " AND ($3::uuid IS NULL OR s.wallet_id > $3) ORDER BY s.wallet_id LIMIT $4"
)
FINISH: Final = "DELETE FROM tariff_reckonings WHERE tariff_id = $1 AND begins_at = $2 AND shard = $3"


async def pending_reckonings(connection: Connection, *, limit: int) -> list[Reckoning]:
    """List the shards whose wallets wait to be looked at for a price to come, those of the next price first."""
    return [Reckoning(**found) for found in await rows(connection, READ, limit)]


async def wallets_of(connection: Connection, reckoning: Reckoning, *, after: UUID | None, limit: int) -> list[UUID]:
    """List the wallets that use something by the tariff in question, by id, those after `after` only."""
    found = await rows(connection, WALLETS_ON, reckoning.shard, reckoning.tariff_id, after, limit)
    return [each["wallet_id"] for each in found]


async def finish_reckoning(tx: Connection, reckoning: Reckoning) -> bool:
    """Write down that every wallet concerned was looked at; False where that was written already."""
    return await execute(tx, FINISH, reckoning.tariff_id, reckoning.begins_at, reckoning.shard) == 1
