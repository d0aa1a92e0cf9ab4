"""What an operator does with prices: set one to come, with a reason in the audit trail, and list all there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from syneudp import catalog, identity, instances
from syneudp.catalog import PlanPrice, UnknownPlanError
from syneudp.commands.hosts import OPERATOR_LENGTH_MAX, Operator
from syneudp.commands.wallets import WalletRefusedError, micros_of
from syneudp.identity import Act
from syneudp.kernel import clock
from syneudp.kernel.clock import rfc3339
from syneudp.kernel.database import Connection, reading, transact
from syneudp.kernel.money import MAX_PRICE_MICROS_PER_HOUR, format_micros
from syneudp.wallet import TariffRefusedError

BAD_PRICE: Final = "A price is a number of currency units an hour from 0 to 1000, such as 0.0125."
BAD_INSTANT: Final = "The beginning is a full hour as in RFC 3339, such as 2026-12-01T10:00:00Z."
NO_PLAN: Final = "There is no plan of that name; `prices list` lists them."
NO_PRICE: Final = "Say --hour-price, --storage-price or both."
TITLES: Final = ("PLAN", "FROM", "AN HOUR", "A GIB HOUR STORED", "STATE")


class PriceRefusedError(Exception):
    """What an operator asked for cannot be done; says why in one sentence."""


@dataclass(frozen=True, slots=True)
class PriceSet:
    """A price to come; `replayed` says that it was set before."""

    price: PlanPrice
    replayed: bool


@dataclass(frozen=True, slots=True)
class PriceLine:
    """A price version and whether it has passed, holds now, or is to come."""

    price: PlanPrice
    state: str


async def set_price(
    plan: str, *, hour_price: str | None, storage_price: str | None, begins: str, operator: Operator
) -> PriceSet:
    """Set what a plan costs from a full hour to come on, for whatever runs on it too; the same twice is once.

    A part left out stays as it will be then. Customers' depletion is computed anew by the billing role afterwards.
    Raises PriceRefusedError.
    """
    if hour_price is None and storage_price is None:
        raise PriceRefusedError(NO_PRICE)
    hourly, stored, begins_at = _micros(hour_price), _micros(storage_price), _instant(begins)

    async def change(tx: Connection) -> PriceSet:
        price, added = await instances.set_price(
            tx,
            slug=plan,
            begins_at=begins_at,
            price_micros_per_hour=hourly,
            storage_price_micros_per_gib_hour=stored,
        )
        if added:
            await _record(tx, operator, price)
        return PriceSet(price=price, replayed=not added)

    try:
        return await transact(change)
    except UnknownPlanError:
        raise PriceRefusedError(NO_PLAN) from None
    except TariffRefusedError as refusal:
        raise PriceRefusedError(str(refusal)) from None


async def list_prices() -> list[PriceLine]:
    """Read every price version of every plan, with its state now."""
    connection = reading()
    now = await clock.now(connection)
    versions = await catalog.price_versions(connection)
    holding = {price.plan_id: price for price in versions if price.begins_at <= now}
    return [
        PriceLine(price, "to come" if price.begins_at > now else "now" if holding[price.plan_id] == price else "past")
        for price in versions
    ]


def price_lines(listed: Sequence[PriceLine]) -> list[str]:
    """Write prices as a table for a terminal."""
    if not listed:
        return ["There are no plans yet."]
    cells = [TITLES, *(_cells(line) for line in listed)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(TITLES))]
    return ["  ".join(cell.ljust(widths[place]) for place, cell in enumerate(row)).rstrip() for row in cells]


def price_values(price: PlanPrice) -> dict[str, Any]:
    """Write a price as plain values for a program."""
    return {
        "plan": price.slug,
        "begins_at": rfc3339(price.begins_at),
        "currency": price.currency,
        "price_micros_per_hour": price.price_micros_per_hour,
        "storage_price_micros_per_gib_hour": price.storage_price_micros_per_gib_hour,
    }


def set_line(done: PriceSet) -> str:
    """Write what was set as a sentence for a terminal."""
    if done.replayed:
        return f"That price of {done.price.slug} was set before; nothing was changed."
    return f"{_told(done.price)}; what runs then is charged so from then on."


def _told(price: PlanPrice) -> str:
    hourly, stored = _units(price.price_micros_per_hour), _units(price.storage_price_micros_per_gib_hour)
    return (
        f"{price.slug} costs {hourly} {price.currency} an hour and {stored} a GiB hour stored"
        f" from {rfc3339(price.begins_at)}"
    )


def _cells(line: PriceLine) -> tuple[str, ...]:
    price = line.price
    return (
        price.slug,
        rfc3339(price.begins_at) if price.begins_at else "the beginning",
        f"{_units(price.price_micros_per_hour)} {price.currency}",
        f"{_units(price.storage_price_micros_per_gib_hour)} {price.currency}",
        line.state,
    )


def _units(micros: int) -> str:
    return format_micros(micros, decimals=6)


def _micros(told: str | None) -> int | None:
    if told is None:
        return None
    try:
        micros = micros_of(told)
    except WalletRefusedError:
        raise PriceRefusedError(BAD_PRICE) from None
    if not 0 <= micros <= MAX_PRICE_MICROS_PER_HOUR:
        raise PriceRefusedError(BAD_PRICE)
    return micros


def _instant(told: str) -> int:
    try:
        return clock.epoch(datetime.fromisoformat(told))
    except ValueError:
        raise PriceRefusedError(BAD_INSTANT) from None


async def _record(tx: Connection, operator: Operator, price: PlanPrice) -> None:
    await identity.record_audit(
        tx,
        user_id=None,
        actor=f"operator:{operator.name[:OPERATOR_LENGTH_MAX]}",
        act=Act.OPERATOR,
        subject=f"price: {_told(price)}",
        address="",
        user_agent="syneudp prices",
        reason=operator.reason,
    )
