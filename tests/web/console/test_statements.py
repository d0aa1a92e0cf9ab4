from uuid import uuid4

from syneudp.kernel import clock
from syneudp.kernel.database import reading
from syneudp.ledger import Reason
from syneudp.wallet import Corrected, Month, PostingLine, Statement, UsageLine
from syneudp.web.console.statements import LINES_UNFOLDED_MAX, statement_view
from syneudp.web.statements import NamedStatement
from tests.web.console.browsing import Browser

MAY = Month(2026, 5)
DAY = 86_400


def statement_with(*, databases: int, days: int) -> NamedStatement:
    ids = [uuid4() for _ in range(databases)]
    usage = tuple(UsageLine(each, MAY.begins_at + day * DAY, 60, -7) for day in range(days) for each in ids)
    posting = PostingLine(
        id=uuid4(),
        reason=Reason.REVERSAL,
        amount_micros=5,
        posted_at=MAY.begins_at + 9,
        effective_at=MAY.begins_at - 9,
        subject_id=None,
        corrects=Corrected(uuid4(), Reason.USAGE_REST, MAY.begins_at - DAY, ids[0]),
    )
    told = Statement(
        month=MAY,
        currency="EUR",
        final=True,
        posted_through_at=MAY.ends_at,
        opening_micros=1_000_000,
        closing_micros=1_000_005 - 7 * databases * days,
        usage=usage,
        postings=(posting,),
    )
    return NamedStatement(statement=told, names={ids[0]: "orders"})


def test_a_page_shows_each_day_of_each_database_and_what_a_correction_corrects() -> None:
    shown = statement_view(statement_with(databases=2, days=31))
    assert [len(each.days) for each in shown.databases] == [31, 31]
    assert {each.name for each in shown.databases} >= {"orders"}
    assert shown.opening_micros + shown.in_micros + shown.out_micros + shown.used_micros == shown.closing_micros
    [posting] = shown.postings
    assert (posting.database, posting.corrects_at) == ("orders", MAY.begins_at - DAY)
    assert all((day.databases, day.amount_micros, day.share) == (2, -14, 100) for day in shown.days)


def test_a_page_of_hundreds_of_databases_unfolds_only_the_one_asked_for() -> None:
    named = statement_with(databases=LINES_UNFOLDED_MAX // 31 + 1, days=31)
    asked = named.statement.usage[0].resource_id
    shown = statement_view(named, unfolded=asked)
    assert [each.id for each in shown.databases if each.days] == [asked]
    assert len(shown.days) == 31


async def test_the_wallet_leads_to_its_statement_and_its_csv(browser: Browser) -> None:
    await browser.top_up("12,50")
    month = str(Month.of(await clock.now(reading())))
    listed = await browser.get("/wallet")
    assert f'href="/wallet/statements/{month}"' in listed.text
    page = await browser.get(f"/wallet/statements/{month}")
    assert "Balance so far €12.50 0000" in page.words
    assert "Nothing ran." in page.words
    download = await browser.get(f"/wallet/statements/{month}/csv")
    assert download.headers["Content-Type"].startswith("text/csv")
    assert f'"statement-{month}.csv"' in download.headers["Content-Disposition"]
    assert ",12.500000,,EUR," in download.text


async def test_a_month_without_a_statement_is_a_page_that_says_so(browser: Browser) -> None:
    assert (await browser.get("/wallet/statements/2020-01")).status == 404
    assert (await browser.get("/wallet/statements/yesterday")).status == 422
