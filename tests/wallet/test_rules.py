from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syneudp.kernel.money import MAX_TOP_UP_MICROS
from syneudp.wallet import AmountInvalidError, rules
from syneudp.wallet.values import Segment

ANYTHING = uuid4()
PRICES = st.integers(0, 1_000_000_000)
CARRIES = st.integers(0, 3599)


def segment(price: int, *, from_at: int = 0, until_at: int | None = None, carry: int = 0) -> Segment:
    return Segment(ANYTHING, from_at, until_at, price, carry, ANYTHING)


open_segments = st.builds(
    segment, st.integers(0, 20_000_000), from_at=st.integers(0, 400), until_at=st.none(), carry=CARRIES
)


@given(PRICES, CARRIES, st.lists(st.integers(0, 10**7), min_size=2, max_size=12))
def test_charges_of_pieces_sum_to_the_charge_of_the_whole(price: int, carry: int, cuts: list[int]) -> None:
    cuts.sort()
    whole = segment(price, from_at=cuts[0], carry=carry)
    pieces = [rules.charge(whole, begin, end) for begin, end in zip(cuts, cuts[1:], strict=False)]
    assert sum(pieces) == rules.charge(whole, cuts[0], cuts[-1])
    assert all(piece >= 0 for piece in pieces)


@given(st.lists(st.tuples(PRICES, st.integers(0, 100_000)), min_size=1, max_size=20))
def test_a_chain_of_segments_loses_nothing_to_rounding(parts: list[tuple[int, int]]) -> None:
    now, carry, charged, exact = 0, 0, 0, 0
    for price, length in parts:
        closed = segment(price, from_at=now, until_at=now + length, carry=carry)
        charged += rules.charge(closed, closed.from_at, now + length)
        exact += price * length
        carry = rules.next_carry(closed)
        now += length
    assert 3600 * charged + carry == exact


@given(st.lists(open_segments, min_size=1, max_size=6), st.integers(0, 300), st.integers(0, 100_000))
def test_money_ends_at_the_last_second_that_brute_force_finds(
    segments: list[Segment], posted_through: int, balance: int
) -> None:
    found = rules.depletes_at(segments, posted_through_at=posted_through, balance_micros=balance)
    if rules.burn(segments, at=0) == 0:
        assert found is None
        return
    assert found is not None
    begin = max(posted_through, min(each.from_at for each in segments))
    at = begin
    while at < begin + 3000 and rules.owed(segments, posted_through_at=posted_through, at=at + 1) <= balance:
        at += 1
    assert found == at if at < begin + 3000 else found >= at


@given(st.lists(open_segments, min_size=1, max_size=4), st.integers(0, 300), st.integers(0, 10**13))
def test_the_last_second_is_paid_for_and_the_next_is_not(
    segments: list[Segment], posted_through: int, balance: int
) -> None:
    found = rules.depletes_at(segments, posted_through_at=posted_through, balance_micros=balance)
    if found is None:
        return
    assert rules.owed(segments, posted_through_at=posted_through, at=found) <= balance
    if found < rules.HORIZON_AT:
        assert rules.owed(segments, posted_through_at=posted_through, at=found + 1) > balance


def test_a_balance_that_outlasts_the_horizon_ends_there() -> None:
    assert rules.depletes_at([segment(1)], posted_through_at=0, balance_micros=10**12) == rules.HORIZON_AT


@given(PRICES, CARRIES, st.integers(0, 400), st.integers(1, 900), st.integers(0, 500))
def test_posting_up_to_an_hour_moves_no_depletion(price: int, carry: int, begin: int, hour: int, balance: int) -> None:
    running = [segment(price, from_at=begin, carry=carry)]
    before = rules.depletes_at(running, posted_through_at=0, balance_micros=balance)
    posted = rules.owed(running, posted_through_at=0, at=hour)
    if before is None or before < hour:
        return
    after = rules.depletes_at(running, posted_through_at=hour, balance_micros=balance - posted)
    assert after == max(before, hour)


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_a_stop_costs_at_least_one_second(begin: int, now: int) -> None:
    running = segment(3600, from_at=begin)
    assert rules.stopping(running, now=now, depletes_at=None) - begin >= 1


def test_a_stop_never_runs_past_depletion_nor_before_the_beginning() -> None:
    assert rules.stopping(segment(1, from_at=10), now=20, depletes_at=21) == 21
    assert rules.stopping(segment(1, from_at=10), now=20, depletes_at=20) == 20
    assert rules.stopping(segment(1, from_at=30), now=20, depletes_at=25) == 30


def test_a_segment_begins_where_its_neighbour_ended_and_never_on_top_of_an_empty_one() -> None:
    assert rules.opening(None, now=50) == (50, 0)
    assert rules.opening(segment(1, from_at=10, until_at=20), now=15) == (20, 10)
    assert rules.opening(segment(1, from_at=10, until_at=20, carry=3595), now=30) == (30, 5)
    assert rules.opening(segment(1, from_at=10, until_at=10, carry=7), now=10) == (11, 7)


@given(
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 5000), PRICES), max_size=5),
    st.integers(0, 40_000),
    st.integers(1, 40_000),
    st.booleans(),
)
def test_hours_sum_to_the_window_they_cut(
    parts: list[tuple[int, int, int]], begin: int, length: int, running: bool
) -> None:
    segments, now = [], 0
    for pause, seconds, price in parts:
        segments.append(segment(price, from_at=now + pause, until_at=now + pause + seconds))
        now += pause + seconds
    if running:
        segments.append(segment(7200, from_at=now))
    used = list(
        rules.hours(
            segments, from_at=begin, until_at=begin + length, running_until_at=now + 1800, posted_through_at=3600
        )
    )
    ends = [now + 1800 if each.until_at is None else each.until_at for each in segments]
    stop = [min(end, begin + length) for end in ends]
    assert sum(hour.charge_micros for hour in used) == sum(
        rules.charge(each, begin, end) for each, end in zip(segments, stop, strict=True)
    )
    assert all(0 < hour.seconds <= 3600 and hour.period_start % 3600 == 0 for hour in used)
    assert [hour.period_start for hour in used] == sorted({hour.period_start for hour in used})


@pytest.mark.parametrize("amount", [0, -1, True, 1.0, "5", None, MAX_TOP_UP_MICROS + 1, 10**30])
def test_amounts_that_no_payment_has_are_refused(amount: object) -> None:
    with pytest.raises(AmountInvalidError):
        rules.check_top_up_amount(amount)


def test_wallets_share_a_shard_in_rows_and_every_shard_has_its_turn() -> None:
    assert [rules.shard_of(place) for place in (0, 63, 64, 64 * 255, 64 * 256 - 1, 64 * 256)] == [0, 0, 1, 255, 255, 0]
