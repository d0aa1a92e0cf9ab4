"""Turn what was measured into pictures: paths in a fixed box, words beside them, and the same numbers as a table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from syneudp.instances import MetricPoint, Series
from syneudp.kernel import clock
from syneudp.kernel.money import SECONDS_PER_HOUR
from syneudp.wallet import HourUsage
from syneudp.web.console.figures import SECONDS_PER_DAY, Figures

WIDTH: Final = 600
HEIGHT: Final = 120
BAR_GAP: Final = 2
STEPS_A_DECADE: Final = (1, 2, 5, 10)
Value = tuple[int, float]


class Span(StrEnum):
    """How far back the charts look."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Window:
    """A span's length and the length of a row of its table, in seconds; how it is called and how its ends are told."""

    label: str
    words: str
    seconds: int
    row_seconds: int
    hours_told: bool


WINDOWS: Final[dict[Span, Window]] = {
    Span.DAY: Window("24 hours", "the last 24 hours", SECONDS_PER_DAY, SECONDS_PER_HOUR, hours_told=True),
    Span.WEEK: Window("7 days", "the last 7 days", 7 * SECONDS_PER_DAY, 6 * SECONDS_PER_HOUR, hours_told=False),
    Span.MONTH: Window("30 days", "the last 30 days", 30 * SECONDS_PER_DAY, SECONDS_PER_DAY, hours_told=False),
}


@dataclass(frozen=True, slots=True)
class ChartView:
    """One picture: its name, its latest value, the value of its upper edge, and paths in a box of 600 by 120."""

    slug: str
    title: str
    latest: str
    top: str
    line: str
    area: str
    spoken: str


@dataclass(frozen=True, slots=True)
class ChartRow:
    """What all pictures show of one stretch of time; None where nothing was measured."""

    at: int
    storage_bytes: int | None
    connections: int | None
    transactions: int | None
    charge_micros: int


@dataclass(frozen=True, slots=True)
class ChartsView:
    """The pictures of a span and the table that says the same; `measured` is false before the first sample."""

    span: Span
    choices: tuple[tuple[Span, str], ...]
    charts: tuple[ChartView, ...]
    rows: tuple[ChartRow, ...]
    begins: str
    ends: str
    words: str
    measured: bool


def chosen_span(asked: str) -> Span:
    """Take a span that was asked for; a day for anything unknown."""
    return Span(asked) if asked in list(Span) else Span.DAY


def charts_view(span: Span, series: Series, hours: Sequence[HourUsage], *, now: int, figures: Figures) -> ChartsView:
    """Draw a window of series and cost that ends now."""
    window = WINDOWS[span]
    from_at = now - window.seconds
    rows = _rows(series, hours, from_at=from_at, until_at=now, seconds=window.row_seconds)
    frame = _Frame(from_at=from_at, until_at=now, step=series.step_seconds, words=window.words)
    storage: list[Value] = [(point.at, point.storage_bytes) for point in series.points]
    connected: list[Value] = [(point.at, point.connections_max) for point in series.points]
    done: list[Value] = [(point.at, point.transactions) for point in series.points]
    costs: list[Value] = [(row.at, row.charge_micros) for row in rows]
    spent = sum(row.charge_micros for row in rows)
    return ChartsView(
        span=span,
        choices=tuple((choice, each.label) for choice, each in WINDOWS.items()),
        charts=(
            _line("storage", "Storage", storage, frame, tell=figures.size, edge=_power_of_two),
            _line("connections", "Connections", connected, frame, tell=figures.number, edge=_round_edge),
            _line("transactions", "Transactions", done, frame, tell=figures.number, edge=_round_edge, total=True),
            _bars("cost", "Cost", costs, frame, window.row_seconds, spent=spent, figures=figures),
        ),
        rows=tuple(reversed(rows)),
        begins=_told(from_at, hours_told=window.hours_told),
        ends=_told(now, hours_told=window.hours_told),
        words=window.words,
        measured=bool(series.points),
    )


@dataclass(frozen=True, slots=True)
class _Frame:
    from_at: int
    until_at: int
    step: int
    words: str

    def across(self, at: float) -> float:
        share = (at - self.from_at) / (self.until_at - self.from_at)
        return round(min(max(share, 0.0), 1.0) * WIDTH, 1)


def _line(
    slug: str,
    title: str,
    values: Sequence[Value],
    frame: _Frame,
    *,
    tell: Callable[[int], str],
    edge: Callable[[int], int],
    total: bool = False,
) -> ChartView:
    if not values:
        return ChartView(slug, title, "", "", "", "", f"{title}: nothing was measured in {frame.words}.")
    peak = max(int(value) for _, value in values)
    top = edge(peak)
    runs = _runs(values, frame.step)
    shown = [[(frame.across(at), _up(value, top)) for at, value in run] for run in runs]
    latest = tell(int(sum(value for _, value in values)) if total else int(values[-1][1]))
    lead = f"{latest} in all" if total else f"{latest} now"
    return ChartView(
        slug=slug,
        title=title,
        latest=f"{latest} in all" if total else latest,
        top=tell(top),
        line=" ".join(_stroke(run) for run in shown),
        area=" ".join(f"{_stroke(run)} V{HEIGHT} H{run[0][0]:g} Z" for run in shown),
        spoken=f"{title} in {frame.words}: {lead}, at most {tell(peak)}.",
    )


def _bars(
    slug: str, title: str, values: Sequence[Value], frame: _Frame, seconds: int, *, spent: int, figures: Figures
) -> ChartView:
    top = _round_edge(max((int(value) for _, value in values), default=0))
    bars = [
        f"M{frame.across(at):g} {HEIGHT} V{_up(value, top):g} "
        f"H{max(frame.across(at + seconds) - BAR_GAP, frame.across(at) + 1):g} V{HEIGHT} Z"
        for at, value in values
        if value
    ]
    told = figures.exact(spent)
    return ChartView(slug, title, told, figures.exact(top), "", " ".join(bars), f"{title} in {frame.words}: {told}.")


def _rows(
    series: Series, hours: Sequence[HourUsage], *, from_at: int, until_at: int, seconds: int
) -> tuple[ChartRow, ...]:
    def row(at: int) -> ChartRow:
        points: list[MetricPoint] = [point for point in series.points if at <= point.at < at + seconds]
        return ChartRow(
            at=at,
            storage_bytes=max((point.storage_bytes_max for point in points), default=None),
            connections=max((point.connections_max for point in points), default=None),
            transactions=sum(point.transactions for point in points) if points else None,
            charge_micros=sum(hour.charge_micros for hour in hours if at <= hour.period_start < at + seconds),
        )

    rows = (row(at) for at in range(from_at // seconds * seconds, until_at, seconds))
    return tuple(each for each in rows if each.charge_micros or each.storage_bytes is not None)


def _runs(values: Sequence[Value], step: int) -> list[list[Value]]:
    runs: list[list[Value]] = []
    for at, value in values:
        if not runs or at - runs[-1][-1][0] > 2 * step:
            runs.append([])
        runs[-1].append((at, value))
    return runs


def _stroke(run: Sequence[tuple[float, float]]) -> str:
    first, *rest = run
    start = f"M{first[0]:g} {first[1]:g}"
    return " ".join([start, *(f"L{x:g} {y:g}" for x, y in rest)]) if rest else f"{start} h1"


def _up(value: float, top: int) -> float:
    return round(HEIGHT - value / top * HEIGHT, 1)


def _power_of_two(peak: int) -> int:
    return 1 << max(peak - 1, 1023).bit_length()


def _round_edge(peak: int) -> int:
    decade = 1
    while decade * 10 < peak:
        decade *= 10
    return max(next(decade * step for step in STEPS_A_DECADE if decade * step >= peak), 1)


def _told(at: int, *, hours_told: bool) -> str:
    moment = clock.instant(at)
    return f"{moment.day} {moment:%b %H:%M}" if hours_told else f"{moment.day} {moment:%b}"
