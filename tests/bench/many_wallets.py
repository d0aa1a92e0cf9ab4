"""Fill a control database with very many running instances, in sets, through every trigger that guards a table."""

import time
from typing import Final
from uuid import UUID

import asyncpg

from syneudp import ledger
from syneudp.kernel.database import load_sql, reading
from syneudp.ledger import AccountKind, Entry, Reason

HOUR: Final = 3600
BATCH: Final = 20_000
RICH_MICROS: Final = 10**12
SHARDS: Final = 256
TARIFF: Final = UUID(int=5001)
MAKE_TARIFFS: Final = (
    "INSERT INTO tariff_versions (tariff_id, begins_at, price_micros_per_hour, storage_price_micros_per_gib_hour)"
    " SELECT lpad(to_hex(price), 32, '0')::uuid, 0, price, 0"
    " FROM generate_series(1, 5) AS place CROSS JOIN generate_series(0, 7) AS kind"
    " CROSS JOIN LATERAL (SELECT 3001 + 2000 * place + 7 * kind AS price) priced ON CONFLICT DO NOTHING"
)
READ_POOR: Final = (
    "SELECT w.account_id FROM wallets w JOIN accounts a ON a.id = w.account_id"
    " WHERE w.shard = $1 AND a.last_sequence = 0 ORDER BY w.id"
)


async def begin_shards_at(owner: asyncpg.Connection, hour: int) -> None:
    """Let every shard begin at an hour (epoch seconds // 3600), as if the platform had started then."""
    async with owner.transaction():
        await owner.execute("ALTER TABLE shards DISABLE TRIGGER USER")
        await owner.execute("UPDATE shards SET first_hour = $1, closed_through = $1", hour)
        await owner.execute("ALTER TABLE shards ENABLE TRIGGER USER")


async def fill(
    owner: asyncpg.Connection,
    *,
    first: int,
    wallets: int,
    instances_each: int,
    from_at: int,
    micros_each: int = RICH_MICROS,
) -> float:
    """Make customers number `first` and on, in the order of time, and let all their instances run.

    Every wallet is credited by one transfer a shard. Answers the seconds it took.
    """
    began = time.perf_counter()
    customers, segments = load_sql(__file__, "many_customers.sql"), load_sql(__file__, "many_segments.sql")
    for begin in range(first, first + wallets, BATCH):
        end = min(begin + BATCH, first + wallets)
        await owner.execute(customers, begin, end)
    for shard in range(SHARDS):
        found = await owner.fetch(READ_POOR, shard)
        if found:
            granted = await ledger.open_account(reading(), kind=AccountKind.CREDITS, shard=shard, currency="EUR")
            legs = [Entry(each["account_id"], micros_each) for each in found]
            await ledger.post(
                reading(),
                reason=Reason.CREDIT,
                key=f"bench:{first}:{shard}",
                effective_at=from_at,
                created_at=from_at,
                entries=[*legs, Entry(granted, -micros_each * len(legs))],
            )
    await owner.execute(MAKE_TARIFFS)
    for begin in range(first, first + wallets, BATCH):
        end = min(begin + BATCH, first + wallets)
        await owner.execute(segments, begin, end, instances_each, from_at)
    return time.perf_counter() - began
