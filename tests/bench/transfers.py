"""Measure single and batched transfers against pgbench's TPC-B on the same server: `python -m tests.bench.transfers`."""

import argparse
import asyncio
import multiprocessing
import random
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from itertools import count
from multiprocessing.synchronize import Barrier
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg

from syneudp import ledger
from syneudp.commands.ledger_audit import audit_books
from syneudp.kernel.database import database, reading, rows
from syneudp.ledger import Entry, Posting, Reason
from tests.bench.durable import Stand, durable_stand, pgbench, settings_told
from tests.bench.figures import say_machine, say_table
from tests.bench.many_wallets import fill

CLIENTS: Final = 8
SCALE: Final = 50
WALLETS: Final = 100_000
BATCH: Final = 1_000
SPAWNED: Final = multiprocessing.get_context("spawn")
READ_ACCOUNTS: Final = (
    "SELECT w.shard, w.account_id, c.id AS credits_id FROM wallets w"
    " JOIN accounts c ON c.kind = 'credits' AND c.shard = w.shard AND c.currency = w.currency"
)


@dataclass(frozen=True)
class Told:
    """What one client process is to do."""

    url: str
    seconds: float
    batch: int
    number: int
    clients: int


def run_clients(url: str, *, clients: int, seconds: float, batch: int) -> float:
    """Let client processes post for a while, each over one connection; answers transfers a second of all together."""
    barrier: Barrier = SPAWNED.Barrier(clients)
    with SPAWNED.Pool(clients, initializer=_wait_at, initargs=(barrier,)) as pool:
        told = [Told(url=url, seconds=seconds, batch=batch, number=n, clients=clients) for n in range(clients)]
        return sum(pool.map(_client, told, chunksize=1))


_BARRIERS: list[Barrier] = []


def _wait_at(barrier: Barrier) -> None:
    _BARRIERS.append(barrier)


def _client(told: Told) -> float:
    return asyncio.run(_post_for(told))


async def _post_for(told: Told) -> float:
    async with database(told.url, application_name="bench-transfers", pool_size=1):
        known = await rows(reading(), READ_ACCOUNTS)
        own = [each for each in known if told.batch == 1 or each["shard"] % told.clients == told.number]
        found = [(each["account_id"], each["credits_id"]) for each in own]
        post = _single(found) if told.batch == 1 else _batched(found, told.batch)
        await post()
        await asyncio.to_thread(_BARRIERS[0].wait, 120)
        posted, began = 0, time.perf_counter()
        while time.perf_counter() - began < told.seconds:
            await post()
            posted += told.batch
        return posted / (time.perf_counter() - began)


def _single(accounts: list[tuple[UUID, UUID]]) -> Callable[[], Coroutine[Any, Any, object]]:
    mark, numbers = uuid4().hex, count()

    async def post() -> object:
        purse, granted = random.choice(accounts)
        return await ledger.post(
            reading(),
            reason=Reason.CREDIT,
            key=f"{mark}:{next(numbers)}",
            effective_at=1_800_000_000,
            created_at=1_800_000_000,
            entries=[Entry(purse, 5), Entry(granted, -5)],
        )

    return post


def _batched(accounts: list[tuple[UUID, UUID]], batch: int) -> Callable[[], Coroutine[Any, Any, object]]:
    mark, numbers = uuid4().hex, count()

    def posting(purse: UUID, granted: UUID) -> Posting:
        return Posting(
            reason=Reason.CREDIT,
            key=f"{mark}:{next(numbers)}",
            effective_at=1_800_000_000,
            created_at=1_800_000_000,
            entries=(Entry(purse, 5), Entry(granted, -5)),
        )

    async def post() -> object:
        return await ledger.post_many(reading(), [posting(*random.choice(accounts)) for _ in range(batch)])

    return post


def tpc_b(url: str, *, seconds: int) -> float:
    """Run pgbench's built-in TPC-B with prepared statements; answers transactions a second."""
    command = [str(pgbench()), "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "2", "-T", str(seconds), url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"tps = ([0-9.]+)", said)
    if found is None:
        raise ValueError(said)
    return float(found.group(1))


async def measure(stand: Stand, *, rounds: int, seconds: int) -> None:
    owner = await asyncpg.connect(stand.control.owner_url)
    async with database(stand.control.url, application_name="bench", pool_size=2):
        await fill(owner, first=1, wallets=WALLETS, instances_each=0, from_at=1_795_000_000)
    await owner.execute("DELETE FROM wallet_depletions")
    await owner.execute("VACUUM (ANALYZE)", timeout=600)
    await owner.close()
    await stand.roles.create_empty("tpcb")
    tpcb = stand.server.superuser_url("tpcb")
    subprocess.run([str(pgbench()), "-i", "-q", "-s", str(SCALE), tpcb], capture_output=True, check=True)
    found = []
    for _ in range(rounds):
        plain = tpc_b(tpcb, seconds=seconds)
        single = await asyncio.to_thread(run_clients, stand.control.url, clients=CLIENTS, seconds=seconds, batch=1)
        batched = await asyncio.to_thread(run_clients, stand.control.url, clients=2, seconds=seconds, batch=BATCH)
        found.append((plain, single, batched, single / plain, batched / plain))
    header = ["TPC-B a second", "single", f"batches of {BATCH}", "single to TPC-B", "batched to TPC-B"]
    lines = [[f"{a:,.0f}", f"{b:,.0f}", f"{c:,.0f}", f"{d:.2f}", f"{e:.1f}"] for a, b, c, d, e in found]
    say_table(f"Transfers: {CLIENTS} clients one by one, 2 clients in batches; TPC-B {CLIENTS} clients", header, lines)
    print(
        f"  median ratios {statistics.median(f[3] for f in found):.2f} and {statistics.median(f[4] for f in found):.1f}"
    )
    async with database(stand.control.url, application_name="bench", pool_size=2):
        print(f"  audit: {len(await audit_books())} findings")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=10)
    told = parser.parse_args()
    say_machine("PostgreSQL 17", settings_told())
    async with durable_stand() as stand:
        await measure(stand, rounds=told.rounds, seconds=told.seconds)


if __name__ == "__main__":
    asyncio.run(main())
