"""Measure the database's time for a tick of the depletion watcher: `python -m tests.bench.depletion`."""

import argparse
import asyncio
import statistics
import time
from typing import Final

import asyncpg

from syneudp.billing import settle_due
from syneudp.kernel import clock
from syneudp.kernel.database import database, reading, value
from syneudp.kernel.logging import configure_logging
from tests.bench.durable import DURABLE, Stand, durable_stand, settings_told
from tests.bench.figures import say_machine, say_table
from tests.bench.many_wallets import HOUR, begin_shards_at, fill

STATISTICS: Final = {"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.track": "top"}
DUE: Final = 100
IDLE_TICKS: Final = 20
READ_TIME: Final = (
    "SELECT coalesce(sum(total_exec_time + total_plan_time), 0)::float8, coalesce(sum(calls), 0)::bigint"
    " FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid WHERE r.rolname = 'syneudp_runtime'"
)
POOR_MICROS: Final = 3_000
MAKE_DUE: Final = (
    "UPDATE wallet_depletions d SET depletes_at = told.ends_at FROM ("
    " SELECT s.wallet_id, s.from_at + (($1 + 1) * 3600 - 1) / s.price_micros_per_hour AS ends_at"
    " FROM usage_segments s JOIN wallets w ON w.id = s.wallet_id JOIN accounts a ON a.id = w.account_id"
    " JOIN wallet_depletions k ON k.wallet_id = s.wallet_id AND k.depletes_at = 4102444800"
    " WHERE a.balance_micros = $1 AND s.until_at IS NULL LIMIT $2"
    ") told WHERE d.wallet_id = told.wallet_id"
)
SPREAD: Final = (
    "UPDATE wallet_depletions d SET depletes_at ="
    " $1::bigint + 3600 + mod(abs(hashtextextended(d.wallet_id::text, 0)), 30 * 86400)"
)
COUNT_DUE: Final = "SELECT count(*) FROM wallet_depletions WHERE depletes_at <= $1"
COUNT_CLOSED: Final = "SELECT count(*) FROM usage_segments WHERE until_at IS NOT NULL"
FIND_READS: Final = (
    "SELECT coalesce(sum(total_exec_time + total_plan_time), 0)::float8"
    " FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid"
    " WHERE r.rolname = 'syneudp_runtime' AND query LIKE '%wallet_depletions%' AND calls = 1"
)


async def measure(stand: Stand, *, wallets: int, rounds: int) -> None:
    superuser = await asyncpg.connect(stand.server.superuser_url(stand.control.name))
    await superuser.execute("CREATE EXTENSION pg_stat_statements")
    await superuser.execute("ALTER SYSTEM SET pg_stat_statements.track_planning = on")
    await superuser.execute("SELECT pg_reload_conf()")
    owner = await asyncpg.connect(stand.control.owner_url)
    now = int(time.time())
    begins_at = (now // HOUR - 2) * HOUR
    await begin_shards_at(owner, begins_at // HOUR)
    async with database(stand.control.url, application_name="bench-billing", pool_size=12):
        await fill(owner, first=1, wallets=wallets, instances_each=1, from_at=begins_at)
        await owner.execute(SPREAD, now, timeout=600)
        poor = DUE * (rounds + 1)
        await fill(owner, first=wallets + 1, wallets=poor, instances_each=1, from_at=begins_at, micros_each=POOR_MICROS)
        await owner.execute("VACUUM (ANALYZE)", timeout=900)

        async def tick() -> tuple[float, float, int, float]:
            await superuser.execute("SELECT pg_stat_statements_reset()")
            began = time.perf_counter()
            await settle_due(held=lambda: None)
            wall = time.perf_counter() - began
            [spent] = await superuser.fetch(READ_TIME)
            return spent[0], await superuser.fetchval(FIND_READS), spent[1], wall * 1000

        lines = []
        with clock.frozen(now):
            await owner.execute(MAKE_DUE, POOR_MICROS, DUE)
            await settle_due(held=lambda: None)
            idle = [await tick() for _ in range(IDLE_TICKS)]
            for _ in range(rounds):
                await owner.execute(MAKE_DUE, POOR_MICROS, DUE)
                due, closed = await value(reading(), COUNT_DUE, now), await value(reading(), COUNT_CLOSED)
                spent, reads, calls, wall = await tick()
                settled = await value(reading(), COUNT_CLOSED) - closed
                left = await value(reading(), COUNT_DUE, now)
                lines.append(
                    [str(due), str(settled), str(left), f"{reads:.2f}", f"{spent:.1f}", str(calls), f"{wall:.0f}"]
                )
        resting = statistics.median(each[0] for each in idle)
        say_table(
            f"A tick of the watcher over {wallets} wallets",
            ["due", "settled", "left", "finding ms", "database ms", "statements", "wall ms"],
            [["0", "0", "0", "", f"{resting:.2f}", str(idle[0][2]), ""], *lines],
        )
    await owner.close()
    await superuser.close()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wallets", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    told = parser.parse_args()
    configure_logging("error")
    say_machine("PostgreSQL 17", settings_told())
    DURABLE.update(STATISTICS)
    async with durable_stand() as stand:
        await measure(stand, wallets=told.wallets, rounds=told.rounds)


if __name__ == "__main__":
    asyncio.run(main())
