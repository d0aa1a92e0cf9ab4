"""Take a transfer back, whole or in parts; never more of it than it moved."""

from typing import Final
from uuid import UUID

from syneudp.kernel.database import Connection, row, rows, value
from syneudp.ledger.errors import (
    IdempotencyConflictError,
    ReversalExceededError,
    TransferInvalidError,
    TransferUnknownError,
)
from syneudp.ledger.post_transfer import post
from syneudp.ledger.values import Entry, Reason, Transfer

TWO_SIDES: Final = 2
READ_LEGS: Final = (
    "SELECT e.account_id, e.amount_micros FROM transfers t"
    " JOIN entries e ON e.transfer_id = t.id AND e.created_at = t.created_at WHERE t.id = $1 ORDER BY e.leg"
)
READ_REVERSED: Final = "SELECT reversed_micros FROM transfer_reversals WHERE transfer_id = $1"
READ_KEYED: Final = "SELECT id, reverses_id FROM transfers WHERE idempotency_key = $1"
READ_MOVED: Final = (
    "SELECT sum(e.amount_micros)::bigint FROM transfers t"
    " JOIN entries e ON e.transfer_id = t.id AND e.created_at = t.created_at WHERE t.id = $1 AND e.amount_micros > 0"
)


async def reversible(connection: Connection, transfer_id: UUID) -> int:
    """Tell how much of a transfer (the sum of its positive entries) is not taken back, in micro-units.

    Raises TransferUnknownError.
    """
    moved = await value(connection, READ_MOVED, transfer_id)
    if moved is None:
        raise TransferUnknownError
    return int(moved) - int(await value(connection, READ_REVERSED, transfer_id) or 0)


async def reverse(
    tx: Connection,
    *,
    transfer_id: UUID,
    key: str,
    effective_at: int,
    created_at: int,
    amount_micros: int | None = None,
    subject_id: UUID | None = None,
) -> Transfer:
    """Take back what is left of a transfer, or so much of it, once for a key.

    One of two entries may be taken back in parts, one of more only whole. What was taken back may itself be reversed.
    Raises TransferUnknownError, ReversalExceededError, TransferInvalidError, IdempotencyConflictError, and asyncpg's
    CheckViolationError where a wallet would end below zero.
    """
    keyed = await row(tx, READ_KEYED, key)
    if keyed is not None:
        same_amount = amount_micros in (None, await value(tx, READ_MOVED, keyed["id"]))
        if keyed["reverses_id"] != transfer_id or not same_amount:
            raise IdempotencyConflictError
        return Transfer(id=keyed["id"], replayed=True)
    left = await reversible(tx, transfer_id)
    wanted = left if amount_micros is None else amount_micros
    if not 0 < wanted <= left:
        raise ReversalExceededError
    return await post(
        tx,
        reason=Reason.REVERSAL,
        key=key,
        effective_at=effective_at,
        created_at=created_at,
        entries=_taken_back(await rows(tx, READ_LEGS, transfer_id), wanted),
        subject_id=subject_id,
        reverses_id=transfer_id,
    )


def _taken_back(legs: list[dict[str, object]], amount_micros: int) -> list[Entry]:
    told = [(UUID(str(leg["account_id"])), int(str(leg["amount_micros"]))) for leg in legs]
    if sum(amount for _, amount in told if amount > 0) == amount_micros:
        return [Entry(account_id, -amount) for account_id, amount in told]
    if len(told) != TWO_SIDES:
        raise TransferInvalidError("a transfer of more than two entries is taken back whole")
    return [Entry(account_id, -amount_micros if amount > 0 else amount_micros) for account_id, amount in told]
