"""Act in the second in which a wallet's money ends: settle, hold, and have the agents cut what ran."""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final
from uuid import UUID

from syneudp import instances, wallet
from syneudp.billing.clock_guard import require_one_time
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, reading, transact
from syneudp.kernel.logging import log

POLL_SECONDS: Final = 0.5
POLL_SECONDS_MIN: Final = 0.05
DUE_LIMIT: Final = 200
AT_ONCE: Final = 8
TOGETHER: Final = 100


async def settle_due(*, held: Callable[[], None]) -> float:
    """Settle every wallet whose money has ended and answer how many seconds to rest, at most 0.5.

    What is due decides how much is done, not what exists. Wallets are settled a hundred a transaction, and those that
    are left one by one; each is looked at again under its lock, and `held` is called after each transaction that
    stopped something. One that cannot be settled is told and holds up no other. Raises ClocksApartError.
    """
    await require_one_time(reading())
    due = await wallet.due_wallets(reading(), await clock.now(reading()), DUE_LIMIT)
    left: list[UUID] = []
    for begin in range(0, len(due), TOGETHER):
        left += await _settle_together(due[begin : begin + TOGETHER], held=held)
    places = asyncio.Semaphore(AT_ONCE)

    async def settle(wallet_id: UUID) -> bool:
        async with places:
            try:
                stopped = await transact(partial(_settle, wallet_id=wallet_id))
            except Exception:
                log.exception("wallet_not_settled", wallet=str(wallet_id))
                return False
        if stopped:
            held()
        return True

    if not all(await asyncio.gather(*[settle(wallet_id) for wallet_id in left])):
        return POLL_SECONDS
    depletes_at = await wallet.next_depletion(reading())
    if depletes_at is None:
        return POLL_SECONDS
    return min(POLL_SECONDS, max(POLL_SECONDS_MIN, depletes_at - time.time()))


async def _settle_together(wallet_ids: Sequence[UUID], *, held: Callable[[], None]) -> list[UUID]:
    try:
        settled = await transact(partial(instances.settle_many, wallet_ids=wallet_ids))
    except Exception:
        log.exception("wallets_not_settled_together", wallets=len(wallet_ids))
        return list(wallet_ids)
    if settled:
        held()
    return [wallet_id for wallet_id in wallet_ids if wallet_id not in settled]


async def _settle(tx: Connection, *, wallet_id: UUID) -> bool:
    return bool((await instances.lock_wallet(tx, wallet_id)).depleted)
