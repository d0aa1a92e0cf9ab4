"""The rows of console sessions: each verb is one short statement in the open transaction, none calls out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from syneudp.identity.models import WebSessionRow
from syneudp.identity.rules import LEASE_SECONDS, OUTAGE_REST_SECONDS, bounded_line, hash_secret, new_secret
from syneudp.identity.values import (
    ADDRESS_LENGTH_MAX,
    USER_AGENT_LENGTH_MAX,
    AuthTokens,
    Claims,
    OpenedSession,
    SessionEnd,
    SignOutScope,
    User,
    WebSession,
)
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, execute, load_sql, row, rows, value
from syneudp.kernel.identifiers import new_id
from syneudp.kernel.sealing import Keyring

ACCESS_FIELD: Final = "web_session_access_token"
REFRESH_FIELD: Final = "web_session_refresh_token"


@dataclass(frozen=True, slots=True)
class HeldSession:
    """A live session row as read, its refresh token opened and the state of its lease beside it."""

    session: WebSession
    refresh_token: str = field(repr=False)
    refresh_claim: UUID | None
    refreshing_until: int | None
    last_seen_at: int


async def open_session(
    tx: Connection, *, user: User, claims: Claims, tokens: AuthTokens, keyring: Keyring, address: str, user_agent: str
) -> OpenedSession:
    """Insert a session with its tokens sealed; the answer holds the only copy of the cookie's secret."""
    now = await clock.now(tx)
    session = WebSession(
        id=new_id(),
        user=user,
        auth_session_id=claims.session_id,
        access_token=tokens.access_token,
        access_expires_at=now + tokens.expires_in,
        created_at=now,
    )
    cookie = new_secret()
    await WebSessionRow.create(
        using_db=tx,
        id=session.id,
        secret_hash=hash_secret(cookie),
        user_id=user.id,
        auth_session_id=session.auth_session_id,
        access_token_sealed=_seal_access(keyring, session.id, tokens),
        refresh_token_sealed=_seal_refresh(keyring, session.id, tokens),
        access_expires_at=session.access_expires_at,
        created_at=now,
        last_seen_at=now,
        address=bounded_line(address, ADDRESS_LENGTH_MAX),
        user_agent=bounded_line(user_agent, USER_AGENT_LENGTH_MAX),
    )
    return OpenedSession(cookie=cookie, session=session)


async def read_session(connection: Connection, *, cookie: str, keyring: Keyring) -> HeldSession | None:
    """Find the session of a cookie that has not been ended; None for anything else. Raises SealBrokenError."""
    secret_hash = hash_secret(cookie)
    if secret_hash is None:
        return None
    found = await row(connection, load_sql(__file__, "read_session.sql"), secret_hash)
    return None if found is None else _held(found, keyring)


async def touch_session(tx: Connection, *, session_id: UUID) -> None:
    """Note that the session was just seen."""
    await execute(tx, "UPDATE web_sessions SET last_seen_at = $2 WHERE id = $1", session_id, await clock.now(tx))


async def claim_refresh(tx: Connection, *, session: WebSession, claim: UUID) -> bool:
    """Take the lease to refresh this session for 15 s, unless another holds it, it rests, or it was refreshed since."""
    now = await clock.now(tx)
    sql = load_sql(__file__, "claim_refresh.sql")
    return await execute(tx, sql, session.id, claim, now + LEASE_SECONDS, now, session.access_expires_at) == 1


async def record_refresh(
    tx: Connection, *, session_id: UUID, claim: UUID, tokens: AuthTokens, keyring: Keyring
) -> bool:
    """Seal the new tokens into the session and give the lease back; False where the lease or the session was lost."""
    now = await clock.now(tx)
    return (
        await execute(
            tx,
            load_sql(__file__, "record_refresh.sql"),
            session_id,
            claim,
            _seal_access(keyring, session_id, tokens),
            _seal_refresh(keyring, session_id, tokens),
            now + tokens.expires_in,
        )
        == 1
    )


async def rest_refresh(tx: Connection, *, session_id: UUID, claim: UUID) -> None:
    """Give the lease back after an outage and let the next attempt wait 5 s."""
    await execute(
        tx,
        "UPDATE web_sessions SET refresh_claim = NULL, refreshing_until = $3 WHERE id = $1 AND refresh_claim = $2",
        session_id,
        claim,
        await clock.now(tx) + OUTAGE_REST_SECONDS,
    )


async def end_sessions(tx: Connection, *, session_ids: Sequence[UUID], because: SessionEnd) -> int:
    """End live sessions and destroy their sealed tokens; tells how many were live."""
    now = await clock.now(tx)
    return await execute(tx, load_sql(__file__, "end_sessions.sql"), list(session_ids), now, because.value)


async def sessions_sealed_under(connection: Connection, prefix: bytes) -> bool:
    """Say whether a live session's tokens are sealed to values that begin with a key's prefix."""
    return bool(await value(connection, load_sql(__file__, "sessions_sealed_under.sql"), prefix))


async def sessions_in_scope(tx: Connection, *, session: WebSession, scope: SignOutScope) -> list[UUID]:
    """Name the live sessions of the same customer that a sign-out with this scope ends."""
    if scope is SignOutScope.LOCAL:
        return [session.id]
    live = await rows(tx, "SELECT id FROM web_sessions WHERE user_id = $1 AND ended_at IS NULL", session.user.id)
    return [found["id"] for found in live if scope is SignOutScope.GLOBAL or found["id"] != session.id]


def _held(found: dict[str, Any], keyring: Keyring) -> HeldSession:
    session_id: UUID = found["id"]
    access = keyring.unseal(found["access_token_sealed"], record=session_id, field=ACCESS_FIELD)
    refresh = keyring.unseal(found["refresh_token_sealed"], record=session_id, field=REFRESH_FIELD)
    return HeldSession(
        session=WebSession(
            id=session_id,
            user=User(id=found["user_id"], email=found["email"], created_at=found["user_created_at"]),
            auth_session_id=found["auth_session_id"],
            access_token=access.decode(),
            access_expires_at=found["access_expires_at"],
            created_at=found["created_at"],
        ),
        refresh_token=refresh.decode(),
        refresh_claim=found["refresh_claim"],
        refreshing_until=found["refreshing_until"],
        last_seen_at=found["last_seen_at"],
    )


def _seal_access(keyring: Keyring, session_id: UUID, tokens: AuthTokens) -> bytes:
    return keyring.seal(tokens.access_token.encode(), record=session_id, field=ACCESS_FIELD)


def _seal_refresh(keyring: Keyring, session_id: UUID, tokens: AuthTokens) -> bytes:
    return keyring.seal(tokens.refresh_token.encode(), record=session_id, field=REFRESH_FIELD)
