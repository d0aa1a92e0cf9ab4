"""A customer's statements with the names of their databases, and how they are written as CSV."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from syneudp import instances, wallet
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, snapshot
from syneudp.kernel.money import MICROS_PER_UNIT
from syneudp.wallet import Month, PostingLine, Statement, UsageLine
from syneudp.web.customers import Customer

CSV_MEDIA_TYPE: Final = "text/csv"
CSV_CONTENT_TYPE: Final = "text/csv; charset=utf-8; header=present"
COLUMNS: Final = (
    "date",
    "kind",
    "database_id",
    "database",
    "seconds",
    "amount",
    "balance",
    "currency",
    "transaction_id",
    "effective_at",
    "corrects_transaction_id",
)
FORMULA_BEGINNINGS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠")
USAGE: Final = "usage"
OPENING: Final = "opening_balance"
CLOSING: Final = "closing_balance"
DATE_LENGTH: Final = 10
SECONDS_PER_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class NamedStatement:
    """A statement and what its databases are called now; one that is not the customer's any more has no name."""

    statement: Statement
    names: dict[UUID, str]

    def name_of(self, resource_id: UUID | None) -> str:
        """Name the database that a line is about, or nothing."""
        return "" if resource_id is None else self.names.get(resource_id, "")


async def statement_of(customer: Customer, month: Month) -> NamedStatement:
    """Read a customer's statement at one instant. Raises StatementNotFoundError (404)."""

    async def read(tx: Connection) -> NamedStatement:
        told = await wallet.statement(tx, customer.wallet.id, month)
        about = {line.resource_id for line in told.usage} | {about_of(line) for line in told.postings} - {None}
        names = await instances.names_of(tx, customer.user.id, {each for each in about if each is not None})
        return NamedStatement(statement=told, names=names)

    return await snapshot(read)


def about_of(line: PostingLine) -> UUID | None:
    """Tell which resource a posting is about, be it through what it corrects."""
    return line.subject_id if line.corrects is None else line.subject_id or line.corrects.subject_id


def write_csv(named: NamedStatement) -> str:
    """Write a statement as CSV (RFC 4180): a header, the opening balance, a line each, the closing balance.

    Amounts are exact, in currency units with six decimals; the amounts lead from the first balance to the last. A text
    that a spreadsheet would take for a formula begins with an apostrophe.
    """
    told = named.statement
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerow(_row(told, date=_date(told.month.begins_at), kind=OPENING, balance=decimal(told.opening_micros)))
    for line in lines_of(told):
        writer.writerow(_usage(named, line) if isinstance(line, UsageLine) else _posting(named, line))
    closes_at = told.month.ends_at if told.final else told.posted_through_at
    writer.writerow(_row(told, date=_date(closes_at - 1), kind=CLOSING, balance=decimal(told.closing_micros)))
    return text.getvalue()


def lines_of(statement: Statement) -> Iterator[UsageLine | PostingLine]:
    """Go through a statement's lines day by day, the postings of a day before its usage."""
    days = sorted({_day(each) for each in statement.postings} | {each.day_at for each in statement.usage})
    postings: dict[int, list[PostingLine]] = {}
    usage: dict[int, list[UsageLine]] = {}
    for posting in statement.postings:
        postings.setdefault(_day(posting), []).append(posting)
    for used in statement.usage:
        usage.setdefault(used.day_at, []).append(used)
    for day in days:
        yield from postings.get(day, ())
        yield from usage.get(day, ())


def decimal(amount_micros: int) -> str:
    """Write an amount exactly, in currency units with six decimals and no groups, for programs."""
    units, micros = divmod(abs(amount_micros), MICROS_PER_UNIT)
    return f"{'-' if amount_micros < 0 else ''}{units}.{micros:06d}"


def harmless(text: str) -> str:
    """Keep a spreadsheet from taking a text for a formula."""
    return f"'{text}" if text.startswith(FORMULA_BEGINNINGS) else text


def _usage(named: NamedStatement, line: UsageLine) -> list[str]:
    return _row(
        named.statement,
        date=_date(line.day_at),
        kind=USAGE,
        database_id=str(line.resource_id),
        database=harmless(named.name_of(line.resource_id)),
        seconds=str(line.seconds),
        amount=decimal(line.amount_micros),
    )


def _posting(named: NamedStatement, line: PostingLine) -> list[str]:
    about = about_of(line)
    database = named.name_of(about)
    return _row(
        named.statement,
        date=_date(line.posted_at),
        kind=line.reason.value,
        database_id=str(about) if database else "",
        database=harmless(database),
        amount=decimal(line.amount_micros),
        transaction_id=str(line.id),
        effective_at=clock.rfc3339(line.effective_at),
        corrects_transaction_id=str(line.corrects.id) if line.corrects else "",
    )


def _row(told: Statement, **cells: str) -> list[str]:
    return [{"currency": told.currency, **cells}.get(column, "") for column in COLUMNS]


def _day(line: PostingLine) -> int:
    return line.posted_at - line.posted_at % SECONDS_PER_DAY


def _date(at: int) -> str:
    return clock.rfc3339(at)[:DATE_LENGTH]
