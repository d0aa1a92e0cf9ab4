"""Statements as pages: a month on one page, its days a database at a time, and its CSV."""

from collections import defaultdict
from typing import Final
from uuid import UUID

from quart import Blueprint, Response, request
from quart_schema import hide

from syneudp.wallet import Month, UsageLine
from syneudp.web.access import Access, access, current_customer
from syneudp.web.console import words
from syneudp.web.console.answers import page
from syneudp.web.console.views import DayView, StatementPosting, StatementView, UsedDatabase
from syneudp.web.limits import READING, limited
from syneudp.web.statements import CSV_CONTENT_TYPE, NamedStatement, about_of, statement_of, write_csv

LINES_UNFOLDED_MAX: Final = 600
PERCENT: Final = 100


def add_routes(blueprint: Blueprint) -> None:
    """Add this noun's routes."""
    blueprint.get("/wallet/statements/<month>")(show_statement)
    blueprint.get("/wallet/statements/<month>/csv")(download_statement)


@hide
@access(Access.SESSION)
@limited(READING)
async def show_statement(month: str) -> Response:
    """Show a month's statement; `?database=` unfolds the days of one where there are too many for all."""
    named = await statement_of(current_customer(), Month.parse(month))
    return await page("wallet/statement.html", section="wallet", statement=statement_view(named, unfolded=_asked()))


@hide
@access(Access.SESSION)
@limited(READING)
async def download_statement(month: str) -> Response:
    """Hand out a month's statement as CSV (RFC 4180)."""
    asked = Month.parse(month)
    named = await statement_of(current_customer(), asked)
    headers = {
        "Content-Disposition": f'attachment; filename="statement-{asked}.csv"',
        "Cache-Control": "no-store",
    }
    return Response(write_csv(named), content_type=CSV_CONTENT_TYPE, headers=headers)


def statement_view(named: NamedStatement, *, unfolded: UUID | None = None) -> StatementView:
    """Lay a statement out for its page: by database with its days, by day, and everything else line by line."""
    told = named.statement
    by_database: dict[UUID, list[UsageLine]] = defaultdict(list)
    by_day: dict[int, list[UsageLine]] = defaultdict(list)
    for line in told.usage:
        by_database[line.resource_id].append(line)
        by_day[line.day_at].append(line)
    all_unfolded = len(told.usage) <= LINES_UNFOLDED_MAX
    dearest = max((-_sum(lines) for lines in by_day.values()), default=0)
    databases = [
        UsedDatabase(
            id=resource_id,
            name=named.name_of(resource_id) or str(resource_id),
            seconds=sum(line.seconds for line in lines),
            amount_micros=_sum(lines),
            days=tuple(_day(line.day_at, [line], 0) for line in lines)
            if all_unfolded or resource_id == unfolded
            else (),
            open=resource_id == unfolded,
        )
        for resource_id, lines in by_database.items()
    ]
    amounts = [line.amount_micros for line in told.postings]
    return StatementView(
        month=str(told.month),
        begins_at=told.month.begins_at,
        ends_at=told.month.ends_at,
        final=told.final,
        posted_through_at=told.posted_through_at,
        opening_micros=told.opening_micros,
        in_micros=sum(each for each in amounts if each > 0),
        out_micros=sum(each for each in amounts if each < 0),
        used_micros=told.used_micros,
        closing_micros=told.closing_micros,
        databases=tuple(sorted(databases, key=lambda each: (each.amount_micros, each.name))),
        days=tuple(_day(at, lines, dearest) for at, lines in sorted(by_day.items())),
        postings=tuple(
            StatementPosting(
                sentence=words.REASONS[line.reason],
                database=named.name_of(about_of(line)),
                at=line.posted_at,
                effective_at=line.effective_at if line.effective_at < told.month.begins_at else None,
                amount_micros=line.amount_micros,
                corrects=words.REASONS[line.corrects.reason] if line.corrects else "",
                corrects_at=line.corrects.effective_at if line.corrects else None,
            )
            for line in told.postings
        ),
    )


def _day(at: int, lines: list[UsageLine], dearest: int) -> DayView:
    amount = _sum(lines)
    return DayView(
        at=at,
        databases=len(lines),
        seconds=sum(line.seconds for line in lines),
        amount_micros=amount,
        share=-amount * PERCENT // dearest if dearest else 0,
    )


def _sum(lines: list[UsageLine]) -> int:
    return sum(line.amount_micros for line in lines)


def _asked() -> UUID | None:
    try:
        return UUID(request.args.get("database", ""))
    except ValueError:
        return None
