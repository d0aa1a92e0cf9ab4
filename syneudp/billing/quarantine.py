"""Wallets that would break the books of their shard: found one by one, set aside with an alarm, and taken back."""

from collections.abc import Callable
from functools import partial
from typing import Final
from uuid import UUID

import asyncpg

from syneudp import instances, wallet
from syneudp.kernel.database import Connection, reading, transact
from syneudp.kernel.logging import log
from syneudp.wallet import ProbedError

REFUSED: Final = (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError)


async def set_culprits_aside(shard: int, hour: int) -> int:
    """Try each wallet of a refused hour alone and set aside the ones that are refused; answers how many were.

    Where all of several are refused, the fault is the shard's own and no wallet is blamed.
    """
    running = await wallet.running_wallets(reading(), shard, hour)
    culprits = [(each, why) for each in running if (why := await _refusal(each, hour)) is not None]
    if not culprits or (len(culprits) == len(running) and len(running) > 1):
        return 0
    aside = await transact(partial(_set_aside, shard=shard, hour=hour, culprits=culprits))
    for wallet_id, why in culprits:
        log.error("wallet_set_aside", wallet=str(wallet_id), shard=shard, hour=hour, why=why)
    return aside


async def readmit_wallets(*, held: Callable[[], None]) -> int:
    """Take back every wallet whose books hold again, posting what it owes; answers how many came back.

    `held` is called once instances were held on the way, because the money had ended meanwhile.
    """
    taken = 0
    for aside in await wallet.quarantines(reading()):
        try:
            back, depleted = await transact(partial(_readmit, wallet_id=aside.wallet_id))
        except REFUSED as refusal:
            log.warning("wallet_still_set_aside", wallet=str(aside.wallet_id), hour=aside.hour, why=str(refusal))
            continue
        if depleted:
            held()
        if back:
            taken += 1
            log.warning("wallet_readmitted", wallet=str(aside.wallet_id), hour=aside.hour)
    return taken


async def _refusal(wallet_id: UUID, hour: int) -> str | None:
    async def probe(tx: Connection) -> None:
        await wallet.probe_hour(tx, await instances.lock_wallet(tx, wallet_id), hour)

    try:
        await transact(probe)
    except ProbedError:
        return None
    except REFUSED as refusal:
        return str(refusal)
    return None


async def _set_aside(tx: Connection, *, shard: int, hour: int, culprits: list[tuple[UUID, str]]) -> int:
    await wallet.lock_shard_for_close(tx, shard)
    if not await wallet.begin_close(tx, shard, hour):
        return 0
    told = [await wallet.set_aside(tx, wallet_id, hour=hour, why=why) for wallet_id, why in culprits]
    return sum(told)


async def _readmit(tx: Connection, *, wallet_id: UUID) -> tuple[bool, bool]:
    first = await instances.lock_wallet(tx, wallet_id)
    await wallet.recompute_depletion(tx, first)
    locked = await instances.lock_wallet(tx, wallet_id)
    back = await wallet.readmit(tx, locked)
    return back, bool(first.depleted or locked.depleted)
