"""Pure decisions about console sessions; instants in epoch seconds."""

import hashlib
import re
import secrets
from typing import Final
from uuid import UUID

from syneudp.identity.values import SessionEnd

SECRET_BYTES: Final = 32
SECRET_SHAPE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
IDLE_LIFETIME_SECONDS: Final = 3 * 86_400
ABSOLUTE_LIFETIME_SECONDS: Final = 30 * 86_400
REFRESH_AHEAD_SECONDS: Final = 60
REFRESH_JITTER_SECONDS: Final = 15
LEASE_SECONDS: Final = 15
OUTAGE_REST_SECONDS: Final = 5
TOUCH_EVERY_SECONDS: Final = 60
PROOF_LASTS_SECONDS: Final = 600


def new_secret() -> str:
    """Make the 256-bit secret of a session's cookie, 43 URL-safe characters."""
    return secrets.token_urlsafe(SECRET_BYTES)


def hash_secret(secret: str) -> bytes | None:
    """Hash a cookie's secret as the table holds it, or None for what cannot be one.

    A plain SHA-256 is enough for 256 random bits; there is nothing to guess.
    """
    return hashlib.sha256(secret.encode()).digest() if SECRET_SHAPE.fullmatch(secret) else None


def outlived(*, now: int, created_at: int, last_seen_at: int) -> SessionEnd | None:
    """Tell whether a session has rested or lived for too long, and which."""
    if now >= created_at + ABSOLUTE_LIFETIME_SECONDS:
        return SessionEnd.LIFETIME
    return SessionEnd.IDLE if now >= last_seen_at + IDLE_LIFETIME_SECONDS else None


def proof_lasts(*, now: int, signed_in_at: int) -> bool:
    """Tell whether signing in still counts as proof of who is there: for 600 s, however often tokens are refreshed."""
    return now < signed_in_at + PROOF_LASTS_SECONDS


def refresh_due(*, now: int, access_expires_at: int, session_id: UUID) -> bool:
    """Tell whether the access token wants replacing: 60 to 75 s ahead of its end, spread over sessions."""
    return now >= access_expires_at - REFRESH_AHEAD_SECONDS - session_id.int % (REFRESH_JITTER_SECONDS + 1)


def bounded_line(text: str, length_max: int) -> str:
    """Cut a header's text to length and replace what PostgreSQL cannot store or a page should not show."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:length_max])
