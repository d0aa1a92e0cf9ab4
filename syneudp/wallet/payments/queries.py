"""What a customer sees of their payments."""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from syneudp.kernel.database import Connection, execute, rows
from syneudp.wallet.payments.records import COLUMNS, payments_from
from syneudp.wallet.payments.values import Payment

SHOWN_AFTER_SECONDS: Final = 86_400
SHOWN: Final = 5
RECENT: Final = (
    f"SELECT {COLUMNS} FROM payments WHERE wallet_id = $1"
    " AND (status = 'processing' OR (status = 'pending' AND checkout_url IS NOT NULL AND expires_at > $2)"
    " OR (status IN ('failed', 'expired') AND checkout_url IS NOT NULL AND created_at > $3))"
    " ORDER BY created_at DESC, id DESC LIMIT $4"
)
WITH_RECEIPT: Final = "SELECT id FROM payments WHERE id = ANY ($1::uuid[]) AND wallet_id = $2 AND provider <> 'sandbox'"
KEEP_RECEIPT: Final = "UPDATE payments SET receipt_url = $2 WHERE id = $1"


async def unsettled_payments(connection: Connection, wallet_id: UUID, now: int) -> list[Payment]:
    """List the last few payments that are under way, and those of the last day that came to nothing."""
    return payments_from(await rows(connection, RECENT, wallet_id, now, now - SHOWN_AFTER_SECONDS, SHOWN))


async def payments_with_receipt(connection: Connection, wallet_id: UUID, ids: Collection[UUID]) -> frozenset[UUID]:
    """Tell which of these top-ups the provider has a receipt for."""
    if not ids:
        return frozenset()
    return frozenset(found["id"] for found in await rows(connection, WITH_RECEIPT, list(ids), wallet_id))


async def keep_receipt(connection: Connection, payment_id: UUID, url: str) -> None:
    """Keep where the receipt of a payment is found."""
    await execute(connection, KEEP_RECEIPT, payment_id, url)
