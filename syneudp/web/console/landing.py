"""`/`: what this is and what it costs."""

from dataclasses import dataclass

from quart import Blueprint, Response
from quart_schema import hide

from syneudp.kernel.money import SECONDS_PER_HOUR
from syneudp.web.access import Access, access
from syneudp.web.console import stock
from syneudp.web.console.answers import page
from syneudp.web.console.stock import Catalog
from syneudp.web.limits import READING, limited

AFTERNOON_SECONDS = 4 * 3600 + 17 * 60 + 38


@dataclass(frozen=True, slots=True)
class Example:
    """What a plan costs for a stretch of seconds."""

    plan_name: str
    seconds: int
    price: int
    charge_micros: int


def add_routes(blueprint: Blueprint) -> None:
    """Add this noun's routes."""
    blueprint.get("/")(show_landing)


@hide
@access(Access.PUBLIC)
@limited(READING)
async def show_landing() -> Response:
    """Show what this is and what it costs."""
    sold = await stock.catalog_for(None)
    return await page("landing.html", catalog=sold, example=_example(sold))


def _example(sold: Catalog) -> Example | None:
    plan = next((plans[0] for _, plans in sold if plans), None)
    if plan is None:
        return None
    return Example(
        plan_name=f"{plan.engine_name} {plan.name}",
        seconds=AFTERNOON_SECONDS,
        price=plan.price,
        charge_micros=plan.price * AFTERNOON_SECONDS // SECONDS_PER_HOUR,
    )
