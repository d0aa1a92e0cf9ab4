"""Pure decisions about a monthly cap: what a month costs, when that reaches the cap, and whether there is room left.

Spent(month, T) is the sum of a wallet's charges for [max(month's first second, from), T). Months are calendar months in
UTC and begin on full hours, so that a whole month of a price costs exactly that price times its hours.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from syneudp.kernel.money import MICROS_PER_UNIT
from syneudp.wallet import rules
from syneudp.wallet.errors import CapInvalidError
from syneudp.wallet.months import Month
from syneudp.wallet.values import Cap, EndCause, Segment, Spending, UsageEnd

CAP_MICROS_MAX: Final = 1_000_000_000 * MICROS_PER_UNIT
MONTHS_WITH_A_LONG_ONE: Final = 2


def check_cap(monthly_micros: object) -> None:
    """Let pass a cap in micro-units a month, or None for none. Raises CapInvalidError."""
    if monthly_micros is None:
        return
    if type(monthly_micros) is not int or not 0 < monthly_micros <= CAP_MICROS_MAX:
        raise CapInvalidError


def spent(segments: Sequence[Segment], spending: Spending, month: Month, *, at: int) -> int:
    """Sum what a month costs up to an instant, in micro-units: closed segments by `spending`, and the open ones.

    The instant is no earlier than the one that `spending` is settled through.
    """
    settled = spending.settled_micros if spending.month == month else 0
    charges = [rules.charge(segment, month.begins_at, at) for segment in (*spending.late, *segments)]
    return settled + sum(charges)


def cap_ends_at(segments: Sequence[Segment], spending: Spending, cap: Cap, *, posted_through_at: int) -> int | None:
    """Find the last second T with spent(month of T, T) <= cap; None where none of the months to come reaches the cap.

    T is never before the cap was set, before what is posted or before all of the segments: where more was spent by
    then, that is T. Looks at each month in which a segment, a price or the cap itself begins and at the two after it:
    any two neighbouring months hold one of 31 days, and no later month without a change costs more.
    """
    if not rules.burns(segments):
        return None
    begin = max(posted_through_at, cap.set_at, min(segment.from_at for segment in segments))
    changes = [change.at for segment in segments for change in segment.coming]
    for month in _months(begin, [*changes, *(segment.from_at for segment in segments)]):
        if spent(segments, spending, month, at=month.ends_at) <= cap.monthly_micros:
            continue
        ends_at = _last_second(segments, spending, month, cap, begin=max(begin, month.begins_at))
        return ends_at if ends_at <= rules.HORIZON_AT else None
    return None


def usage_end(
    segments: Sequence[Segment],
    *,
    posted_through_at: int,
    balance_micros: int,
    cap: Cap | None,
    spending: Spending | None,
) -> UsageEnd | None:
    """Tell when open segments end, and whether for the money or for the cap; the money where both end at once.

    None where nothing is or will be burnt. Without `spending` no cap counts.
    """
    depletes_at = rules.depletes_at(segments, posted_through_at=posted_through_at, balance_micros=balance_micros)
    if depletes_at is None:
        return None
    if cap is not None and spending is not None:
        capped_at = cap_ends_at(segments, spending, cap, posted_through_at=posted_through_at)
        if capped_at is not None and capped_at < depletes_at:
            return UsageEnd(capped_at, EndCause.CAP)
    return UsageEnd(depletes_at, EndCause.BALANCE)


def in_sight(end: UsageEnd | None) -> UsageEnd | None:
    """Answer an end before the horizon: one at it says no more than none, and stays until the wallet is next moved."""
    return None if end is None or end.at >= rules.HORIZON_AT else end


def has_room(segments: Sequence[Segment], spending: Spending, cap: Cap, *, now: int, until_at: int) -> bool:
    """Say whether a cap leaves room for what is used and planned in [now, until_at), in each month that lies in it."""
    month = Month.of(now)
    while spent(segments, spending, month, at=min(month.ends_at, until_at)) <= cap.monthly_micros:
        if until_at <= month.ends_at:
            return True
        month = month.next()
    return False


def _months(begin: int, changes: Sequence[int]) -> list[Month]:
    months: set[Month] = set()
    for at in {begin, *(change for change in changes if change > begin)}:
        month = Month.of(at)
        months.add(month)
        for _ in range(MONTHS_WITH_A_LONG_ONE):
            month = month.next()
            months.add(month)
    return sorted(months)


def _last_second(segments: Sequence[Segment], spending: Spending, month: Month, cap: Cap, *, begin: int) -> int:
    covered = bisect_right(
        range(begin, month.ends_at),
        cap.monthly_micros,
        key=lambda at: spent(segments, spending, month, at=at),
    )
    return begin + max(covered - 1, 0)
