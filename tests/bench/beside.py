"""What an API does beside the close: it starts and stops instances of wallets, each act one transaction."""

import asyncio
import multiprocessing
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from typing import Final
from uuid import UUID, uuid4

import asyncpg

from syneudp import wallet
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, database, reading, rows, transact
from syneudp.wallet import SegmentConflictError
from tests.bench.many_wallets import TARIFF

CUSTOMERS: Final = 2_000
AT_ONCE: Final = 4
REST_SECONDS: Final = 0.01
SPAWNED: Final = multiprocessing.get_context("spawn")


@dataclass
class Waits:
    """How long each start or stop took from its beginning to its commit, in seconds, and how many failed."""

    seconds: list[float] = field(default_factory=list)
    failed: int = 0


@contextmanager
def api_beside(url: str, *, at: int) -> Iterator[Waits]:
    waits = Waits()
    told: Queue[tuple[list[float], int]] = SPAWNED.Queue()
    ready, stopping = SPAWNED.Event(), SPAWNED.Event()
    process = SPAWNED.Process(target=_run, args=(url, at, told, ready, stopping))
    process.start()
    ready.wait(60)
    try:
        yield waits
    finally:
        stopping.set()
        waits.seconds, waits.failed = told.get(timeout=60)
        process.join(60)


def _run(url: str, at: int, told: "Queue[tuple[list[float], int]]", ready: Event, stopping: Event) -> None:
    told.put(asyncio.run(_act(url, at, ready, stopping)))


async def _act(url: str, at: int, ready: Event, stopping: Event) -> tuple[list[float], int]:
    seconds: list[float] = []
    failed = 0
    async with database(url, application_name="bench-api", pool_size=AT_ONCE + 1):
        found = await rows(reading(), "SELECT id FROM wallets TABLESAMPLE SYSTEM (20) LIMIT $1", CUSTOMERS)
        wallets = [each["id"] for each in found]
        ready.set()

        async def act() -> None:
            nonlocal failed
            while not stopping.is_set():
                wallet_id, resource_id = random.choice(wallets), uuid4()
                for work in (_start, _stop):
                    began = time.perf_counter()
                    try:
                        await work(wallet_id, resource_id)
                    except (asyncpg.PostgresError, SegmentConflictError):
                        failed += 1
                    seconds.append(time.perf_counter() - began)
                    await asyncio.sleep(REST_SECONDS)

        with clock.frozen(at):
            await asyncio.gather(*[act() for _ in range(AT_ONCE)])
    return seconds, failed


async def _start(wallet_id: UUID, resource_id: UUID) -> None:
    async def start(tx: Connection) -> None:
        held = await wallet.lock_wallet(tx, wallet_id)
        await wallet.open_segment(tx, held, resource_id=resource_id, tariff_id=TARIFF)

    await transact(start)


async def _stop(wallet_id: UUID, resource_id: UUID) -> None:
    async def stop(tx: Connection) -> None:
        await wallet.close_segment(tx, await wallet.lock_wallet(tx, wallet_id), resource_id=resource_id)

    await transact(stop)
