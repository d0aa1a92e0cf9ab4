"""What the local auth server says: users and tokens in Supabase Auth's members, errors in both of its shapes."""

import json
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from quart import Response, request

from syneudp.identity.local_auth.accounts import Account

VERSION_HEADER: Final = "X-Supabase-Api-Version"
NAMED_CODES_SINCE: Final = "2024-01-01"
VERSION_LENGTH: Final = 10


class LocalAuthError(Exception):
    """A refusal in Supabase Auth's words: HTTP status, code from its closed list, sentence."""

    def __init__(self, status: int, code: str, message: str, *, weak_reasons: tuple[str, ...] = ()) -> None:
        self.status = status
        self.code = code
        self.message = message
        self.weak_reasons = weak_reasons
        super().__init__(code)


def answer(content: dict[str, Any], *, status: int = 200, cache: str = "no-store") -> Response:
    """Render JSON."""
    response = Response(json.dumps(content, separators=(",", ":")), status=status, content_type="application/json")
    response.headers["Cache-Control"] = cache
    return response


def refuse(error: LocalAuthError) -> Response:
    """Render an error: `code` and `message` for callers of version 2024-01-01 or later, the older shape for others."""
    version = request.headers.get(VERSION_HEADER, "")
    named = len(version) == VERSION_LENGTH and version >= NAMED_CODES_SINCE
    content: dict[str, Any] = (
        {"code": error.code, "message": error.message}
        if named
        else {"code": error.status, "error_code": error.code, "msg": error.message}
    )
    if error.weak_reasons:
        content["weak_password"] = {"reasons": list(error.weak_reasons)}
    response = answer(content, status=error.status)
    response.headers["x-sb-error-code"] = error.code
    if named:
        response.headers[VERSION_HEADER] = NAMED_CODES_SINCE
    return response


def describe_account(account: Account) -> dict[str, Any]:
    """Lay a user out."""
    return {
        **_frame(account.id, account.email, account.created_at),
        "email_confirmed_at": _instant(account.email_confirmed_at),
        "confirmed_at": _instant(account.email_confirmed_at),
        "last_sign_in_at": _instant(account.last_sign_in_at),
        "updated_at": _instant(account.updated_at),
        "user_metadata": account.user_metadata,
    }


def describe_unconfirmed(user_id: UUID, email: str, now: int) -> dict[str, Any]:
    """Lay out the answer to a sign-up that waits for its link; the same for an address that is taken."""
    return {
        **_frame(user_id, email, now),
        "confirmation_sent_at": _instant(now),
        "updated_at": _instant(now),
        "user_metadata": {},
    }


def _frame(user_id: UUID, email: str, created_at: int) -> dict[str, Any]:
    return {
        "id": str(user_id),
        "aud": "authenticated",
        "role": "authenticated",
        "email": email,
        "phone": "",
        "app_metadata": {"provider": "email", "providers": ["email"]},
        "identities": [],
        "is_anonymous": False,
        "created_at": _instant(created_at),
    }


def _instant(epoch: int | None) -> str | None:
    return None if epoch is None else datetime.fromtimestamp(epoch, tz=UTC).isoformat().replace("+00:00", "Z")
