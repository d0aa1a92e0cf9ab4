import re
from uuid import UUID

import pytest

from syneudp import instances
from syneudp.engines.contract import Engine, Limits, UsageItem
from syneudp.instances import Accrual, Hold, InstanceView, Ladder, MetricPoint, Rung, Series, Status
from syneudp.kernel import clock
from syneudp.kernel.database import execute, reading, value
from syneudp.wallet import HourUsage
from syneudp.web.console.charts import HEIGHT, WIDTH, ChartsView, Span, charts_view, chosen_span
from syneudp.web.console.figures import Figures
from syneudp.web.console.storage_notice import storage_notice
from tests.web.console.browsing import Browser

NOW = 1_900_000_800
HOUR = 3600
FIGURES = Figures(currency="EUR")


def point(at: int, storage: int, connections: int, transactions: int) -> MetricPoint:
    return MetricPoint(
        at=at,
        storage_bytes=storage,
        storage_bytes_max=storage,
        connections=connections,
        connections_max=connections,
        transactions=transactions,
    )


def drawn(*points: MetricPoint, hours: tuple[HourUsage, ...] = ()) -> ChartsView:
    series = Series(from_at=NOW - 24 * HOUR, until_at=NOW, step_seconds=300, points=points)
    return charts_view(Span.DAY, series, hours, now=NOW, figures=FIGURES)


def test_nothing_measured_is_said_and_draws_nothing() -> None:
    empty = drawn()
    assert not empty.measured
    assert [(chart.line, chart.area) for chart in empty.charts] == [("", "")] * 4
    assert "nothing was measured" in empty.charts[0].spoken


def test_a_gap_breaks_the_line_and_everything_stays_in_its_box() -> None:
    times = [NOW - 20 * HOUR, NOW - 20 * HOUR + 300, NOW - 10 * HOUR, NOW - 300]
    shown = drawn(*[point(at, 5 << 20, 3, 40) for at in times])
    storage, connections, transactions, _ = shown.charts
    assert storage.line.count("M") == 3
    assert (storage.latest, storage.top) == ("5 MiB".replace(" ", "\u00a0"), "8 MiB".replace(" ", "\u00a0"))
    assert (connections.latest, connections.top) == ("3", "5")
    assert transactions.latest == "160 in all"
    for chart in shown.charts:
        for x, y in re.findall(r"[ML](\S+) (\S+)", chart.line):
            assert 0 <= float(x) <= WIDTH
            assert 0 <= float(y) <= HEIGHT
    assert [(row.connections, row.transactions) for row in shown.rows] == [(3, 40), (3, 40), (3, 80)]


def test_what_was_charged_is_drawn_as_bars_and_told_to_the_micro_unit() -> None:
    begins = NOW // HOUR * HOUR
    hours = tuple(
        HourUsage(period_start=begins - back * HOUR, seconds=HOUR, charge_micros=62_500, posted=True)
        for back in range(1, 4)
    )
    shown = drawn(hours=hours)
    cost = shown.charts[3]
    assert (cost.latest, cost.top, cost.area.count("Z")) == ("€0.1875", "€0.10", 3)
    assert [row.charge_micros for row in shown.rows] == [62_500] * 3


def test_an_unknown_span_is_a_day() -> None:
    assert [chosen_span(asked) for asked in ("week", "", "year", "<script>")] == ["week", "day", "day", "day"]


def viewed(engine: Engine, ladder: Ladder, *, holds: tuple[Hold, ...] = ()) -> InstanceView:
    nobody = UUID(int=1)
    return InstanceView(
        id=nobody,
        owner_id=nobody,
        wallet_id=nobody,
        name="orders",
        engine=engine,
        plan=f"{engine}-small",
        status=Status.SUSPENDED if holds else Status.RUNNING,
        holds=holds,
        created_at=NOW,
        ready_at=NOW,
        connection=None,
        plan_id=nobody,
        accrues=Accrual.STORED if holds else Accrual.RUNNING,
        generation=1,
        storage_bytes=85,
        storage_limit_bytes=100,
        limits=Limits(max_connections=5, temp_bytes=1),
        rotation_pending=False,
        storage_measured=True,
        ladder=ladder,
    )


@pytest.mark.parametrize(
    ("engine", "ladder", "holds", "said", "act"),
    [
        (Engine.POSTGRESQL, Ladder(rung=Rung.NEAR), (), "85 % full", ""),
        (Engine.POSTGRESQL, Ladder(rung=Rung.FULL, curb_at=NOW + 600, ceiling_bytes=1), (), "It is suspended on", ""),
        (Engine.POSTGRESQL, Ladder(rung=Rung.FULL, curbed=True, room_at=NOW - 9), (Hold.STORAGE,), "is used up", ""),
        (Engine.MYSQL, Ladder(rung=Rung.NEAR), (), "inserting, updating and creating", ""),
        (Engine.MYSQL, Ladder(rung=Rung.FULL, curbed=True), (), "OPTIMIZE|rebuilt", "Allow writing for an hour"),
        (Engine.MYSQL, Ladder(rung=Rung.FULL, curbed=True, room_at=NOW - 9), (), "The next hour", ""),
        (Engine.MYSQL, Ladder(rung=Rung.FULL, curb_at=NOW + 9, ceiling_bytes=1), (), "Writing is refused on", ""),
    ],
)
def test_a_filling_storage_is_explained_with_its_way_out(
    engine: Engine, ladder: Ladder, holds: tuple[Hold, ...], said: str, act: str
) -> None:
    told = storage_notice(viewed(engine, ladder, holds=holds), now=NOW, going=False)
    assert told is not None
    assert re.search(said, f"{told.title} {told.text}")
    assert told.act == act
    assert storage_notice(viewed(engine, ladder, holds=holds), now=NOW, going=True) is None
    assert storage_notice(viewed(engine, Ladder()), now=NOW, going=False) is None


async def test_the_page_draws_what_was_measured_and_says_it_as_a_table(browser: Browser, agent_url: str) -> None:
    await browser.top_up()
    path = await browser.create()
    empty = await browser.get(path)
    assert "Nothing was measured in the last 24 hours." in empty.words
    assert "Not measured yet" in empty.words
    instance_id = UUID(path.rsplit("/", 1)[1])
    host_id = await value(reading(), "SELECT host_id FROM instances WHERE id = $1", instance_id)
    now = await clock.now(reading())
    for minute in range(3):
        used = UsageItem(
            instance_id=instance_id, storage_bytes=(7 + minute) << 20, sessions=2, transactions=1000 * minute
        )
        await instances.record_usage(reading(), host_id=host_id, items=[used], now=now - 180 + 60 * minute)
    shown = await browser.get(f"{path}?span=week")
    assert "Not measured" not in shown.words
    assert "in the last 7 days" in shown.words
    assert "9\u00a0MiB" in shown.text
    assert "2,000 in all" in shown.words
    assert shown.text.count('class="chart-line"') == 3
    piece = await browser.get(f"{path}/charts?span=day", HX_Request="true")
    assert "chart-line" in piece.text
    assert "<html" not in piece.text
    whole = await browser.get(f"{path}/charts?span=month")
    assert (whole.status, whole.headers["Location"]) == (303, f"{path}?span=month")
    assert (await browser.get(f"{path}?span=%3Cscript%3E")).status == 200
    await execute(reading(), "UPDATE instances SET storage_rung = 'near', storage_bytes = storage_limit_bytes / 10 * 9")
    assert re.search(r"Storage is \d\d % full\.", (await browser.get(path)).words)
