"""The plans a fresh platform sells, and the hosts an operator declares; both may be told again and again."""

from dataclasses import dataclass
from typing import Final

from syneudp.catalog.errors import HostDeclarationError
from syneudp.catalog.values import DeclaredHost
from syneudp.engines.contract import Engine
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, execute, row
from syneudp.kernel.identifiers import new_id

MIB: Final = 1 << 20
GIB: Final = 1 << 30
SEEDED_PRICES_BEGIN_AT: Final = 0
STORAGE_MICROS_PER_GIB_HOUR: Final = 137


@dataclass(frozen=True, slots=True)
class Size:
    """One size of plan; both engines have each. The price is per hour, a thirtieth of a month's day by 24."""

    slug: str
    name: str
    max_connections: int
    temp_bytes: int
    storage_limit_bytes: int
    statement_seconds: int
    idle_transaction_seconds: int
    memory_bytes: int
    price_micros_per_hour: int


SIZES: Final = (
    Size("small", "Small", 20, 1 * GIB, 1 * GIB, 300, 300, 16 * MIB, 6_944),
    Size("medium", "Medium", 60, 4 * GIB, 10 * GIB, 900, 600, 64 * MIB, 20_833),
    Size("large", "Large", 150, 16 * GIB, 50 * GIB, 3_600, 900, 256 * MIB, 62_500),
)
ENGINE_NAMES: Final = {Engine.POSTGRESQL: "PostgreSQL", Engine.MYSQL: "MySQL"}
INSERT_PLAN: Final = (
    "INSERT INTO plans (id, slug, engine, name, position, max_connections, temp_bytes, storage_limit_bytes,"
    " statement_seconds, idle_transaction_seconds, memory_bytes)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (slug) DO NOTHING"
)
INSERT_FIRST_PRICE: Final = (
    "INSERT INTO plan_prices"
    " (id, plan_id, begins_at, currency, price_micros_per_hour, storage_price_micros_per_gib_hour)"
    " SELECT $1, p.id, $3, $4, $5, $6 FROM plans p WHERE p.slug = $2"
    " AND NOT EXISTS (SELECT FROM plan_prices v WHERE v.plan_id = p.id) ON CONFLICT DO NOTHING"
)
INSERT_HOST: Final = (
    "INSERT INTO hosts (id, name, engine, agent_url, capacity_instances, capacity_bytes, created_at)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7)"
    " ON CONFLICT (name) DO UPDATE SET agent_url = excluded.agent_url,"
    " capacity_instances = excluded.capacity_instances, capacity_bytes = excluded.capacity_bytes"
    " WHERE hosts.engine = excluded.engine RETURNING id"
)


async def seed(tx: Connection, *, currency: str) -> int:
    """Add the plans that are missing, each with its first price, and return how many were.

    What an operator changed since is left alone: a plan that exists, or has a price already, keeps both.
    """
    added = 0
    position = 0
    for engine, engine_name in ENGINE_NAMES.items():
        for size in SIZES:
            slug = f"{engine.value}-{size.slug}"
            added += await execute(
                tx,
                INSERT_PLAN,
                new_id(),
                slug,
                engine.value,
                f"{engine_name} {size.name}",
                position,
                size.max_connections,
                size.temp_bytes,
                size.storage_limit_bytes,
                size.statement_seconds,
                size.idle_transaction_seconds,
                size.memory_bytes,
            )
            await execute(
                tx,
                INSERT_FIRST_PRICE,
                new_id(),
                slug,
                SEEDED_PRICES_BEGIN_AT,
                currency,
                size.price_micros_per_hour,
                STORAGE_MICROS_PER_GIB_HOUR,
            )
            position += 1
    return added


async def register_hosts(tx: Connection, declared: list[DeclaredHost]) -> None:
    """Make the declared hosts known; one that is known already takes the declared address and capacity.

    Its state and what is placed on it stay. Raises HostDeclarationError where the name stands for another engine.
    """
    now = await clock.now(tx)
    for told in sorted(declared, key=lambda each: each.name):
        found = await row(
            tx,
            INSERT_HOST,
            new_id(),
            told.name,
            told.engine.value,
            told.agent_url,
            told.capacity,
            told.capacity_bytes,
            now,
        )
        if found is None:
            raise HostDeclarationError("a declared host's name is registered for another engine")
