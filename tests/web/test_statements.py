import csv
import io
from decimal import Decimal
from typing import Any

import pytest
from quart import Quart

from syneudp.kernel import clock
from syneudp.kernel.database import reading
from syneudp.wallet import Month
from syneudp.web.statements import decimal, harmless
from tests.web.caller import ONE_UNIT_MICROS, Caller, SignUp


async def this_month() -> str:
    return str(Month.of(await clock.now(reading())))


def cells(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


async def show(caller: Caller, month: str, accept: str | None = None) -> Any:
    headers = {} if accept is None else {"Accept": accept}
    return await caller.call("GET", f"/api/v1/wallet/statements/{month}", headers=headers)


async def test_a_statement_opens_adds_its_lines_and_closes(newcomer: SignUp) -> None:
    owner = await newcomer()
    await owner.top_up(7 * ONE_UNIT_MICROS)
    month = await this_month()
    listed = (await owner.get("/api/v1/wallet/statements")).body
    assert listed == {"items": [{"month": month, "final": False}], "next_cursor": None}
    told = (await show(owner, month)).body
    assert told["opening_balance_micros"] == 0
    assert told["closing_balance_micros"] == sum(line["amount_micros"] for line in told["lines"]) == 7_000_000
    [line] = told["lines"]
    assert (line["kind"], line["instance_id"], line["corrects"], line["seconds"]) == ("top_up", None, None, None)
    assert told["from"] == f"{month}-01T00:00:00Z"


async def test_a_statement_comes_as_csv_where_that_is_accepted(newcomer: SignUp) -> None:
    owner = await newcomer()
    await owner.top_up(1_234_567)
    month = await this_month()
    answer = await show(owner, month, "text/csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    assert f"statement-{month}.csv" in answer.headers["Content-Disposition"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.text.endswith("\r\n")
    assert answer.text.count("\n") == answer.text.count("\r\n") == 4
    first, line, last = cells(answer.text)
    assert (first["kind"], first["balance"], first["amount"]) == ("opening_balance", "0.000000", "")
    assert (line["kind"], line["amount"], line["currency"]) == ("top_up", "1.234567", "EUR")
    assert (last["kind"], last["balance"]) == ("closing_balance", "1.234567")
    assert Decimal(first["balance"]) + Decimal(line["amount"]) == Decimal(last["balance"])


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/*", "text/csv"),
        ("application/json;q=0.5, text/csv", "text/csv"),
        ("text/html, application/xhtml+xml, */*;q=0.8", "application/json"),
        ("application/pdf", "application/problem+json"),
    ],
)
async def test_the_media_type_is_the_one_preferred(newcomer: SignUp, accept: str, media_type: str) -> None:
    answer = await show(await newcomer(), await this_month(), accept)
    assert answer.headers["Content-Type"].startswith(media_type)
    assert answer.status == (406 if "problem" in media_type else 200)


async def test_months_that_are_none_or_have_no_statement_are_refused(app: Quart, newcomer: SignUp) -> None:
    owner = await newcomer()
    after = Month.parse(await this_month()).next()
    for month, refusal in {
        "2020-01": (404, "statement_not_found"),
        str(after): (404, "statement_not_found"),
        "2026-13": (422, "month_invalid"),
        "last": (422, "month_invalid"),
    }.items():
        refused = await show(owner, month, "text/csv, application/json")
        assert (refused.status, refused.body["code"]) == refusal


@pytest.mark.parametrize("text", ["=1+1", "+1", "-2+3", "@SUM(A1)", "\tx", "\r=1", "＝1"])
def test_a_name_that_a_spreadsheet_would_take_for_a_formula_is_defused(text: str) -> None:
    assert harmless(text) == f"'{text}"


def test_a_name_of_another_kind_and_an_amount_stay_as_they_are() -> None:
    assert harmless("orders-2026") == "orders-2026"
    assert [decimal(each) for each in (-1, 0, 1_000_000, -12_345_678_901)] == [
        "-0.000001",
        "0.000000",
        "1.000000",
        "-12345.678901",
    ]
