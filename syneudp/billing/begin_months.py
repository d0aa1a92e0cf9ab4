"""Begin a month for those whom the last one's spending cap stopped: what the new month has room for runs again."""

from collections.abc import Callable
from functools import partial
from typing import Final
from uuid import UUID

from syneudp import instances
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, reading, transact
from syneudp.kernel.logging import log

LIMIT: Final = 200


async def begin_months(*, runway_seconds: int, held: Callable[[], None]) -> int:
    """Look once at every wallet with a `cap` hold of a past month; answers how many were looked at.

    `held` is called where something stopped or may run again. One that fails is told and holds up no other.
    """
    looked_at = 0
    while due := await instances.wallets_of_past_months(reading(), await clock.now(reading()), limit=LIMIT):
        done = [await _attempt(wallet_id, runway_seconds=runway_seconds, held=held) for wallet_id in due]
        looked_at += sum(done)
        if not all(done) or len(due) < LIMIT:
            break
    return looked_at


async def _attempt(wallet_id: UUID, *, runway_seconds: int, held: Callable[[], None]) -> bool:
    try:
        moved = await transact(partial(_begin, wallet_id=wallet_id, runway_seconds=runway_seconds))
    except Exception:
        log.exception("month_not_begun", wallet=str(wallet_id))
        return False
    if moved:
        held()
    return True


async def _begin(tx: Connection, *, wallet_id: UUID, runway_seconds: int) -> bool:
    locked = await instances.lock_wallet(tx, wallet_id)
    resumed = await instances.begin_month(tx, locked, runway_seconds=runway_seconds)
    return bool(locked.depleted or resumed)
