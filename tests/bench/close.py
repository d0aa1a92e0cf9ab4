"""Measure closing an hour of very many instances against inserting as many bare rows: `python -m tests.bench.close`."""

import argparse
import asyncio
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import asyncpg

from syneudp.billing import close_hours
from syneudp.commands.ledger_audit import audit_books
from syneudp.kernel import clock
from syneudp.kernel.database import database, execute, reading, value
from syneudp.kernel.logging import configure_logging
from tests.bench.beside import api_beside
from tests.bench.durable import FILL_CHARGES, MAKE_CHARGES, Stand, durable_stand, insert_bare, settings_told
from tests.bench.figures import say_machine, say_table
from tests.bench.many_wallets import HOUR, begin_shards_at, fill

HOURS_BACK: Final = 48
EACH: Final = 5


def resident_megabytes() -> float:
    """Tell how much memory this process holds, which is the billing role's part of the close."""
    pages = int(Path("/proc/self/statm").read_text("utf-8").split()[1])
    return pages * 4096 / 2**20


class Hours:
    """The hours of the stand, closed one after the other as the billing role does it."""

    def __init__(self, first_hour: int) -> None:
        self._next = first_hour

    @property
    def instant(self) -> int:
        return (self._next + 1) * HOUR + 3

    async def close(self) -> float:
        with clock.frozen(self.instant):
            seconds = await timed_close()
        self._next += 1
        return seconds

    async def close_again(self) -> float:
        with clock.frozen(self._next * HOUR + 3):
            return await timed_close()


async def timed_close() -> float:
    began = time.perf_counter()
    await close_hours(stopped=lambda: False, held=lambda: None)
    return time.perf_counter() - began


async def measure(stand: Stand, *, wallets: int, rounds: int, doubled: bool) -> None:
    owner = await asyncpg.connect(stand.control.owner_url)
    first_hour = int(time.time()) // HOUR - HOURS_BACK
    await begin_shards_at(owner, first_hour)
    async with database(stand.control.url, application_name="bench-billing", pool_size=8):
        hours = Hours(first_hour)
        filled = await fill(owner, first=1, wallets=wallets, instances_each=EACH, from_at=first_hour * HOUR)
        await owner.execute("VACUUM (ANALYZE)", timeout=900)
        print(f"{wallets * EACH} instances of {wallets} wallets made in {filled:.0f} s", flush=True)
        await hours.close()
        lines, closes = [], []
        for _ in range(rounds):
            bare = await insert_bare(stand.control.owner_url)
            charges = await insert_bare(stand.control.owner_url, MAKE_CHARGES, FILL_CHARGES)
            before = resident_megabytes()
            close, again = await hours.close(), await hours.close_again()
            after = resident_megabytes()
            closes.append((close, bare, charges, again))
            lines.append(
                [
                    f"{bare:.2f}",
                    f"{charges:.2f}",
                    f"{close:.2f}",
                    f"{close / bare:.2f}",
                    f"{close / charges:.2f}",
                    f"{again / bare:.4f}",
                    f"{before:.1f} to {after:.1f}",
                ]
            )
        header = ["bare s", "charge rows s", "close s", "to bare", "to charge rows", "again to bare", "resident MB"]
        say_table(f"Close an hour of {wallets * EACH} instances", header, lines)
        single = statistics.median(close for close, *_ in closes)
        print(f"  median {single:.2f} s, {wallets * EACH / single:,.0f} instances a second")
        with api_beside(stand.control.url, at=hours.instant) as waits:
            beside = await hours.close()
        say_waits(waits.seconds, waits.failed, beside)
        if doubled:
            await fill(owner, first=wallets + 1, wallets=wallets, instances_each=EACH, from_at=hours.instant)
            await owner.execute("VACUUM (ANALYZE)", timeout=900)
            await hours.close()
            double = statistics.median([await hours.close() for _ in range(rounds)])
            print(f"\nTwice the instances: {double:.2f} s, {double / single:.2f} times as long")
        began = time.perf_counter()
        with clock.frozen(hours.instant):
            findings = await audit_books()
        print(f"\nAudit: {len(findings)} findings, {time.perf_counter() - began:.0f} s {findings[:3]}")
        total = await value(reading(), "SELECT sum(charge_micros)::bigint FROM hour_closes")
        print(f"Charged {total} micro-units; {await execute(reading(), 'SELECT FROM hour_closes')} run rows")
    await owner.close()


def say_waits(seconds: Sequence[float], failed: int, beside: float) -> None:
    ordered = sorted(seconds)
    at = [f"{ordered[min(len(ordered) - 1, len(ordered) * part // 1000)] * 1000:.0f}" for part in (500, 900, 990, 999)]
    header = ["acts", "failed", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "close s"]
    say_table("Starts and stops beside the close", header, [[str(len(ordered)), str(failed), *at, f"{beside:.2f}"]])


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wallets", type=int, default=200_000, help="each with 5 running instances")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--not-doubled", action="store_true", help="leave out twice the instances")
    told = parser.parse_args()
    configure_logging("error")
    say_machine("PostgreSQL 17", settings_told())
    async with durable_stand() as stand:
        await measure(stand, wallets=told.wallets, rounds=told.rounds, doubled=not told.not_doubled)


if __name__ == "__main__":
    asyncio.run(main())
