"""The local auth server's sessions: refresh tokens turn over at each use, an old one used again ends the session."""

import os
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from syneudp.identity.local_auth.tokens import read_refresh_token, write_refresh_token
from syneudp.kernel.database import Connection, execute, row, value
from syneudp.kernel.identifiers import new_id
from syneudp.kernel.sealing import Keyring

REFRESH_KEY_BYTES: Final = 32
REFRESH_KEY_FIELD: Final = "local_auth_refresh_key"
REUSE_INTERVAL_SECONDS: Final = 10
NOT_FOUND: Final = ("refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found")
ALREADY_USED: Final = ("refresh_token_already_used", "Invalid Refresh Token: Already Used")


@dataclass(frozen=True, slots=True)
class Session:
    """A live session and the refresh token that is good now."""

    id: UUID
    user_id: UUID
    refresh_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RefreshRefusal:
    """Why a refresh token is not taken; a value and not an exception, since ending the session must be committed."""

    code: str
    message: str


async def open_session(tx: Connection, *, user_id: UUID, keyring: Keyring, now: int) -> Session:
    """Open a session with its first refresh token."""
    session_id = new_id()
    key = os.urandom(REFRESH_KEY_BYTES)
    await execute(
        tx,
        "INSERT INTO local_auth_sessions (id, user_id, refresh_key_sealed, refresh_counter, refreshed_at, created_at)"
        " VALUES ($1, $2, $3, 0, $4, $4)",
        session_id,
        user_id,
        keyring.seal(key, record=session_id, field=REFRESH_KEY_FIELD),
        now,
    )
    token = write_refresh_token(session_id=session_id, counter=0, key=key)
    return Session(id=session_id, user_id=user_id, refresh_token=token)


async def refresh_session(tx: Connection, *, token: str, keyring: Keyring, now: int) -> Session | RefreshRefusal:
    """Turn the refresh token over.

    The token before the present one gives the present one again, since a client may have lost the answer, and so does
    an older one within 10 s of the last turn; any other reuse counts as theft and ends the session (RFC 9700, 4.14.2).
    """
    told = read_refresh_token(token)
    if told is None:
        return RefreshRefusal(*NOT_FOUND)
    found = await row(
        tx,
        "SELECT user_id, refresh_key_sealed, refresh_counter, refreshed_at FROM local_auth_sessions WHERE id = $1"
        " FOR UPDATE",
        told.session_id,
    )
    if found is None:
        return RefreshRefusal(*NOT_FOUND)
    key = keyring.unseal(found["refresh_key_sealed"], record=told.session_id, field=REFRESH_KEY_FIELD)
    counter: int = found["refresh_counter"]
    if not told.made_with(key) or told.counter > counter:
        return RefreshRefusal(*NOT_FOUND)
    if told.counter == counter:
        counter += 1
        await execute(
            tx,
            "UPDATE local_auth_sessions SET refresh_counter = $2, refreshed_at = $3 WHERE id = $1",
            told.session_id,
            counter,
            now,
        )
    elif told.counter < counter - 1 and now >= found["refreshed_at"] + REUSE_INTERVAL_SECONDS:
        await execute(tx, "DELETE FROM local_auth_sessions WHERE id = $1", told.session_id)
        return RefreshRefusal(*ALREADY_USED)
    present = write_refresh_token(session_id=told.session_id, counter=counter, key=key)
    return Session(id=told.session_id, user_id=found["user_id"], refresh_token=present)


async def session_lives(connection: Connection, *, session_id: UUID, user_id: UUID) -> bool:
    """Tell whether a session is still there."""
    sql = "SELECT true FROM local_auth_sessions WHERE id = $1 AND user_id = $2"
    return bool(await value(connection, sql, session_id, user_id))


async def close_sessions(tx: Connection, *, session_id: UUID, user_id: UUID, scope: str) -> None:
    """End one session (local), all of the user's (global), or all but this one (others)."""
    await execute(
        tx,
        "DELETE FROM local_auth_sessions WHERE user_id = $1"
        " AND CASE $3 WHEN 'local' THEN id = $2 WHEN 'others' THEN id <> $2 ELSE true END",
        user_id,
        session_id,
        scope,
    )
