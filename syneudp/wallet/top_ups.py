"""Credit money that came in, once a payment."""

from typing import Final
from uuid import UUID

from syneudp.kernel.database import Connection, execute, row, rows
from syneudp.kernel.identifiers import new_id
from syneudp.ledger import AccountKind, Entry, IdempotencyConflictError, Reason, open_account, post
from syneudp.wallet.debts import pay_debt
from syneudp.wallet.depletion import recompute_depletion
from syneudp.wallet.rules import check_top_up_amount
from syneudp.wallet.values import LockedWallet, TopUp, TopUpView

FIND: Final = "SELECT id, wallet_id, amount_micros, transfer_id FROM top_ups WHERE provider = $1 AND payment_id = $2"
LIST: Final = (
    "SELECT p.id, p.provider, p.payment_id, p.amount_micros, p.transfer_id, p.created_at,"
    " p.amount_micros - coalesce(r.reversed_micros, 0) AS refundable_micros"
    " FROM top_ups p LEFT JOIN transfer_reversals r ON r.transfer_id = p.transfer_id WHERE p.wallet_id = $1"
    " AND ($2::uuid IS NULL OR p.id = $2) ORDER BY p.created_at DESC, p.id DESC LIMIT $3"
)
INSERT: Final = (
    "INSERT INTO top_ups (id, wallet_id, provider, payment_id, amount_micros, transfer_id, created_at)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7)"
)


async def credit_top_up(
    tx: Connection,
    locked: LockedWallet,
    *,
    provider: str,
    payment_id: str,
    amount_micros: int,
    top_up_id: UUID | None = None,
) -> TopUp:
    """Credit a payment to the wallet once, whatever order and number of times it is told, and move its depletion.

    What the wallet owes is paid from it first. `top_up_id` names the credit, with a name of its own unless given.
    Raises AmountInvalidError, and IdempotencyConflictError where the payment was credited to another wallet or with
    another amount.
    """
    check_top_up_amount(amount_micros)
    wallet = locked.wallet
    found = await row(tx, FIND, provider, payment_id)
    if found is not None:
        return _replayed(found, wallet.id, amount_micros)
    clearing = await open_account(
        tx, kind=AccountKind.CLEARING, shard=wallet.shard, currency=wallet.currency, provider=provider
    )
    top_up_id = top_up_id or new_id()
    transfer = await post(
        tx,
        reason=Reason.TOP_UP,
        key=f"top-up:{provider}:{payment_id}",
        effective_at=locked.now,
        created_at=locked.now,
        entries=[Entry(wallet.account_id, amount_micros), Entry(clearing, -amount_micros)],
        subject_id=top_up_id,
    )
    if transfer.replayed:
        found = await row(tx, FIND, provider, payment_id)
        return _replayed(found, wallet.id, amount_micros)
    await execute(tx, INSERT, top_up_id, wallet.id, provider, payment_id, amount_micros, transfer.id, locked.now)
    await pay_debt(tx, locked, transfer_id=transfer.id)
    await recompute_depletion(tx, locked)
    return TopUp(id=top_up_id, amount_micros=amount_micros, transfer_id=transfer.id, replayed=False)


async def top_ups(
    connection: Connection, wallet_id: UUID, *, limit: int = 20, top_up_id: UUID | None = None
) -> list[TopUpView]:
    """List a wallet's top-ups, newest first, or the one of an id, each with what of it was not taken back yet."""
    return [TopUpView(**found) for found in await rows(connection, LIST, wallet_id, top_up_id, limit)]


def _replayed(found: dict[str, object] | None, wallet_id: UUID, amount_micros: int) -> TopUp:
    if found is None or found["wallet_id"] != wallet_id or found["amount_micros"] != amount_micros:
        raise IdempotencyConflictError
    return TopUp(
        id=UUID(str(found["id"])),
        amount_micros=amount_micros,
        transfer_id=UUID(str(found["transfer_id"])),
        replayed=True,
    )
