"""What keeps more from being used on a wallet: its money, which a debt takes away, or its monthly cap."""

from collections.abc import Sequence
from dataclasses import replace

from syneudp.kernel.database import Connection
from syneudp.wallet import cap_rules, rules
from syneudp.wallet.segment_records import planned
from syneudp.wallet.standings import Standing, standing
from syneudp.wallet.values import EndCause, LockedWallet, Segment, Usage


async def lacking(
    tx: Connection, locked: LockedWallet, *, added: Sequence[Usage], runway_seconds: int
) -> frozenset[EndCause]:
    """Tell what does not cover all that is used and what is to be added, for `runway_seconds` from now on.

    Prices to come count, and so does a month that begins meanwhile. What is added takes the place of what the same
    resource uses now. The caller adds what is still being made. Raises TariffUnknownError.
    """
    stands = await standing(tx, locked.wallet.id)
    begun = await planned(tx, added, from_at=locked.now)
    return lacking_of(stands, begun, now=locked.now, runway_seconds=runway_seconds)


def lacking_of(stands: Standing, added: Sequence[Segment], *, now: int, runway_seconds: int) -> frozenset[EndCause]:
    """Tell the same of a wallet that stands so, with the segments that are to be added at `now`."""
    replaced = {segment.resource_id for segment in added}
    used = [
        replace(segment, until_at=max(now, segment.from_at)) if segment.resource_id in replaced else segment
        for segment in stands.segments
    ]
    segments = [*used, *(replace(segment, carry=rules.CARRY_MAX) for segment in added)]
    until_at = now + runway_seconds
    found = {
        EndCause.BALANCE: not _is_paid(stands, segments, until_at=until_at),
        EndCause.CAP: not _has_room(stands, segments, now=now, until_at=until_at),
    }
    return frozenset(cause for cause, missing in found.items() if missing)


def _is_paid(stands: Standing, segments: Sequence[Segment], *, until_at: int) -> bool:
    owed = rules.owed(segments, posted_through_at=stands.posted_through_at, at=until_at)
    return not stands.debt_micros and owed <= stands.balance_micros


def _has_room(stands: Standing, segments: Sequence[Segment], *, now: int, until_at: int) -> bool:
    if stands.cap is None or stands.spending is None:
        return True
    return cap_rules.has_room(segments, stands.spending, stands.cap, now=now, until_at=until_at)
