"""Post transfers, one or many: all entries of a call in one statement of the database's, or nothing."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import asyncpg

from syneudp.kernel.database import Connection, row, rows
from syneudp.kernel.identifiers import new_id
from syneudp.ledger.errors import IdempotencyConflictError, TransferInvalidError
from syneudp.ledger.rules import check_entries
from syneudp.ledger.values import Entry, Posting, Reason, Transfer

POST: Final = (
    "SELECT transfer_id, replayed, agrees FROM ledger_post($1, $2, $3, $4, $5, $6, $7, $8::uuid[], $9::bigint[], false)"
)
POST_MANY: Final = (
    "SELECT transfer_id, replayed FROM ledger_post_many($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::uuid[],"
    " $6::bigint[], $7::bigint[], $8::integer[], $9::uuid[], $10::bigint[])"
)


async def post(
    tx: Connection,
    *,
    reason: Reason,
    key: str,
    effective_at: int,
    created_at: int,
    entries: Sequence[Entry],
    subject_id: UUID | None = None,
    reverses_id: UUID | None = None,
) -> Transfer:
    """Move money once for a key: the same key with the same reason and entries gives the first transfer back.

    `effective_at` is when it counts and `created_at` when it was written, both epoch seconds; `subject_id` is what
    it is about (a resource, a top-up). Accounts are locked wallets first, then system accounts, each by id. Raises
    TransferInvalidError, IdempotencyConflictError, and asyncpg's CheckViolationError where the books would break.
    """
    check_entries(entries)
    found = await row(
        tx,
        POST,
        new_id(),
        reason.value,
        key,
        subject_id,
        reverses_id,
        effective_at,
        created_at,
        [entry.account_id for entry in entries],
        [entry.amount_micros for entry in entries],
    )
    if found is None or found["transfer_id"] is None:
        raise TransferInvalidError("the transfer names no known account")
    if not found["agrees"]:
        raise IdempotencyConflictError
    return Transfer(id=found["transfer_id"], replayed=found["replayed"])


async def post_many(tx: Connection, postings: Sequence[Posting]) -> list[Transfer]:
    """Post many transfers in one statement, each once for its key as `post` does, and answer them in their order.

    All of them stand or none does: on a refusal the statement, and with it `tx`, leaves nothing. Accounts of all are
    locked first, in the one order. Raises what `post` raises.
    """
    for posting in postings:
        check_entries(posting.entries)
    if not postings:
        return []
    try:
        found = await rows(
            tx,
            POST_MANY,
            [new_id() for _ in postings],
            [posting.reason.value for posting in postings],
            [posting.key for posting in postings],
            [posting.subject_id for posting in postings],
            [posting.reverses_id for posting in postings],
            [posting.effective_at for posting in postings],
            [posting.created_at for posting in postings],
            [len(posting.entries) for posting in postings],
            [entry.account_id for posting in postings for entry in posting.entries],
            [entry.amount_micros for posting in postings for entry in posting.entries],
        )
    except asyncpg.UniqueViolationError as refusal:
        raise IdempotencyConflictError from refusal
    if len(found) != len(postings):
        raise TransferInvalidError("a transfer names no known account")
    return [Transfer(id=each["transfer_id"], replayed=each["replayed"]) for each in found]


async def extend_entries(tx: Connection, *, months_ahead: int = 12) -> int:
    """Make the monthly partitions of entries that are still missing and return how many were made.

    Nothing fails where this never runs: a default partition takes what has no month of its own.
    """
    made = await row(tx, "SELECT ledger_extend_entries($1) AS made", months_ahead)
    return int(made["made"]) if made else 0
