"""Open an account and read its balance."""

from typing import Any
from uuid import UUID

from syneudp.kernel import clock
from syneudp.kernel.database import Connection, execute, value
from syneudp.kernel.identifiers import new_id
from syneudp.ledger.errors import AccountUnknownError
from syneudp.ledger.values import PERSONAL_KINDS, AccountKind

INSERT_ACCOUNT = (
    "INSERT INTO accounts (id, kind, shard, currency, provider, created_at) VALUES ($1, $2, $3, $4, $5, $6)"
    " ON CONFLICT DO NOTHING"
)
FIND_SYSTEM_ACCOUNT = (
    "SELECT id FROM accounts WHERE kind = $1 AND shard = $2 AND currency = $3 AND provider = $4"
    " AND kind NOT IN ('wallet', 'debt')"
)


async def open_account(tx: Connection, *, kind: AccountKind, shard: int, currency: str, provider: str = "") -> UUID:
    """Open a wallet's or debt's account, or find the shard's one system account of that kind, made where it is missing.

    `provider` names the payment provider of a clearing account and is empty for every other kind.
    """
    if kind in PERSONAL_KINDS:
        return await _insert(tx, kind, shard, currency, provider)
    found: Any = await value(tx, FIND_SYSTEM_ACCOUNT, kind.value, shard, currency, provider)
    if found is None:
        await _insert(tx, kind, shard, currency, provider)
        found = await value(tx, FIND_SYSTEM_ACCOUNT, kind.value, shard, currency, provider)
    return UUID(bytes=found.bytes)


async def balance(connection: Connection, account_id: UUID) -> int:
    """Read the posted balance in micro-units. Raises AccountUnknownError."""
    found = await value(connection, "SELECT balance_micros FROM accounts WHERE id = $1", account_id)
    if found is None:
        raise AccountUnknownError
    return int(found)


async def _insert(tx: Connection, kind: AccountKind, shard: int, currency: str, provider: str) -> UUID:
    account_id = _identifier(shard)
    now = await clock.now(tx)
    await execute(tx, INSERT_ACCOUNT, account_id, kind.value, shard, currency, provider, now)
    return account_id


def _identifier(shard: int) -> UUID:
    """Make a UUID version 8 that begins with the shard: the accounts that an hour's close moves stand side by side."""
    ordered = new_id().bytes
    return UUID(bytes=bytes([shard, *ordered[:5], 0x80 | ordered[6] & 0x0F, *ordered[7:]]))
