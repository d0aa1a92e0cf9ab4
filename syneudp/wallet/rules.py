"""Pure decisions about usage and its price, in integers: telescoping charges, what is owed, and when money ends.

Source: a segment's charge for [a, b) is floor((p(b - from) + carry) / 3600) - floor((p(a - from) + carry) / 3600), and
the next segment's carry is (p * length + carry) mod 3600, so that a resource's charges sum exactly whatever the order.
Across changes of price this is floor((sum of p * seconds + carry) / 3600), split at the changes or not.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from syneudp.kernel.money import MAX_TOP_UP_MICROS, SECONDS_PER_HOUR
from syneudp.ledger import SHARDS
from syneudp.wallet.errors import AmountInvalidError
from syneudp.wallet.values import HourUsage, PricePeriod, Segment

HORIZON_AT: Final = 4_102_444_800
MINIMUM_SECONDS: Final = 1
CARRY_MAX: Final = SECONDS_PER_HOUR - 1
STEP_BYTES: Final = 64 << 20
WALLETS_IN_A_ROW: Final = 64


def shard_of(place: int) -> int:
    """Choose a wallet's shard by its place in the order of opening: 64 in a row share one, then comes the next shard.

    So the accounts that an hour's close moves together stand on the same pages, since rows are stored as they come.
    """
    return place // WALLETS_IN_A_ROW % SHARDS


def charge(segment: Segment, from_at: int, until_at: int) -> int:
    """Price [from_at, until_at) of a segment in micro-units; the part outside the segment costs nothing."""
    end = until_at if segment.until_at is None else min(until_at, segment.until_at)
    begin = max(from_at, segment.from_at)
    if end <= begin:
        return 0
    return _priced(segment, end) - _priced(segment, begin)


def next_carry(segment: Segment) -> int:
    """Compute the carry of the segment that follows a closed one, in 1/3600 micro-units."""
    if segment.until_at is None:
        raise ValueError("an open segment has no end to carry from")
    length = segment.until_at - segment.from_at
    return (segment.price_micros_per_hour * length + segment.carry) % SECONDS_PER_HOUR


def owed(segments: Sequence[Segment], *, posted_through_at: int, at: int) -> int:
    """Sum what open segments cost from where they are posted to `at`, in micro-units."""
    return sum(charge(segment, posted_through_at, at) for segment in segments)


def price_at(segment: Segment, at: int) -> int:
    """Tell the price that a segment's resource has at an instant, in micro-units an hour, split there or not."""
    passed = [change.price_micros_per_hour for change in segment.coming if change.at <= at]
    return passed[-1] if passed else segment.price_micros_per_hour


def burn(segments: Sequence[Segment], *, at: int) -> int:
    """Sum the prices that segments have at an instant, in micro-units an hour."""
    return sum(price_at(segment, at) for segment in segments)


def burns(segments: Sequence[Segment]) -> bool:
    """Tell whether anything is or will be burnt by open segments."""
    return any(
        segment.price_micros_per_hour or any(change.price_micros_per_hour for change in segment.coming)
        for segment in segments
    )


def split(segment: Segment, *, before: int) -> list[Segment]:
    """Cut an open segment at each change of its price or steps earlier than `before`; the last piece stays open."""
    pieces = [segment]
    for change in segment.coming:
        if change.at >= before:
            break
        ended = replace(pieces[-1], until_at=change.at, coming=())
        pieces[-1:] = [
            ended,
            replace(
                pieces[-1],
                from_at=change.at,
                price_micros_per_hour=change.price_micros_per_hour,
                storage_steps=change.storage_steps,
                carry=next_carry(ended),
                coming=tuple(later for later in segment.coming if later.at > change.at),
            ),
        ]
    return pieces


def periods(segments: Sequence[Segment]) -> list[PricePeriod]:
    """Join neighbouring segments, in their order, that cost the same for the same into periods."""
    joined: list[PricePeriod] = []
    for segment in segments:
        period = PricePeriod(
            from_at=segment.from_at,
            until_at=segment.until_at,
            price_micros_per_hour=segment.price_micros_per_hour,
            storage_steps=segment.storage_steps,
            running=segment.running,
        )
        if segment.until_at == segment.from_at:
            continue
        if joined and joined[-1] == replace(period, from_at=joined[-1].from_at, until_at=period.from_at):
            joined[-1] = replace(joined[-1], until_at=period.until_at)
        else:
            joined.append(period)
    return joined


def steps_of(stored_bytes: int) -> int:
    """Count the steps of 64 MiB that stored bytes take, the begun one included."""
    return -(-stored_bytes // STEP_BYTES)


def next_boundary(now: int) -> int:
    """Tell the first hour boundary after an instant."""
    return (now // SECONDS_PER_HOUR + 1) * SECONDS_PER_HOUR


def depletes_at(segments: Sequence[Segment], *, posted_through_at: int, balance_micros: int) -> int | None:
    """Find the last second T with owed(T) <= balance, at most HORIZON_AT; None where nothing is or will be burnt.

    owed never falls as T grows, coming prices included, so T is found by halving.
    """
    if not burns(segments):
        return None
    begin = max(posted_through_at, min(segment.from_at for segment in segments))
    covered = bisect_right(
        range(begin, HORIZON_AT + 1),
        balance_micros,
        key=lambda at: owed(segments, posted_through_at=posted_through_at, at=at),
    )
    return begin + covered - 1


def opening(last: Segment | None, *, now: int) -> tuple[int, int]:
    """Say where a resource's next segment begins and with which carry: at `now`, never before its last one ended.

    A last segment of no length keeps its second, so that no two segments begin together.
    """
    if last is None or last.until_at is None:
        return now, 0
    begin = max(now, last.until_at)
    return begin + (begin == last.from_at), next_carry(last)


def stopping(segment: Segment, *, now: int, depletes_at: int | None) -> int:
    """Say where a segment ends that is stopped at `now`: after one more second where it runs, so that flapping costs.

    Bounded by the last second the wallet pays for, and never before the segment's own beginning.
    """
    end = max(now, segment.from_at) + (MINIMUM_SECONDS if segment.running else 0)
    if depletes_at is not None:
        end = min(end, depletes_at)
    return max(end, segment.from_at)


def hours(
    segments: Sequence[Segment], *, from_at: int, until_at: int, running_until_at: int, posted_through_at: int
) -> Iterator[HourUsage]:
    """Derive one resource's usage hour by hour in [from_at, until_at), leaving out the hours it did not run.

    `running_until_at` ends what is still open and `posted_through_at` says how far open segments are in the books.
    """
    if not segments:
        return
    begin = max(from_at, min(segment.from_at for segment in segments))
    end = min(until_at, max(_end(segment, running_until_at) for segment in segments))
    for hour in range(begin // SECONDS_PER_HOUR, -(-end // SECONDS_PER_HOUR)):
        start_at = max(hour * SECONDS_PER_HOUR, from_at)
        stop_at = min((hour + 1) * SECONDS_PER_HOUR, until_at)
        parts = [
            (segment, max(start_at, segment.from_at), min(stop_at, _end(segment, running_until_at)))
            for segment in segments
        ]
        ran = [(segment, start, stop) for segment, start, stop in parts if start < stop]
        if ran:
            yield HourUsage(
                period_start=hour * SECONDS_PER_HOUR,
                seconds=sum(stop - start for _, start, stop in ran),
                charge_micros=sum(charge(segment, start, stop) for segment, start, stop in ran),
                posted=all(segment.until_at is not None or stop <= posted_through_at for segment, _, stop in ran),
            )


def check_top_up_amount(amount_micros: object) -> int:
    """Let pass an amount that one payment may have. Raises AmountInvalidError."""
    if type(amount_micros) is not int or not 0 < amount_micros <= MAX_TOP_UP_MICROS:
        raise AmountInvalidError
    return amount_micros


def _end(segment: Segment, running_until_at: int) -> int:
    return running_until_at if segment.until_at is None else segment.until_at


def _priced(segment: Segment, at: int) -> int:
    total, begin, price = segment.carry, segment.from_at, segment.price_micros_per_hour
    for change in segment.coming:
        if change.at >= at:
            break
        total += price * (change.at - begin)
        begin, price = change.at, change.price_micros_per_hour
    return (total + price * (at - begin)) // SECONDS_PER_HOUR
