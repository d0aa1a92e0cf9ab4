"""`/plans`: what is sold and for how much."""

from quart import Blueprint
from quart_schema import validate_response

from syneudp import catalog
from syneudp.engines.contract import Engine
from syneudp.kernel import clock
from syneudp.kernel.database import reading
from syneudp.web.access import Access, access
from syneudp.web.api.values import (
    IdleTransactionSeconds,
    Instant,
    MemoryBytes,
    Micros,
    StatementSeconds,
    TempBytes,
    Told,
    written,
)
from syneudp.web.limits import READING, limited


class ComingPrice(Told):
    """What a plan costs from a full hour to come on, for what runs on it too."""

    begins_at: Instant
    price_micros_per_hour: Micros
    storage_price_micros_per_gib_hour: Micros


class Plan(Told):
    """A size of database and its price now."""

    slug: str
    engine: Engine
    name: str
    price_micros_per_hour: Micros
    storage_price_micros_per_gib_hour: Micros
    currency: str
    coming_prices: list[ComingPrice]
    max_connections: int
    storage_limit_bytes: int
    temp_bytes: TempBytes
    statement_seconds: StatementSeconds
    idle_transaction_seconds: IdleTransactionSeconds
    memory_bytes: MemoryBytes


class PlanList(Told):
    """All plans on sale; they fit one page."""

    items: list[Plan]
    next_cursor: None = None


def add_routes(blueprint: Blueprint) -> None:
    """Add this noun's routes."""
    blueprint.get("/plans")(list_plans)


@access(Access.PUBLIC)
@limited(READING)
@validate_response(PlanList)
async def list_plans() -> PlanList:
    """List the plans on sale, with or without being signed in."""
    connection = reading()
    now = await clock.now(connection)
    plans = await catalog.plans(connection, now)
    coming = await catalog.coming_prices(connection, now)
    return PlanList(
        items=[
            Plan(
                slug=plan.slug,
                engine=plan.engine,
                name=plan.name,
                price_micros_per_hour=plan.price_micros_per_hour,
                storage_price_micros_per_gib_hour=plan.storage_price_micros_per_gib_hour,
                currency=plan.currency,
                coming_prices=[
                    ComingPrice(
                        begins_at=written(price.begins_at),
                        price_micros_per_hour=price.price_micros_per_hour,
                        storage_price_micros_per_gib_hour=price.storage_price_micros_per_gib_hour,
                    )
                    for price in coming.get(plan.id, ())
                ],
                max_connections=plan.max_connections,
                storage_limit_bytes=plan.storage_limit_bytes,
                temp_bytes=plan.temp_bytes,
                statement_seconds=plan.statement_seconds,
                idle_transaction_seconds=plan.idle_transaction_seconds,
                memory_bytes=plan.memory_bytes,
            )
            for plan in plans
        ]
    )
