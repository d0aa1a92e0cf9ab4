"""Give money to a wallet and take it back outside of usage: credits, refunds, disputes and adjustments."""

from typing import Any, Final
from uuid import UUID

from syneudp.kernel.database import Connection, row, rows
from syneudp.kernel.money import MICROS_PER_UNIT
from syneudp.ledger import (
    AccountKind,
    Entry,
    IdempotencyConflictError,
    Reason,
    ReversalExceededError,
    open_account,
    post,
    reversible,
)
from syneudp.wallet.debts import available, debt_paid_by, open_debt, pay_debt
from syneudp.wallet.depletion import recompute_depletion
from syneudp.wallet.errors import AmountInvalidError
from syneudp.wallet.values import Credit, Debit, LockedWallet

CORRECTION_MICROS_MAX: Final = 1_000_000_000 * MICROS_PER_UNIT
BAD_AMOUNT: Final = "A correction is a whole number of micro-units, more than zero and at most 10^9 currency units."
FIND: Final = "SELECT id, reason, reverses_id FROM transfers WHERE idempotency_key = $1"
READ_LEGS: Final = (
    "SELECT a.kind, a.id = $2 AS is_the_wallet, d.wallet_id IS NOT NULL AS is_its_debt, e.amount_micros"
    " FROM transfers t JOIN entries e ON e.transfer_id = t.id AND e.created_at = t.created_at"
    " JOIN accounts a ON a.id = e.account_id"
    " LEFT JOIN wallet_debts d ON d.account_id = a.id AND d.wallet_id = $3 WHERE t.id = $1"
)


async def credit(
    tx: Connection,
    locked: LockedWallet,
    *,
    key: str,
    amount_micros: int,
    reason: Reason = Reason.CREDIT,
    counter: AccountKind = AccountKind.CREDITS,
    provider: str = "",
    effective_at: int | None = None,
    subject_id: UUID | None = None,
    reverses_id: UUID | None = None,
) -> Credit:
    """Give money to a wallet once for a key, from the shard's `counter` account; what it owes is paid from it first.

    `provider` names the provider of a clearing account, `reverses_id` the debit that is taken back, and
    `effective_at` (epoch seconds) when it counts, now unless given. Raises AmountInvalidError, ReversalExceededError,
    IdempotencyConflictError.
    """
    _check_amount(amount_micros)
    done = await _done(tx, locked, key=key, reason=reason, reverses_id=reverses_id)
    if done is not None:
        transfer_id, taken, owed = done
        if (-taken, owed) != (amount_micros, 0):
            raise IdempotencyConflictError
        return Credit(transfer_id, amount_micros, await debt_paid_by(tx, transfer_id), replayed=True)
    await _check_reversible(tx, reverses_id, amount_micros)
    wallet = locked.wallet
    source = await open_account(tx, kind=counter, shard=wallet.shard, currency=wallet.currency, provider=provider)
    transfer = await post(
        tx,
        reason=reason,
        key=key,
        effective_at=locked.now if effective_at is None else effective_at,
        created_at=locked.now,
        entries=[Entry(wallet.account_id, amount_micros), Entry(source, -amount_micros)],
        subject_id=subject_id,
        reverses_id=reverses_id,
    )
    paid = await pay_debt(tx, locked, transfer_id=transfer.id)
    await recompute_depletion(tx, locked)
    return Credit(transfer.id, amount_micros, paid, replayed=False)


async def debit(
    tx: Connection,
    locked: LockedWallet,
    *,
    reason: Reason,
    key: str,
    amount_micros: int,
    counter: AccountKind,
    provider: str = "",
    effective_at: int | None = None,
    subject_id: UUID | None = None,
    reverses_id: UUID | None = None,
) -> Debit:
    """Take money back once for a key, to the shard's `counter` account: what the wallet has, and the rest as its debt.

    What it has is posted less accrued, so that what was used stays paid. One transfer moves both parts. The caller
    freezes what runs where `debt_micros` is above zero. `reverses_id` names the transfer of which this takes back so
    much. Raises AmountInvalidError, ReversalExceededError, IdempotencyConflictError.
    """
    _check_amount(amount_micros)
    done = await _done(tx, locked, key=key, reason=reason, reverses_id=reverses_id)
    if done is not None:
        transfer_id, taken, owed = done
        if taken + owed != amount_micros:
            raise IdempotencyConflictError
        return Debit(transfer_id, taken, owed, replayed=True)
    await _check_reversible(tx, reverses_id, amount_micros)
    wallet = locked.wallet
    taken = min(amount_micros, await available(tx, locked))
    owed = amount_micros - taken
    target = await open_account(tx, kind=counter, shard=wallet.shard, currency=wallet.currency, provider=provider)
    entries = [Entry(target, amount_micros)]
    if taken:
        entries.append(Entry(wallet.account_id, -taken))
    if owed:
        entries.append(Entry(await open_debt(tx, locked), -owed))
    transfer = await post(
        tx,
        reason=reason,
        key=key,
        effective_at=locked.now if effective_at is None else effective_at,
        created_at=locked.now,
        entries=entries,
        subject_id=subject_id,
        reverses_id=reverses_id,
    )
    await recompute_depletion(tx, locked)
    return Debit(transfer.id, taken, owed, replayed=False)


async def _done(
    tx: Connection, locked: LockedWallet, *, key: str, reason: Reason, reverses_id: UUID | None
) -> tuple[UUID, int, int] | None:
    found: Any = await row(tx, FIND, key)
    if found is None:
        return None
    legs = await rows(tx, READ_LEGS, found["id"], locked.wallet.account_id, locked.wallet.id)
    taken = -sum(leg["amount_micros"] for leg in legs if leg["is_the_wallet"])
    owed = -sum(leg["amount_micros"] for leg in legs if leg["is_its_debt"])
    if not (taken or owed) or (found["reason"], found["reverses_id"]) != (reason, reverses_id):
        raise IdempotencyConflictError
    return UUID(str(found["id"])), taken, owed


async def _check_reversible(tx: Connection, reverses_id: UUID | None, amount_micros: int) -> None:
    if reverses_id is not None and amount_micros > await reversible(tx, reverses_id):
        raise ReversalExceededError


def _check_amount(amount_micros: object) -> None:
    if type(amount_micros) is not int or not 0 < amount_micros <= CORRECTION_MICROS_MAX:
        raise AmountInvalidError(BAD_AMOUNT)
