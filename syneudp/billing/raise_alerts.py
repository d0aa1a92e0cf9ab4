"""Tell customers about their money in time: runway, retention, what stopped and what is gone, each exactly once.

What is due is found by its instant, and whoever holds the wallet's lock tells it, in the transaction that remembers
that it was told.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final
from uuid import UUID

from syneudp import instances, wallet
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, reading, transact
from syneudp.kernel.logging import log

LIMIT: Final = 200


async def raise_alerts(*, retention_seconds: int) -> int:
    """Raise every alert that is due and answer how many; a wallet that fails is told and holds up no other."""
    now = await clock.now(reading())
    raised = 0
    for wallet_id in await wallet.due_alerts(reading(), now, LIMIT):
        raised += await _attempt(wallet_id, partial(_raise_runway, wallet_id=wallet_id))
    for wallet_id in await instances.wallets_to_warn(reading(), now, retention_seconds=retention_seconds, limit=LIMIT):
        raised += await _attempt(wallet_id, partial(_warn, wallet_id=wallet_id, retention_seconds=retention_seconds))
    return raised


async def _attempt(wallet_id: UUID, work: Callable[[Connection], Awaitable[bool]]) -> int:
    try:
        return int(await transact(work))
    except Exception:
        log.exception("alert_not_raised", wallet=str(wallet_id))
        return 0


async def _raise_runway(tx: Connection, *, wallet_id: UUID) -> bool:
    locked = await instances.lock_wallet(tx, wallet_id)
    kind = await wallet.raise_runway_alert(tx, locked)
    return kind is not None


async def _warn(tx: Connection, *, wallet_id: UUID, retention_seconds: int) -> bool:
    locked = await instances.lock_wallet(tx, wallet_id)
    return bool(await instances.warn_of_retention(tx, locked, retention_seconds=retention_seconds))
