"""The rows of payments: written before a provider is told, completed with what it answers, asked about while open."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from syneudp.kernel.database import Connection, execute, row, rows, value
from syneudp.kernel.identifiers import new_id
from syneudp.wallet.payments.errors import PaymentNotFoundError
from syneudp.wallet.payments.values import Payment, PaymentReference, PaymentStatus
from syneudp.wallet.rules import check_top_up_amount
from syneudp.wallet.values import WalletRecord

CHECKOUT_SECONDS: Final = 6 * 3600
FIRST_ASKED_SECONDS: Final = 180
ASKED_EVERY_SECONDS_MIN: Final = 300
ASKED_EVERY_SECONDS_MAX: Final = 6 * 3600
ASKED_AFTER_EXPIRY_SECONDS: Final = 60
DOUBLINGS_MAX: Final = 7
COLUMNS: Final = (
    "id, wallet_id, provider, request_id, amount_micros, currency, status, checkout_id, checkout_url, payment_id,"
    " receipt_url, failure, created_at, expires_at"
)
INSERT: Final = (
    "INSERT INTO payments"
    " (id, wallet_id, provider, request_id, amount_micros, currency, ask_at, created_at, expires_at)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (provider, request_id) DO NOTHING"
)
FIND_REQUEST: Final = f"SELECT {COLUMNS} FROM payments WHERE provider = $1 AND request_id = $2"
FIND: Final = f"SELECT {COLUMNS} FROM payments WHERE id = $1"
FIND_REFERENCED: Final = (
    f"SELECT {COLUMNS} FROM payments WHERE provider = $1 AND (payment_id = $2 OR checkout_id = $3) LIMIT 1"
)
OPENED: Final = "UPDATE payments SET checkout_id = $2, checkout_url = $3 WHERE id = $1 AND checkout_id IS NULL"
REFUSED: Final = (
    "UPDATE payments SET status = 'failed', failure = $2, ask_at = NULL WHERE id = $1 AND status = 'pending'"
)
DUE: Final = f"SELECT {COLUMNS} FROM payments WHERE ask_at <= $1 ORDER BY ask_at, id LIMIT $2"
OPEN_OF_WALLET: Final = f"SELECT {COLUMNS} FROM payments WHERE wallet_id = $1 AND ask_at IS NOT NULL ORDER BY id"
CLAIM: Final = "UPDATE payments SET asked = asked + 1, ask_at = $2 WHERE id = $1 AND ask_at <= $3 AND asked = $4"
LAPSE: Final = (
    "UPDATE payments SET status = 'expired', ask_at = NULL"
    " WHERE id = $1 AND status = 'pending' AND checkout_id IS NULL AND expires_at <= $2"
)


async def intend(
    tx: Connection, wallet: WalletRecord, *, provider: str, request_id: UUID, amount_micros: int, now: int
) -> Payment:
    """Write down that a customer wants to pay, once for a request, before any provider is asked.

    Raises AmountInvalidError.
    """
    check_top_up_amount(amount_micros)
    await execute(
        tx,
        INSERT,
        new_id(),
        wallet.id,
        provider,
        request_id,
        amount_micros,
        wallet.currency,
        now + FIRST_ASKED_SECONDS,
        now,
        now + CHECKOUT_SECONDS,
    )
    return _payment(await row(tx, FIND_REQUEST, provider, request_id))


async def payment_of(connection: Connection, payment_id: UUID, *, wallet_id: UUID | None = None) -> Payment:
    """Find a payment by our own id, of that wallet if one is told. Raises PaymentNotFoundError."""
    found = await row(connection, FIND, payment_id)
    if found is None or (wallet_id is not None and found["wallet_id"] != wallet_id):
        raise PaymentNotFoundError
    return _payment(found)


async def find_referenced(connection: Connection, provider: str, reference: PaymentReference) -> Payment | None:
    """Find a payment by the provider's own names for it, or None."""
    found = await row(connection, FIND_REFERENCED, provider, reference.payment_id, reference.checkout_id)
    return None if found is None else _payment(found)


async def record_checkout(tx: Connection, payment_id: UUID, *, checkout_id: str, checkout_url: str) -> Payment:
    """Write down where the customer pays, once; a repetition changes nothing."""
    await execute(tx, OPENED, payment_id, checkout_id, checkout_url)
    return await payment_of(tx, payment_id)


async def record_refusal(tx: Connection, payment_id: UUID, *, failure: str) -> None:
    """Write down that the provider takes no such payment."""
    await execute(tx, REFUSED, payment_id, failure)


async def due_payments(connection: Connection, now: int, limit: int) -> list[Payment]:
    """List the open payments that are to be asked about by now, longest due first."""
    return [_payment(found) for found in await rows(connection, DUE, now, limit)]


async def open_payments_of(connection: Connection, wallet_id: UUID) -> list[Payment]:
    """List a wallet's payments whose outcome is not known yet."""
    return [_payment(found) for found in await rows(connection, OPEN_OF_WALLET, wallet_id)]


async def claim_asking(tx: Connection, payment: Payment, *, now: int) -> bool:
    """Take the turn of asking about a due payment and set the next one; False where another process has taken it."""
    asked = int(await value(tx, "SELECT asked FROM payments WHERE id = $1", payment.id))
    return bool(await execute(tx, CLAIM, payment.id, next_asking(payment, asked=asked, now=now), now, asked))


async def lapse(tx: Connection, payment: Payment, *, now: int) -> bool:
    """Let a payment expire whose checkout never reached its customer, so that nobody can have paid it."""
    return bool(await execute(tx, LAPSE, payment.id, now))


def next_asking(payment: Payment, *, asked: int, now: int) -> int:
    """Choose when to ask again: after 5 minutes, then twice as long each time, up to 6 hours; and once it expired."""
    pause = min(ASKED_EVERY_SECONDS_MIN << min(asked, DOUBLINGS_MAX), ASKED_EVERY_SECONDS_MAX)
    expired_at = payment.expires_at + ASKED_AFTER_EXPIRY_SECONDS
    return min(now + pause, expired_at) if now < expired_at else now + pause


def payments_from(found: Sequence[Any]) -> list[Payment]:
    """Turn rows into values."""
    return [_payment(each) for each in found]


def _payment(found: Any) -> Payment:
    return Payment(**{**found, "status": PaymentStatus(found["status"])})
