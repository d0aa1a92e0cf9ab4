"""Prices of plans from instants on: the catalog says them to customers, the wallet charges them, in one transaction."""

from typing import Final
from uuid import UUID

from syneudp import catalog, wallet
from syneudp.catalog import PlanPrice
from syneudp.instances.values import Accrual, InstanceView
from syneudp.kernel.database import Connection
from syneudp.wallet import Price, Usage

FREE: Final = Price(price_micros_per_hour=0, storage_micros_per_hour=0, storage_steps=0)


async def seed_plans(tx: Connection, *, currency: str) -> int:
    """Add the plans that are missing, each with its first price, and answer how many were; what exists stays."""
    added = await catalog.seed(tx, currency=currency)
    for price in await catalog.first_prices(tx):
        await _charge(tx, price)
    return added


async def set_price(
    tx: Connection,
    *,
    slug: str,
    begins_at: int,
    price_micros_per_hour: int | None,
    storage_price_micros_per_gib_hour: int | None,
) -> tuple[PlanPrice, bool]:
    """Set what a plan costs from a coming hour on; a part left out stays as it will be then. False where it is so.

    Raises UnknownPlanError, and TariffRefusedError where the hour is not full or has begun, or has another price.
    """
    price = await catalog.next_price(
        tx,
        slug=slug,
        begins_at=begins_at,
        price_micros_per_hour=price_micros_per_hour,
        storage_price_micros_per_gib_hour=storage_price_micros_per_gib_hour,
    )
    if not await _charge(tx, price):
        return price, False
    await catalog.add_price(tx, price)
    return price, True


async def prices_of(connection: Connection, views: list[InstanceView], *, at: int) -> dict[UUID, Price]:
    """Tell what instances cost an hour at an instant as they are wanted: running, stored only, or nothing."""
    usages = [
        Usage(view.id, view.plan_id, running=view.accrues is Accrual.RUNNING)
        for view in views
        if view.accrues is not Accrual.NOTHING
    ]
    return {view.id: FREE for view in views} | await wallet.prices(connection, usages, at=at)


async def _charge(tx: Connection, price: PlanPrice) -> bool:
    return await wallet.add_tariff_version(
        tx,
        tariff_id=price.plan_id,
        begins_at=price.begins_at,
        price_micros_per_hour=price.price_micros_per_hour,
        storage_price_micros_per_gib_hour=price.storage_price_micros_per_gib_hour,
    )
