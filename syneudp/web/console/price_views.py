"""Prices as pages show them: what held, what holds and what is to come."""

from typing import Final
from uuid import UUID

from syneudp import catalog, wallet
from syneudp.instances import Accrual, InstanceView
from syneudp.kernel.database import Connection
from syneudp.wallet import STEP_BYTES, PricePeriod, Usage
from syneudp.web.console.views import PriceView

PERIODS_SHOWN: Final = 12
HISTORY_SECONDS: Final = 90 * 86_400


async def past_prices(connection: Connection, view: InstanceView, now: int) -> tuple[PriceView, ...]:
    """Read what a database cost at which times in the last 90 days, the latest first, at most a dozen of them."""
    found = await wallet.price_history(connection, view.id, from_at=now - HISTORY_SECONDS, now=now, limit=PERIODS_SHOWN)
    return tuple(_view(period) for period in found)


async def coming_prices(connection: Connection, view: InstanceView, now: int) -> tuple[PriceView, ...]:
    """Read what a database will cost as it is wanted now, as far as that is known."""
    if view.accrues is Accrual.NOTHING:
        return ()
    usage = Usage(view.id, view.plan_id, running=view.accrues is Accrual.RUNNING)
    return tuple(_view(period) for period in await wallet.coming_prices(connection, usage, now=now))


async def coming_prices_of_plans(connection: Connection, now: int) -> dict[UUID, tuple[PriceView, ...]]:
    """Read the prices to come of each plan that has any."""
    coming = await catalog.coming_prices(connection, now)
    return {
        plan_id: tuple(
            PriceView(
                from_at=price.begins_at,
                until_at=None,
                price=price.price_micros_per_hour,
                storage_price=price.storage_price_micros_per_gib_hour,
            )
            for price in prices
        )
        for plan_id, prices in coming.items()
    }


def _view(period: PricePeriod) -> PriceView:
    return PriceView(
        from_at=period.from_at,
        until_at=period.until_at,
        price=period.price_micros_per_hour,
        stored_bytes=period.storage_steps * STEP_BYTES,
        running=period.running,
    )
