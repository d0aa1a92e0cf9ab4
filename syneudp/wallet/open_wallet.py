"""Open the one wallet that a customer has, and find it again."""

from typing import Any, Final
from uuid import UUID

from syneudp.kernel import clock
from syneudp.kernel.database import Connection, execute, row, value
from syneudp.kernel.identifiers import new_id
from syneudp.ledger import AccountKind, open_account
from syneudp.wallet.errors import CurrencyMismatchError, WalletNotFoundError
from syneudp.wallet.rules import shard_of
from syneudp.wallet.values import WalletRecord

FIND: Final = "SELECT id, user_id, account_id, shard, currency FROM wallets WHERE user_id = $1"
FIND_EITHER: Final = "SELECT id, user_id, account_id, shard, currency FROM wallets WHERE id = $1 OR user_id = $1"
NEXT_PLACE: Final = "SELECT nextval('wallet_places')"
INSERT: Final = (
    "INSERT INTO wallets (id, user_id, account_id, shard, currency, last_event_at, created_at)"
    " VALUES ($1, $2, $3, $4, $5, $6, $6)"
)


async def open_wallet(tx: Connection, *, user_id: UUID, currency: str) -> WalletRecord:
    """Open a customer's wallet, empty, or find the one that is there; two at once open one.

    Raises CurrencyMismatchError where it was opened in another currency (ISO 4217).
    """
    found = await row(tx, FIND, user_id)
    if found is None:
        await execute(tx, "SELECT pg_advisory_xact_lock(hashtextextended('wallet of ' || $1::text, 0))", str(user_id))
        found = await row(tx, FIND, user_id)
    if found is None:
        shard = shard_of(await value(tx, NEXT_PLACE))
        account_id = await open_account(tx, kind=AccountKind.WALLET, shard=shard, currency=currency)
        now = await clock.now(tx)
        await execute(tx, INSERT, new_id(), user_id, account_id, shard, currency, now)
        found = await row(tx, FIND, user_id)
    wallet = _record(found)
    if wallet.currency != currency:
        raise CurrencyMismatchError
    return wallet


async def wallet_of(connection: Connection, user_id: UUID) -> WalletRecord:
    """Find a customer's wallet. Raises WalletNotFoundError."""
    found = await row(connection, FIND, user_id)
    if found is None:
        raise WalletNotFoundError
    return _record(found)


async def wallet_by_id(connection: Connection, identifier: UUID) -> WalletRecord:
    """Find a wallet by its own id or its customer's. Raises WalletNotFoundError."""
    found = await row(connection, FIND_EITHER, identifier)
    if found is None:
        raise WalletNotFoundError
    return _record(found)


def _record(found: Any) -> WalletRecord:
    return WalletRecord(**found)
