"""What a customer sees of the wallet and of what was used; everything about usage is derived from segments."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from syneudp.kernel.database import Connection, load_sql, rows, value
from syneudp.kernel.money import SECONDS_PER_HOUR
from syneudp.ledger import Reason
from syneudp.wallet import cap_rules, rules
from syneudp.wallet.caps import charged_by, reached_at
from syneudp.wallet.errors import WalletNotFoundError
from syneudp.wallet.segment_records import planned, segment_from
from syneudp.wallet.spending import spending_through
from syneudp.wallet.standings import Standing, standings
from syneudp.wallet.values import (
    EndCause,
    HourUsage,
    PricePeriod,
    TransactionPage,
    TransactionView,
    Usage,
    WalletOverview,
)


async def overview(connection: Connection, wallet_id: UUID, now: int) -> WalletOverview:
    """Describe a wallet at `now`: posted, accrued, available, burn and when it ends. Raises WalletNotFoundError.

    Nothing accrues past the end of the money, so available is never below zero, settled yet or not. Where the monthly
    cap ends what runs before the money does, that instant is `cap_reached_at` and the money has none.
    """
    found = await standings(connection, wallet_ids=[wallet_id])
    if not found:
        raise WalletNotFoundError
    [standing] = found
    ends_at = standing.ends_at(now)
    depletes_at, cap_reached_at = _ends(standing, now)
    through_at = now if ends_at is None else min(now, ends_at)
    spending = await spending_through(connection, wallet_id, now)
    spent_micros = charged_by([replace(each, until_at=through_at) for each in standing.segments], spending, now=now)
    if standing.cap is not None and cap_reached_at is None:
        cap_reached_at = await reached_at(connection, wallet_id, standing.cap, spent_micros=spent_micros, now=now)
    accrued_micros = sum(standing.accrued(now).values())
    return WalletOverview(
        currency=standing.currency,
        balance_micros=standing.balance_micros,
        accrued_micros=accrued_micros,
        available_micros=standing.balance_micros - accrued_micros,
        burn_micros_per_hour=0 if ends_at is not None and ends_at <= now else rules.burn(standing.segments, at=now),
        depletes_at=depletes_at,
        debt_micros=standing.debt_micros,
        monthly_cap_micros=None if standing.cap is None else standing.cap.monthly_micros,
        spent_this_month_micros=spent_micros,
        cap_reached_at=cap_reached_at,
    )


async def transactions(connection: Connection, wallet_id: UUID, *, limit: int, cursor: int | None) -> TransactionPage:
    """List a wallet's postings, newest first; `cursor` is the `next_cursor` of the page before."""
    found = await rows(connection, load_sql(__file__, "transactions.sql"), wallet_id, cursor, limit + 1)
    items = tuple(TransactionView(**{**each, "reason": Reason(each["reason"])}) for each in found[:limit])
    return TransactionPage(items=items, next_cursor=items[-1].sequence if len(found) > limit else None)


async def usage_by_hour(
    connection: Connection, resource_id: UUID, *, from_at: int, until_at: int, now: int
) -> list[HourUsage]:
    """Derive what a resource used in [from_at, until_at) hour by hour, the open hour last, without the idle ones."""
    found = await rows(connection, load_sql(__file__, "resource_segments.sql"), resource_id, from_at, until_at)
    if not found:
        return []
    segments = [segment_from(each) for each in found]
    depletes_at = found[0]["depletes_at"]
    return list(
        rules.hours(
            segments,
            from_at=from_at,
            until_at=until_at,
            running_until_at=now if depletes_at is None else min(now, depletes_at),
            posted_through_at=found[0]["posted_through"] * SECONDS_PER_HOUR,
        )
    )


async def accrued(connection: Connection, resource_ids: Sequence[UUID], now: int) -> dict[UUID, int]:
    """Tell what each resource has used up to `now` that is not posted yet, in micro-units; 0 where it does not run."""
    told = dict.fromkeys(resource_ids, 0)
    for standing in await standings(connection, resource_ids=resource_ids):
        told |= {each: micros for each, micros in standing.accrued(now).items() if each in told}
    return told


async def burning(connection: Connection, resource_ids: Sequence[UUID], now: int) -> dict[UUID, int]:
    """Tell what each resource costs an hour at `now`, in micro-units; 0 where it is not used or the money has ended."""
    told = dict.fromkeys(resource_ids, 0)
    for standing in await standings(connection, resource_ids=resource_ids):
        ends_at = standing.ends_at(now)
        if ends_at is None or now < ends_at:
            told |= {
                segment.resource_id: rules.price_at(segment, now)
                for segment in standing.segments
                if segment.resource_id in told
            }
    return told


async def price_history(
    connection: Connection, resource_id: UUID, *, from_at: int, now: int, limit: int
) -> list[PricePeriod]:
    """Tell what a resource cost at which times since `from_at`, the latest first, the one that holds now included.

    Pieces of a day's or an hour's accounting that cost the same are one period.
    """
    found = await rows(connection, load_sql(__file__, "resource_segments.sql"), resource_id, from_at, now + 1)
    pieces = [piece for each in found for piece in rules.split(segment_from(each), before=now + 1)]
    return list(reversed(rules.periods(pieces)))[:limit]


async def coming_prices(connection: Connection, usage: Usage, *, now: int) -> list[PricePeriod]:
    """Tell what a use of a resource will cost after `now`, as far as it is known, in the order it begins."""
    [segment] = await planned(connection, [usage], from_at=now)
    return [
        PricePeriod(
            from_at=piece.from_at,
            until_at=piece.until_at,
            price_micros_per_hour=piece.price_micros_per_hour,
            storage_steps=piece.storage_steps,
            running=piece.running,
        )
        for piece in rules.split(segment, before=rules.HORIZON_AT)[1:]
    ]


async def charged(connection: Connection, resource_ids: Sequence[UUID], from_at: int, until_at: int) -> dict[UUID, int]:
    """Tell what each resource cost in [from_at, until_at), posted or not, in micro-units.

    An open segment counts up to `until_at`, which is to be no later than now, and never past the end of the money.
    """
    found = await rows(connection, load_sql(__file__, "charged.sql"), list(resource_ids), from_at, until_at)
    return dict.fromkeys(resource_ids, 0) | {each["resource_id"]: each["charge_micros"] for each in found}


async def due_wallets(connection: Connection, now: int, limit: int) -> list[UUID]:
    """List the wallets whose money has ended by `now` and that are not settled yet, longest due first."""
    found = await rows(
        connection,
        "SELECT wallet_id FROM wallet_depletions WHERE depletes_at <= $1 ORDER BY depletes_at, wallet_id LIMIT $2",
        now,
        limit,
    )
    return [each["wallet_id"] for each in found]


async def next_depletion(connection: Connection) -> int | None:
    """Tell when the next wallet's money ends, in epoch seconds; None where nothing burns."""
    found = await value(connection, "SELECT min(depletes_at) FROM wallet_depletions")
    return None if found is None else int(found)


def _ends(standing: Standing, now: int) -> tuple[int | None, int | None]:
    end = cap_rules.in_sight(standing.end_by(now))
    if end is None:
        return None, None
    return (None, end.at) if end.why is EndCause.CAP else (end.at, None)
