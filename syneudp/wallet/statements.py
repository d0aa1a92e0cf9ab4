"""Statements: a wallet's month as an opening balance, lines, and a closing balance that is their sum, exactly.

What belongs to a month, all in UTC:

- Usage belongs to the month in which its seconds ran. A month's usage is what its segments cost from the month's first
  second until the first of the next, whichever transfers posted it: the close of a month's last hour is posted in the
  next month, and a transfer that posts what a stopped resource still owed may reach over the boundary, yet each second
  counts in its own month and day. Charges telescope, so that the days sum exactly to what the books hold.
- Every other posting on the wallet (top-ups, credits, refunds, adjustments, reversals) belongs to the month in which it
  was posted (`created_at`), whenever it takes effect. A correction of an earlier month is therefore a line of its own
  in the month of its posting, and names what it corrects.

Only what is posted counts: an open segment through its wallet's last closed hour. A month is final once that hour has
reached its end. Nothing about it changes afterwards: no posting is dated before the last closed hour, no segment opens
or ends before it, and splitting a segment moves no charge. Until then the statement is provisional. The statements of
all months together are the ledger's balance at every instant. A resource's carry, less than one micro-unit, is never
charged once it is gone.
"""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from syneudp.kernel import clock
from syneudp.kernel.database import Connection, load_sql, row, rows
from syneudp.kernel.money import SECONDS_PER_HOUR
from syneudp.ledger import USAGE_REASONS, BooksCutError, Reason, cut_at
from syneudp.wallet.errors import StatementBrokenError, StatementNotFoundError, WalletNotFoundError
from syneudp.wallet.months import Month
from syneudp.wallet.values import Corrected, PostingLine, Statement, StatementMonth, UsageLine

READ_SPAN: Final = (
    "SELECT w.created_at, coalesce(q.hour, h.closed_through) AS posted_through FROM wallets w"
    " JOIN shards h ON h.shard = w.shard LEFT JOIN wallet_quarantines q ON q.wallet_id = w.id WHERE w.id = $1"
)
USAGE: Final = [reason.value for reason in USAGE_REASONS]


async def statement(tx: Connection, wallet_id: UUID, month: Month) -> Statement:
    """Write a month's statement; `tx` must see one instant (REPEATABLE READ).

    Raises WalletNotFoundError, StatementNotFoundError for a month before the wallet began or after the present one,
    BooksCutError for one whose entries were detached, and StatementBrokenError where the lines do not lead from the
    opening to the closing balance.
    """
    begin_at, end_at = month.begins_at, month.ends_at
    if begin_at < (await cut_at(tx) or begin_at):
        raise BooksCutError
    found = await row(tx, load_sql(__file__, "statement_balances.sql"), wallet_id, begin_at, end_at, USAGE)
    if found is None:
        raise WalletNotFoundError
    if not Month.of(found["created_at"]) <= month <= Month.of(await clock.now(tx)):
        raise StatementNotFoundError
    used = await rows(tx, load_sql(__file__, "statement_usage.sql"), wallet_id, begin_at, end_at)
    posted = await rows(tx, load_sql(__file__, "statement_postings.sql"), wallet_id, begin_at, end_at, USAGE)
    written = Statement(
        month=month,
        currency=found["currency"],
        final=found["posted_through_at"] >= end_at,
        posted_through_at=min(found["posted_through_at"], end_at),
        opening_micros=found["opening_micros"],
        closing_micros=found["closing_micros"],
        usage=tuple(
            UsageLine(
                resource_id=each["resource_id"],
                day_at=each["day_at"],
                seconds=each["seconds"],
                amount_micros=-each["charge_micros"],
            )
            for each in used
        ),
        postings=tuple(_posting(each) for each in posted),
    )
    if written.opening_micros + written.moved_micros != written.closing_micros:
        raise StatementBrokenError(f"the statement {month} of wallet {wallet_id} does not add up")
    return written


async def statement_months(connection: Connection, wallet_id: UUID) -> list[StatementMonth]:
    """List the months that have a statement and are in the books, newest first. Raises WalletNotFoundError."""
    found = await row(connection, READ_SPAN, wallet_id)
    if found is None:
        raise WalletNotFoundError
    posted_through_at = found["posted_through"] * SECONDS_PER_HOUR
    last = Month.of(await clock.now(connection))
    months = [Month.of(found["created_at"])]
    while months[-1] < last:
        months.append(months[-1].next())
    begins_at = await cut_at(connection) or 0
    return [
        StatementMonth(month=month, final=posted_through_at >= month.ends_at)
        for month in reversed(months)
        if month.begins_at >= begins_at
    ]


def _posting(found: Mapping[str, Any]) -> PostingLine:
    corrects = None
    if found["corrects_id"] is not None:
        corrects = Corrected(
            id=found["corrects_id"],
            reason=Reason(found["corrects_reason"]),
            effective_at=found["corrects_effective_at"],
            subject_id=found["corrects_subject_id"],
        )
    return PostingLine(
        id=found["id"],
        reason=Reason(found["reason"]),
        amount_micros=found["amount_micros"],
        posted_at=found["created_at"],
        effective_at=found["effective_at"],
        subject_id=found["subject_id"],
        corrects=corrects,
    )
