"""The tokens of the local auth server: access tokens signed with ES256, refresh tokens that are good once."""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import jwt

from syneudp.identity.local_auth.accounts import Account
from syneudp.identity.local_auth.answers import LocalAuthError
from syneudp.identity.local_auth.keys import SigningKey

AUDIENCE: Final = "authenticated"
ALGORITHM: Final = "ES256"
COUNTER_BYTES: Final = 8
SESSION_BYTES: Final = 16
MARK_BYTES: Final = 16
REFRESH_TEXT_LENGTH: Final = 54


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token taken apart: its session, its place in the session's row of tokens, and its mark."""

    session_id: UUID
    counter: int
    mark: bytes

    def made_with(self, key: bytes) -> bool:
        """Tell whether the mark is this session's, in constant time."""
        return hmac.compare_digest(self.mark, _mark(key, self.session_id, self.counter))


def sign_access_token(
    *, account: Account, session_id: UUID, key: SigningKey, issuer: str, now: int, lifetime_seconds: int
) -> str:
    """Sign an access token with the claims Supabase Auth puts into its own."""
    claims = {
        "iss": issuer,
        "aud": AUDIENCE,
        "sub": str(account.id),
        "role": "authenticated",
        "session_id": str(session_id),
        "iat": now,
        "exp": now + lifetime_seconds,
        "aal": "aal1",
        "amr": [{"method": "password", "timestamp": now}],
        "email": account.email,
        "phone": "",
        "is_anonymous": False,
        "app_metadata": {"provider": "email", "providers": ["email"]},
        "user_metadata": account.user_metadata,
    }
    return jwt.encode(claims, key.private_key, algorithm=ALGORITHM, headers={"kid": str(key.id)})


def read_access_token(token: str, *, keys: list[dict[str, Any]], issuer: str) -> tuple[UUID, UUID]:
    """Verify an access token of this server and tell user and session. Raises LocalAuthError 403 bad_jwt."""
    try:
        key_id = jwt.get_unverified_header(token).get("kid")
        known = next((key for key in keys if key["kid"] == key_id), None)
        if known is not None:
            claims = jwt.decode(
                token, jwt.PyJWK(known, ALGORITHM), algorithms=[ALGORITHM], audience=AUDIENCE, issuer=issuer
            )
            return UUID(claims["sub"]), UUID(claims["session_id"])
    except (jwt.PyJWTError, KeyError, ValueError, TypeError, RecursionError):
        pass
    raise LocalAuthError(403, "bad_jwt", "invalid JWT: unable to parse or verify signature")


def write_refresh_token(*, session_id: UUID, counter: int, key: bytes) -> str:
    """Make the refresh token of a session's place; the same place always gives the same text, so none is stored."""
    content = session_id.bytes + counter.to_bytes(COUNTER_BYTES, "big") + _mark(key, session_id, counter)
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def read_refresh_token(text: str) -> RefreshToken | None:
    """Take a refresh token apart, or None for any other text."""
    if len(text) != REFRESH_TEXT_LENGTH or not text.isascii():
        return None
    try:
        content = base64.b64decode(text + "==", altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    return RefreshToken(
        session_id=UUID(bytes=content[:SESSION_BYTES]),
        counter=int.from_bytes(content[SESSION_BYTES : SESSION_BYTES + COUNTER_BYTES], "big"),
        mark=content[SESSION_BYTES + COUNTER_BYTES :],
    )


def _mark(key: bytes, session_id: UUID, counter: int) -> bytes:
    content = session_id.bytes + counter.to_bytes(COUNTER_BYTES, "big")
    return hmac.new(key, content, hashlib.sha256).digest()[:MARK_BYTES]
