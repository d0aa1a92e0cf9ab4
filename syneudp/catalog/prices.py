"""Price versions of plans: what held, what holds, what is to come."""

from typing import Final
from uuid import UUID

from syneudp.catalog.errors import UnknownPlanError
from syneudp.catalog.values import PlanPrice
from syneudp.kernel.database import Connection, execute, load_sql, row, rows
from syneudp.kernel.identifiers import new_id

COLUMNS: Final = (
    "v.plan_id, p.slug, v.begins_at, v.currency, v.price_micros_per_hour, v.storage_price_micros_per_gib_hour"
)
FIRST: Final = (
    f"SELECT DISTINCT ON (v.plan_id) {COLUMNS} FROM plan_prices v JOIN plans p ON p.id = v.plan_id"
    " ORDER BY v.plan_id, v.begins_at"
)
HOLDING: Final = (
    f"SELECT {COLUMNS} FROM plan_prices v JOIN plans p ON p.id = v.plan_id"
    " WHERE p.slug = $1 AND v.begins_at <= $2 ORDER BY v.begins_at DESC LIMIT 1"
)
ALL: Final = (
    f"SELECT {COLUMNS} FROM plan_prices v JOIN plans p ON p.id = v.plan_id ORDER BY p.position, p.slug, v.begins_at"
)
ADD: Final = (
    "INSERT INTO plan_prices"
    " (id, plan_id, begins_at, currency, price_micros_per_hour, storage_price_micros_per_gib_hour)"
    " VALUES ($1, $2, $3, $4, $5, $6)"
)


async def first_prices(connection: Connection) -> list[PlanPrice]:
    """List the first price version of every plan."""
    return [PlanPrice(**found) for found in await rows(connection, FIRST)]


async def next_price(
    connection: Connection,
    *,
    slug: str,
    begins_at: int,
    price_micros_per_hour: int | None,
    storage_price_micros_per_gib_hour: int | None,
) -> PlanPrice:
    """Describe a price to come: a part that is not told stays as it will be then. Raises UnknownPlanError."""
    found = await row(connection, HOLDING, slug, begins_at)
    if found is None:
        raise UnknownPlanError
    told = {
        "price_micros_per_hour": price_micros_per_hour,
        "storage_price_micros_per_gib_hour": storage_price_micros_per_gib_hour,
    }
    changed = {name: micros for name, micros in told.items() if micros is not None}
    return PlanPrice(**{**found, "begins_at": begins_at, **changed})


async def add_price(tx: Connection, price: PlanPrice) -> None:
    """Write down a price to come. Raises asyncpg's CheckViolationError for an hour that has begun."""
    await execute(
        tx,
        ADD,
        new_id(),
        price.plan_id,
        price.begins_at,
        price.currency,
        price.price_micros_per_hour,
        price.storage_price_micros_per_gib_hour,
    )


async def price_versions(connection: Connection) -> list[PlanPrice]:
    """List every price version, plan by plan, in the order of their beginnings."""
    return [PlanPrice(**found) for found in await rows(connection, ALL)]


async def coming_prices(connection: Connection, now: int) -> dict[UUID, tuple[PlanPrice, ...]]:
    """Tell the prices to come after `now` (epoch seconds) of each plan that has any, in the order they begin."""
    coming: dict[UUID, tuple[PlanPrice, ...]] = {}
    for found in await rows(connection, load_sql(__file__, "coming_prices.sql"), now):
        price = PlanPrice(**found)
        coming[price.plan_id] = (*coming.get(price.plan_id, ()), price)
    return coming
