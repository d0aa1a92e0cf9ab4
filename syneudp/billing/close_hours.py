"""Close the hours that are over: each shard strictly in order, each hour in one transaction, all of it or nothing."""

import asyncio
import random
from collections.abc import Callable
from functools import partial
from typing import Final

import asyncpg

from syneudp import instances, ledger, wallet
from syneudp.billing.clock_guard import require_one_time
from syneudp.billing.quarantine import REFUSED, readmit_wallets, set_culprits_aside
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, reading, transact
from syneudp.kernel.logging import log
from syneudp.kernel.money import SECONDS_PER_HOUR

CHANCE: Final = random.SystemRandom()
SHARDS_AT_ONCE: Final = 4
BUSY = (asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError)


async def close_hours(*, stopped: Callable[[], bool], held: Callable[[], None]) -> int:
    """Close every hour that is over in every shard that lags and answer how many were closed here.

    Shards are taken in a random order, four at a time, so that processes side by side meet seldom; one that another
    process holds is left to it. A wallet whose books would break is set aside, with an alarm, so that it blocks nobody.
    `held` is called once instances were held, so that their delivery need not wait. Each shard is sealed with its
    last hour, and once none lags a checkpoint ties the seals together. Raises ClocksApartError, and in the end what the
    database refused of a shard, after all the others were closed.
    """
    await require_one_time(reading())
    await readmit_wallets(held=held)
    closed = 0
    behind = await wallet.shards_behind(reading(), await clock.now(reading()))
    CHANCE.shuffle(behind)
    refusals: list[Exception] = []
    waiting = iter(behind)

    async def close_waiting() -> None:
        nonlocal closed
        for shard, first_hour in waiting:
            try:
                done = await _catch_up(shard, first_hour, stopped=stopped, held=held)
            except REFUSED as refusal:
                log.error("shard_not_closed", shard=shard, why=str(refusal))
                refusals.append(refusal)
            else:
                closed += done

    async with asyncio.TaskGroup() as group:
        for _ in range(SHARDS_AT_ONCE):
            group.create_task(close_waiting())
    if closed and not await wallet.shards_behind(reading(), await clock.now(reading())):
        await transact(ledger.take_checkpoint)
    if refusals:
        raise refusals[0]
    return closed


async def _catch_up(shard: int, first_hour: int, *, stopped: Callable[[], bool], held: Callable[[], None]) -> int:
    over = await clock.now(reading()) // SECONDS_PER_HOUR
    closed, sealed = 0, False
    for hour in range(first_hour, over):
        if stopped():
            break
        try:
            done = await _close(shard, hour, held=held, seals=hour == over - 1)
        except BUSY:
            log.info("shard_busy", shard=shard, hour=hour)
            break
        closed += done
        sealed = bool(done) and hour == over - 1
    if closed and not sealed:
        await _seal(shard)
    return closed


async def _seal(shard: int) -> None:
    try:
        await transact(partial(seal_shard, shard=shard))
    except BUSY:
        log.info("shard_not_sealed_yet", shard=shard)


async def seal_shard(tx: Connection, *, shard: int) -> None:
    """Seal what a shard posted since its last seal, with its lock held alone, so that nothing is still on its way."""
    await wallet.lock_shard_for_close(tx, shard)
    await ledger.seal(tx, shard)


async def _close(shard: int, hour: int, *, held: Callable[[], None], seals: bool) -> int:
    closing = partial(close_hour, shard=shard, hour=hour, held=held, seals=seals)
    try:
        return await transact(closing)
    except REFUSED:
        if not await set_culprits_aside(shard, hour):
            raise
    return await transact(closing)


async def close_hour(tx: Connection, *, shard: int, hour: int, held: Callable[[], None], seals: bool = False) -> int:
    """Close one hour of one shard, and seal the shard with it where told; 0 where another process has done it, else 1.

    Wallets that cannot cover the hour are settled at the second their money ended, and their instances held, before the
    legs are computed: a dead watcher never lets a wallet go below zero.
    """
    await wallet.lock_shard_for_close(tx, shard)
    if not await wallet.begin_close(tx, shard, hour):
        return 0
    uncovered = await wallet.uncovered_wallets(tx, shard, (hour + 1) * SECONDS_PER_HOUR)
    settled = await instances.settle_many(tx, uncovered) if uncovered else set()
    for wallet_id in uncovered:
        if wallet_id not in settled and (await instances.lock_wallet(tx, wallet_id)).depleted:
            settled.add(wallet_id)
    if settled:
        held()
    totals = await wallet.post_hour(tx, shard, hour)
    if seals:
        await ledger.seal(tx, shard)
    if totals.wallets:
        log.info("hour_closed", shard=shard, hour=hour, wallets=totals.wallets, charge_micros=totals.charge_micros)
    return 1
