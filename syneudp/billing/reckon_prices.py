"""Look at every wallet that a price to come concerns, so that its depletion is told with that price in mind."""

from collections.abc import Callable
from functools import partial
from typing import Final
from uuid import UUID

from syneudp import instances, wallet
from syneudp.kernel.database import Connection, reading, transact
from syneudp.kernel.logging import log
from syneudp.wallet import Reckoning

SHARDS_A_ROUND: Final = 1024
WALLETS_AT_A_TIME: Final = 500


async def reckon_prices(*, stopped: Callable[[], bool], held: Callable[[], None]) -> int:
    """Compute the depletion of the wallets that newly set prices concern anew; answers how many were looked at.

    A shard is done once all of its wallets were; one that was left in the middle is begun again, which changes nothing.
    What is not done when the price begins is done by the close of the hour before. `held` is called where the money of
    one had ended on the way.
    """
    looked_at = 0
    for reckoning in await wallet.pending_reckonings(reading(), limit=SHARDS_A_ROUND):
        after: UUID | None = None
        while concerned := await wallet.wallets_of(reading(), reckoning, after=after, limit=WALLETS_AT_A_TIME):
            for wallet_id in concerned:
                if stopped():
                    return looked_at
                if await transact(partial(_look, wallet_id=wallet_id)):
                    held()
                looked_at += 1
            after = concerned[-1]
        await transact(partial(_finish, reckoning=reckoning))
    if looked_at:
        log.info("prices_reckoned", wallets=looked_at)
    return looked_at


async def _look(tx: Connection, *, wallet_id: UUID) -> bool:
    locked = await instances.lock_wallet(tx, wallet_id)
    await wallet.recompute_depletion(tx, locked)
    return bool(locked.depleted)


async def _finish(tx: Connection, *, reckoning: Reckoning) -> None:
    await wallet.finish_reckoning(tx, reckoning)
