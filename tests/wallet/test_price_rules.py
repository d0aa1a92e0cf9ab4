from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from syneudp.wallet import rules
from syneudp.wallet.values import Change, PricePeriod, Segment

ANYTHING = UUID(int=1)
PRICES = st.integers(0, 20_000)
HOUR = 3600
changes = st.dictionaries(st.integers(1, 4), PRICES, max_size=3).map(
    lambda told: tuple(Change(hour * HOUR, price, hour) for hour, price in sorted(told.items()))
)


@st.composite
def changing(draw: st.DrawFn) -> Segment:
    return Segment(
        resource_id=ANYTHING,
        from_at=draw(st.integers(0, HOUR - 1)),
        until_at=None,
        price_micros_per_hour=draw(PRICES),
        carry=draw(st.integers(0, HOUR - 1)),
        tariff_id=ANYTHING,
        coming=draw(changes),
    )


def second_by_second(segment: Segment, until: int) -> int:
    thirds = segment.carry
    for second in range(segment.from_at, until):
        price = segment.price_micros_per_hour
        for change in segment.coming:
            if change.at <= second:
                price = change.price_micros_per_hour
        thirds += price
    return thirds


@given(changing(), st.integers(0, 5 * HOUR))
def test_a_charge_is_the_sum_of_the_price_over_its_seconds(segment: Segment, length: int) -> None:
    until = segment.from_at + length
    assert rules.charge(segment, segment.from_at, until) == second_by_second(segment, until) // HOUR


@given(changing(), st.lists(st.integers(0, 6 * HOUR), min_size=1, max_size=8))
def test_splitting_moves_no_micro_whatever_is_asked(segment: Segment, cuts: list[int]) -> None:
    for cut in cuts:
        *closed, last = rules.split(segment, before=cut)
        pieces = [*closed, last]
        for begin, end in zip(sorted(cuts), sorted(cuts)[1:], strict=False):
            assert sum(rules.charge(piece, begin, end) for piece in pieces) == rules.charge(segment, begin, end)
        assert [piece.from_at for piece in pieces[1:]] == [piece.until_at for piece in closed]
        assert all(rules.next_carry(one) == two.carry for one, two in zip(pieces, pieces[1:], strict=False))
        assert last.until_at is None
        assert all(change.at >= cut for change in last.coming)


@given(st.lists(changing(), min_size=1, max_size=4), st.integers(0, HOUR), st.integers(0, 200_000))
def test_money_ends_across_changes_at_the_last_second_it_pays(
    segments: list[Segment], posted_through: int, balance: int
) -> None:
    found = rules.depletes_at(segments, posted_through_at=posted_through, balance_micros=balance)
    if found is None:
        assert not any(each.price_micros_per_hour for each in segments)
        assert not any(change.price_micros_per_hour for each in segments for change in each.coming)
        return
    assert rules.owed(segments, posted_through_at=posted_through, at=found) <= balance
    if found < rules.HORIZON_AT:
        assert rules.owed(segments, posted_through_at=posted_through, at=found + 1) > balance


@given(changing(), st.integers(0, 100_000))
def test_posting_and_splitting_at_a_boundary_move_no_depletion(segment: Segment, balance: int) -> None:
    before = rules.depletes_at([segment], posted_through_at=0, balance_micros=balance)
    for hour in (1, 2, 3, 4):
        boundary = hour * HOUR
        *closed, last = rules.split(segment, before=boundary + 1)
        posted = rules.owed([segment], posted_through_at=0, at=boundary)
        if posted > balance:
            return
        after = rules.depletes_at([last], posted_through_at=boundary, balance_micros=balance - posted)
        assert after == (None if after is None else before)
        assert (after is None) <= (before in {None, rules.HORIZON_AT})
        assert posted == sum(rules.charge(piece, 0, boundary) for piece in (*closed, last))


@given(changing(), st.integers(0, 5 * HOUR))
def test_the_price_at_an_instant_is_what_its_second_costs(segment: Segment, length: int) -> None:
    at = segment.from_at + length
    assert rules.price_at(segment, at) == second_by_second(segment, at + 1) - second_by_second(segment, at)


def test_stored_bytes_take_the_begun_step() -> None:
    step = rules.STEP_BYTES
    assert [rules.steps_of(stored) for stored in (0, 1, step - 1, step, step + 1, 16 * step)] == [0, 1, 1, 1, 2, 16]


def test_the_next_boundary_is_never_the_present_second() -> None:
    assert [rules.next_boundary(now) for now in (0, 1, 3599, 3600)] == [3600, 3600, 3600, 7200]


def test_neighbours_that_cost_the_same_are_one_period() -> None:
    def piece(begin: int, end: int | None, price: int) -> Segment:
        return Segment(ANYTHING, begin, end, price, 0, ANYTHING)

    told = rules.periods([piece(0, 5, 7), piece(5, 9, 7), piece(9, 9, 3), piece(9, 12, 8), piece(20, None, 8)])
    assert told == [
        PricePeriod(0, 9, 7, 0, running=True),
        PricePeriod(9, 12, 8, 0, running=True),
        PricePeriod(20, None, 8, 0, running=True),
    ]
