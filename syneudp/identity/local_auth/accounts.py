"""The local auth server's users."""

import json
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from syneudp.kernel.database import Connection, execute, row
from syneudp.kernel.identifiers import new_id

COLUMNS: Final = "id, email, password_hash, user_metadata, email_confirmed_at, last_sign_in_at, created_at, updated_at"


@dataclass(frozen=True, slots=True)
class Account:
    """A user; instants in epoch seconds of this process's clock, which its tokens are dated with too."""

    id: UUID
    email: str
    password_hash: str = field(repr=False)
    user_metadata: dict[str, Any]
    email_confirmed_at: int | None
    last_sign_in_at: int | None
    created_at: int
    updated_at: int


async def add_account(
    tx: Connection, *, email: str, password_hash: str, metadata: dict[str, Any], confirmed: bool, now: int
) -> Account | None:
    """Insert a user, or None where the address is taken."""
    added = await row(
        tx,
        "INSERT INTO local_auth_users"
        " (id, email, password_hash, user_metadata, email_confirmed_at, created_at, updated_at)"
        f" VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT (email) DO NOTHING RETURNING {COLUMNS}",
        new_id(),
        email,
        password_hash,
        json.dumps(metadata),
        now if confirmed else None,
        now,
    )
    return None if added is None else _account(added)


async def account_by_email(connection: Connection, email: str) -> Account | None:
    """Find a user by folded address."""
    found = await row(connection, f"SELECT {COLUMNS} FROM local_auth_users WHERE email = $1", email)
    return None if found is None else _account(found)


async def account_by_id(connection: Connection, user_id: UUID) -> Account | None:
    """Find a user by id."""
    found = await row(connection, f"SELECT {COLUMNS} FROM local_auth_users WHERE id = $1", user_id)
    return None if found is None else _account(found)


async def note_sign_in(tx: Connection, *, user_id: UUID, now: int) -> None:
    """Date the latest sign-in."""
    await execute(tx, "UPDATE local_auth_users SET last_sign_in_at = $2 WHERE id = $1", user_id, now)


async def change_password(tx: Connection, *, user_id: UUID, password_hash: str, now: int) -> None:
    """Replace the password."""
    await execute(
        tx, "UPDATE local_auth_users SET password_hash = $2, updated_at = $3 WHERE id = $1", user_id, password_hash, now
    )


async def change_metadata(tx: Connection, *, user_id: UUID, metadata: dict[str, Any], now: int) -> None:
    """Replace the user's own metadata."""
    await execute(
        tx,
        "UPDATE local_auth_users SET user_metadata = $2, updated_at = $3 WHERE id = $1",
        user_id,
        json.dumps(metadata),
        now,
    )


def _account(found: dict[str, Any]) -> Account:
    return Account(**{**found, "user_metadata": json.loads(found["user_metadata"])})
