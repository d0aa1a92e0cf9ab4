from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syneudp.wallet import cap_rules, rules
from syneudp.wallet.errors import CapInvalidError
from syneudp.wallet.months import Month
from syneudp.wallet.values import Cap, Change, EndCause, Segment, Spending, UsageEnd

HOUR = 3600
MARCH = Month(2026, 3)
APRIL_AT = MARCH.ends_at
BEGIN = APRIL_AT - HOUR
UNTIL = APRIL_AT + HOUR
ANYTHING = UUID(int=1)
PRICES = st.integers(0, 20_000)


def using(price: int, *, from_at: int = BEGIN, carry: int = 0, coming: tuple[Change, ...] = ()) -> Segment:
    return Segment(ANYTHING, from_at, None, price, carry, ANYTHING, coming=coming)


@st.composite
def open_ones(draw: st.DrawFn) -> Segment:
    at = draw(st.sampled_from([APRIL_AT - HOUR, APRIL_AT, APRIL_AT + HOUR]))
    change = Change(at, draw(PRICES), 1)
    from_at = draw(st.integers(BEGIN - 600, BEGIN + 120))
    coming = (change,) if at > from_at and draw(st.booleans()) else ()
    return using(draw(PRICES), from_at=from_at, carry=draw(st.integers(0, HOUR - 1)), coming=coming)


@st.composite
def closed_ones(draw: st.DrawFn) -> Segment:
    segment = using(draw(PRICES), from_at=draw(st.integers(BEGIN - 300, BEGIN + 2)))
    return replace(segment, until_at=draw(st.integers(max(BEGIN, segment.from_at) + 1, BEGIN + 5)))


def price_of_second(segment: Segment, second: int) -> int:
    if second < segment.from_at or (segment.until_at is not None and second >= segment.until_at):
        return 0
    return rules.price_at(segment, second)


def last_second_that_fits(segments: Sequence[Segment], settled: int, cap: int, begin: int, until: int) -> int | None:
    thirds = [segment.carry for segment in segments]
    before = [
        0 if segment.from_at < MARCH.begins_at else thirds[place] // HOUR for place, segment in enumerate(segments)
    ]
    spent_before = settled
    for second in range(BEGIN - 1000, until):
        if second == APRIL_AT:
            spent_before = 0
            before = [each // HOUR for each in thirds]
        if second == begin and spent_before + sum(t // HOUR - b for t, b in zip(thirds, before, strict=True)) > cap:
            return second
        thirds = [t + price_of_second(s, second) for t, s in zip(thirds, segments, strict=True)]
        spent = spent_before + sum(t // HOUR - b for t, b in zip(thirds, before, strict=True))
        if second >= begin and spent > cap:
            return second
    return None


@given(
    segments=st.lists(open_ones(), min_size=1, max_size=3),
    late=st.lists(closed_ones(), max_size=2),
    settled=st.integers(0, 5_000),
    cap=st.integers(1, 30_000),
    set_at=st.integers(BEGIN - 1000, BEGIN + 200),
)
def test_the_cap_ends_what_runs_at_the_second_that_counting_every_second_finds(
    segments: list[Segment], late: list[Segment], settled: int, cap: int, set_at: int
) -> None:
    spending = Spending(MARCH, settled, tuple(late))
    begin = max(BEGIN, set_at, min(segment.from_at for segment in segments))
    counted = last_second_that_fits([*segments, *late], settled, cap, begin, UNTIL)
    found = cap_rules.cap_ends_at(segments, spending, Cap(cap, set_at), posted_through_at=BEGIN)
    if not rules.burns(segments):
        assert found is None
    elif counted is None:
        assert found is None or found >= UNTIL
    else:
        assert found == counted


@given(
    segments=st.lists(open_ones(), min_size=1, max_size=2),
    cap=st.integers(1, 20_000_000),
    later=st.lists(st.tuples(st.integers(1, 20_000), PRICES), max_size=2, unique_by=lambda told: told[0]),
)
def test_no_month_that_is_passed_over_reaches_the_cap(
    segments: list[Segment], cap: int, later: list[tuple[int, int]]
) -> None:
    coming = tuple(Change(APRIL_AT + hours * HOUR, price, 0) for hours, price in sorted(later))
    segments = [replace(segment, coming=coming) for segment in segments]
    spending = Spending(MARCH, 0)
    begin = max(BEGIN, min(segment.from_at for segment in segments))
    found = cap_rules.cap_ends_at(segments, spending, Cap(cap, 0), posted_through_at=BEGIN)
    month, reached = Month.of(begin), None
    while reached is None and month < Month(2030, 1):
        if cap_rules.spent(segments, spending, month, at=month.ends_at) > cap:
            reached = month
        month = month.next()
    assert (None if found is None else Month.of(found)) == (reached if rules.burns(segments) else None)


@given(
    segments=st.lists(open_ones(), min_size=1, max_size=3),
    cap=st.integers(1, 30_000),
    seconds=st.integers(1, 2 * HOUR),
)
def test_there_is_room_exactly_until_the_cap_ends_what_runs(segments: list[Segment], cap: int, seconds: int) -> None:
    spending, now = Spending(MARCH, 0), BEGIN + 200
    ends_at = cap_rules.cap_ends_at(segments, spending, Cap(cap, now), posted_through_at=now)
    if not rules.burns(segments):
        return
    reached = cap_rules.spent(segments, spending, MARCH, at=now) > cap
    room = cap_rules.has_room(segments, spending, Cap(cap, now), now=now, until_at=now + seconds)
    assert room == (not reached and (ends_at is None or ends_at >= now + seconds))


@pytest.mark.parametrize("hours_ahead", [0, 1, 7, 100])
def test_closing_hours_in_between_never_moves_the_end(hours_ahead: int) -> None:
    segment = using(3601, from_at=MARCH.begins_at + 17)
    cap = Cap(3601 * 400, MARCH.begins_at + 17)
    first = cap_rules.cap_ends_at([segment], Spending(MARCH, 0), cap, posted_through_at=MARCH.begins_at)
    through_at = MARCH.begins_at + hours_ahead * HOUR
    assert cap_rules.cap_ends_at([segment], Spending(MARCH, 0), cap, posted_through_at=through_at) == first


def test_a_cap_that_holds_for_thirty_days_ends_in_the_first_month_of_thirty_one() -> None:
    april = Month(2026, 4)
    segment = using(3600, from_at=april.begins_at)
    cap = Cap(30 * 24 * 3600, april.begins_at)
    ends_at = cap_rules.cap_ends_at([segment], Spending(april, 0), cap, posted_through_at=april.begins_at)
    assert ends_at == Month(2026, 5).begins_at + 30 * 24 * HOUR


def test_a_first_second_that_costs_more_than_the_cap_ends_with_the_month_before_it() -> None:
    segment = using(1, from_at=BEGIN, coming=(Change(APRIL_AT, HOUR * 2, 0),))
    assert cap_rules.cap_ends_at([segment], Spending(MARCH, 0), Cap(1, 0), posted_through_at=BEGIN) == APRIL_AT


def test_the_money_is_named_where_both_end_in_the_same_second() -> None:
    end = [
        cap_rules.usage_end(
            [using(HOUR)],
            posted_through_at=BEGIN,
            balance_micros=balance,
            cap=Cap(100, BEGIN),
            spending=Spending(MARCH, 0),
        )
        for balance in (99, 100, 101)
    ]
    assert end == [
        UsageEnd(BEGIN + 99, EndCause.BALANCE),
        UsageEnd(BEGIN + 100, EndCause.BALANCE),
        UsageEnd(BEGIN + 100, EndCause.CAP),
    ]


@pytest.mark.parametrize("amount", [0, -1, True, 1.0, "5", cap_rules.CAP_MICROS_MAX + 1])
def test_what_is_no_cap_is_refused(amount: object) -> None:
    with pytest.raises(CapInvalidError):
        cap_rules.check_cap(amount)


@pytest.mark.parametrize("amount", [None, 1, cap_rules.CAP_MICROS_MAX])
def test_what_may_be_a_cap_passes(amount: int | None) -> None:
    cap_rules.check_cap(amount)
