from dataclasses import replace
from uuid import uuid4

import pytest

from syneudp.instances import KeptData
from syneudp.wallet import Alert, AlertKind, WalletOverview
from syneudp.web.console.alerts import alert_view
from syneudp.web.console.banners import cap_banner, kept_banner, named, runway_banner
from syneudp.web.console.figures import Figures, instant
from syneudp.web.console.views import Tone
from tests.web.console.browsing import Browser

NOW = 1_900_000_000
HOUR = 3600
DAY = 86_400


def overview(ends_at: int | None) -> WalletOverview:
    return WalletOverview(
        currency="EUR",
        balance_micros=9,
        accrued_micros=1,
        available_micros=8,
        burn_micros_per_hour=1,
        depletes_at=ends_at,
        debt_micros=0,
    )


def test_a_page_warns_of_the_last_72_hours_of_money_alone() -> None:
    assert runway_banner(overview(None), now=NOW) is None
    assert runway_banner(overview(NOW + 72 * HOUR + 1), now=NOW) is None
    told = runway_banner(overview(NOW + 72 * HOUR), now=NOW)
    assert told is not None
    assert told.tone is Tone.HALT
    assert instant(NOW + 72 * HOUR) in told.text
    urgent = runway_banner(overview(NOW + HOUR), now=NOW)
    assert urgent is not None
    assert urgent.tone is Tone.STOP


def test_a_page_says_until_when_unpaid_data_is_kept() -> None:
    assert kept_banner([], now=NOW) is None
    kept = [KeptData(uuid4(), "books", NOW + 13 * DAY), KeptData(uuid4(), "shop", NOW + 14 * DAY)]
    told = kept_banner(kept, now=NOW)
    assert told is not None
    assert told.title == "The wallet is empty, and books and shop stopped."
    assert told.text.startswith(f"Their data is kept until {instant(NOW + 13 * DAY)} and deleted for good in 13 days")
    last = kept_banner(kept[:1], now=NOW + 12 * DAY + 1)
    assert last is not None
    assert (last.tone, "deleted for good today" in last.text) == (Tone.STOP, True)


def test_many_are_named_by_a_few() -> None:
    assert [named(["a"]), named(["a", "b"]), named(["a", "b", "c", "d", "e"])] == ["a", "a and b", "a, b, c and 2 more"]


@pytest.mark.parametrize("kind", list(AlertKind))
def test_every_alert_has_words_with_the_numbers_of_its_moment(kind: AlertKind) -> None:
    resource = uuid4()
    alert = Alert(uuid4(), uuid4(), kind, NOW, 3_000_000, 2_500_000, 62_500, NOW + 40 * HOUR, (resource,))
    told = alert_view(alert, {resource: "books"}, Figures(currency="EUR"))
    assert "books" in told.text
    if kind.value.startswith("runway"):
        assert told.text.startswith("€2.50 left at €0.0625 an hour: enough for 1\u00a0d 16\u00a0h.")
    assert instant(NOW + 40 * HOUR) in told.text


async def test_an_endpoint_is_added_tried_rotated_and_removed_in_the_console(browser: Browser) -> None:
    assert "Nothing so far." in (await browser.get("/alerts")).words
    refused = await browser.post("/webhooks", {"url": "https://10.0.0.1/"})
    assert refused.status == 422
    assert "public addresses alone" in refused.words
    added = await browser.post("/webhooks", {"url": "http://127.0.0.1:9/hook"})
    assert added.status == 201
    assert "whsec_" in added.text
    assert added.headers["Cache-Control"] == "no-store"
    listed = await browser.get("/webhooks")
    path = listed.text.partition('href="/webhooks/')[2].partition('"')[0]
    shown = await browser.get(f"/webhooks/{path}")
    assert "whsec_" not in shown.text
    tried = await browser.follow(await browser.post(f"/webhooks/{path}/test"))
    assert "webhook.test" in tried.words
    assert "On its way" in tried.words
    assert "24 hours" in (await browser.get(f"/webhooks/{path}/rotate")).words
    assert "whsec_" in (await browser.post(f"/webhooks/{path}/rotate")).text
    assert "Remove" in (await browser.get(f"/webhooks/{path}/remove")).words
    gone = await browser.follow(await browser.post(f"/webhooks/{path}/remove"))
    assert "The endpoint is removed." in gone.words
    assert (await browser.get(f"/webhooks/{path}")).status == 404


@pytest.mark.parametrize(("ahead", "told"), [(-5, "stopped on"), (71 * HOUR, "suspended on"), (73 * HOUR, None)])
def test_a_page_tells_of_a_limit_that_is_reached_or_soon_will_be(ahead: int, told: str | None) -> None:
    banner = cap_banner(replace(overview(None), monthly_cap_micros=9, cap_reached_at=NOW + ahead), now=NOW)
    assert (banner is None) == (told is None)
    if banner is not None and told is not None:
        assert f"{told} {instant(NOW + ahead)}" in banner.text


def test_no_limit_has_no_banner() -> None:
    assert cap_banner(overview(None), now=NOW) is None
