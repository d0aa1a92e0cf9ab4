"""`/wallet/statements`: a month's opening balance, lines and closing balance, as JSON or CSV."""

from typing import Any, Final, Literal
from uuid import UUID

from pydantic import Field
from quart import Blueprint, Response, request
from quart_schema import document_response, validate_response

from syneudp import wallet
from syneudp.kernel.database import reading
from syneudp.ledger import Reason
from syneudp.wallet import Month, PostingLine, UsageLine
from syneudp.web.access import Access, access, current_customer
from syneudp.web.api.values import Instant, Micros, Told, written
from syneudp.web.errors import NotAcceptableError
from syneudp.web.limits import READING, limited
from syneudp.web.statements import (
    CSV_CONTENT_TYPE,
    CSV_MEDIA_TYPE,
    USAGE,
    NamedStatement,
    about_of,
    lines_of,
    statement_of,
    write_csv,
)

JSON_MEDIA_TYPE: Final = "application/json"
OFFERED: Final = (JSON_MEDIA_TYPE, CSV_MEDIA_TYPE)


class StatementMonth(Told):
    """A month that has a statement; final: it never changes any more."""

    month: str
    final: bool


class StatementList(Told):
    """Months with a statement, newest first."""

    items: list[StatementMonth]
    next_cursor: None = None


class Corrected(Told):
    """The earlier posting that a correction takes back."""

    id: UUID
    reason: Reason
    effective_at: Instant


class StatementLine(Told):
    """One day's usage of one database, or one posting of another kind; money in is positive."""

    kind: Literal["usage"] | Reason
    at: Instant = Field(description="The first second of the day of usage (UTC), or when it was posted.")
    amount_micros: Micros
    instance_id: UUID | None
    instance_name: str | None = Field(description="What the database is called now, or was called last.")
    seconds: int | None = Field(description="How long it ran on that day.")
    transaction_id: UUID | None
    effective_at: Instant | None
    corrects: Corrected | None


class Statement(Told):
    """A month in UTC. Opening balance and lines make the closing balance, exactly.

    Usage counts in the month in which it ran, everything else in the month in which it was posted. `final`: it never
    changes any more; until then usage is in it up to `posted_through`.
    """

    month: str
    from_: Instant = Field(alias="from")
    until: Instant
    currency: str
    final: bool
    posted_through: Instant
    opening_balance_micros: Micros
    closing_balance_micros: Micros
    lines: list[StatementLine]


def add_routes(blueprint: Blueprint) -> None:
    """Add this noun's routes."""
    blueprint.get("/wallet/statements")(list_statements)
    blueprint.get("/wallet/statements/<month>")(show_statement)


@access(Access.CUSTOMER)
@limited(READING)
@validate_response(StatementList)
async def list_statements() -> StatementList:
    """List the months that have a statement, newest first."""
    months = await wallet.statement_months(reading(), current_customer().wallet.id)
    return StatementList(items=[StatementMonth(month=str(each.month), final=each.final) for each in months])


@access(Access.CUSTOMER)
@limited(READING)
@document_response(Statement)
async def show_statement(month: str) -> Response | dict[str, Any]:
    """Show a month's statement, written YYYY-MM; with `Accept: text/csv` as CSV (RFC 4180)."""
    asked = Month.parse(month)
    chosen = request.accept_mimetypes.best_match(OFFERED) if request.accept_mimetypes else JSON_MEDIA_TYPE
    if chosen is None:
        raise NotAcceptableError
    named = await statement_of(current_customer(), asked)
    if chosen == CSV_MEDIA_TYPE:
        headers = {"Content-Disposition": f'attachment; filename="statement-{asked}.csv"', "Vary": "Accept"}
        return Response(write_csv(named), content_type=CSV_CONTENT_TYPE, headers=headers)
    return told_of(named).model_dump(mode="json", by_alias=True)


def told_of(named: NamedStatement) -> Statement:
    """Write a statement for programs."""
    found = named.statement
    return Statement.model_validate(
        {
            "month": str(found.month),
            "from": written(found.month.begins_at),
            "until": written(found.month.ends_at),
            "currency": found.currency,
            "final": found.final,
            "posted_through": written(found.posted_through_at),
            "opening_balance_micros": found.opening_micros,
            "closing_balance_micros": found.closing_micros,
            "lines": [
                _usage(named, line) if isinstance(line, UsageLine) else _posting(named, line)
                for line in lines_of(found)
            ],
        }
    )


def _usage(named: NamedStatement, line: UsageLine) -> StatementLine:
    return StatementLine(
        kind=USAGE,
        at=written(line.day_at),
        amount_micros=line.amount_micros,
        instance_id=line.resource_id,
        instance_name=named.name_of(line.resource_id) or None,
        seconds=line.seconds,
        transaction_id=None,
        effective_at=None,
        corrects=None,
    )


def _posting(named: NamedStatement, line: PostingLine) -> StatementLine:
    about = about_of(line)
    name = named.name_of(about)
    corrects = line.corrects
    return StatementLine(
        kind=line.reason,
        at=written(line.posted_at),
        amount_micros=line.amount_micros,
        instance_id=about if name else None,
        instance_name=name or None,
        seconds=None,
        transaction_id=line.id,
        effective_at=written(line.effective_at),
        corrects=None
        if corrects is None
        else Corrected(id=corrects.id, reason=corrects.reason, effective_at=written(corrects.effective_at)),
    )
