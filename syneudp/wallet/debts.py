"""What a wallet owes: booked on an account of its own, paid before anything else, and frozen until it is."""

from typing import Any, Final
from uuid import UUID

from syneudp.kernel.database import Connection, execute, row, value
from syneudp.ledger import AccountKind, Entry, Reason, balance, open_account, post
from syneudp.wallet import rules
from syneudp.wallet.segment_records import open_segments
from syneudp.wallet.values import LockedWallet

FIND: Final = (
    "SELECT d.account_id, a.balance_micros FROM wallet_debts d JOIN accounts a ON a.id = d.account_id"
    " WHERE d.wallet_id = $1"
)
INSERT: Final = "INSERT INTO wallet_debts (wallet_id, account_id, created_at) VALUES ($1, $2, $3)"
READ_PAID: Final = (
    "SELECT e.amount_micros FROM transfers t"
    " JOIN entries e ON e.transfer_id = t.id AND e.created_at = t.created_at AND e.amount_micros > 0"
    " WHERE t.idempotency_key = $1"
)


async def debt(connection: Connection, wallet_id: UUID) -> int:
    """Tell what a wallet owes, in micro-units; 0 where it owes nothing."""
    found = await row(connection, FIND, wallet_id)
    return 0 if found is None else -int(found["balance_micros"])


async def available(tx: Connection, locked: LockedWallet) -> int:
    """Tell what a wallet has that is neither used nor spent: posted less accrued at `locked.now`, never below zero."""
    accrued = rules.owed(
        await open_segments(tx, locked.wallet.id), posted_through_at=locked.closed_through_at, at=locked.now
    )
    return max(await balance(tx, locked.wallet.account_id) - accrued, 0)


async def open_debt(tx: Connection, locked: LockedWallet) -> UUID:
    """Find the account of a wallet's debt, opened where it never owed anything."""
    wallet = locked.wallet
    found = await row(tx, FIND, wallet.id)
    if found is not None:
        return UUID(str(found["account_id"]))
    account_id = await open_account(tx, kind=AccountKind.DEBT, shard=wallet.shard, currency=wallet.currency)
    await execute(tx, INSERT, wallet.id, account_id, locked.now)
    return account_id


async def pay_debt(tx: Connection, locked: LockedWallet, *, transfer_id: UUID) -> int:
    """Pay what a wallet owes from what it has, right after the transfer that brought it in; returns micro-units paid.

    A transfer of its own, so that the wallet's postings show what came in and what it went to.
    """
    found: Any = await row(tx, FIND, locked.wallet.id)
    if found is None or not found["balance_micros"]:
        return 0
    paid = min(await available(tx, locked), -int(found["balance_micros"]))
    if paid:
        await post(
            tx,
            reason=Reason.DEBT_PAYMENT,
            key=_key(transfer_id),
            effective_at=locked.now,
            created_at=locked.now,
            entries=[Entry(locked.wallet.account_id, -paid), Entry(found["account_id"], paid)],
            subject_id=transfer_id,
        )
    return paid


async def debt_paid_by(connection: Connection, transfer_id: UUID) -> int:
    """Tell how much debt was paid right after a transfer, in micro-units."""
    return int(await value(connection, READ_PAID, _key(transfer_id)) or 0)


def _key(transfer_id: UUID) -> str:
    return f"debt:{transfer_id}"
