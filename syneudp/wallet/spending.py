"""What wallets spent in a month on segments that are closed, summed by the database; the open ones come besides."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from syneudp.kernel.database import Connection, load_sql, rows
from syneudp.wallet.months import Month
from syneudp.wallet.values import Segment, Spending

PIECES: Final = ("resource_ids", "from_ats", "until_ats", "prices", "carries", "tariff_ids")


async def spending_through(connection: Connection, wallet_id: UUID, through_at: int) -> Spending:
    """Read what a wallet's closed segments cost in the month of an instant, summed for those that ended by it."""
    return (await spendings_through(connection, {wallet_id: through_at}))[wallet_id]


async def spendings_through(connection: Connection, through_ats: Mapping[UUID, int]) -> dict[UUID, Spending]:
    """Read the same for many wallets, each through its own instant (epoch seconds)."""
    months = {wallet_id: Month.of(through_at) for wallet_id, through_at in through_ats.items()}
    found = await rows(
        connection,
        load_sql(__file__, "month_usage.sql"),
        list(through_ats),
        list(through_ats.values()),
        [months[wallet_id].begins_at for wallet_id in through_ats],
    )
    return {each["wallet_id"]: _spending(each, months[each["wallet_id"]]) for each in found}


def _spending(found: dict[str, Any], month: Month) -> Spending:
    late = tuple(
        Segment(
            resource_id=resource_id,
            from_at=from_at,
            until_at=until_at,
            price_micros_per_hour=price,
            carry=carry,
            tariff_id=tariff_id,
        )
        for resource_id, from_at, until_at, price, carry, tariff_id in zip(
            *(found[piece] or () for piece in PIECES), strict=True
        )
    )
    return Spending(month=month, settled_micros=found["settled_micros"], late=late)
