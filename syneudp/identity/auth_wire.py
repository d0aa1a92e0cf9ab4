"""The auth server's answers as they come over the wire (Supabase Auth), read strictly where it matters."""

import json
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from syneudp.identity.errors import (
    AuthRateLimitedError,
    AuthRefusedError,
    AuthUnavailableError,
    EmailAddressInvalidError,
    EmailNotConfirmedError,
    InvalidCredentialsError,
    SignUpDisabledError,
    UserAlreadyExistsError,
    WeakPasswordError,
)
from syneudp.identity.values import AuthSettings, AuthTokens, AuthUser
from syneudp.kernel.errors import ProblemError

UNKNOWN = "unknown"
TOO_MANY_REQUESTS = 429
BAD_REQUEST = 400
PASSING_STATUSES = frozenset({408, 409, TOO_MANY_REQUESTS})
ENDING_STATUSES = frozenset({BAD_REQUEST, 422})
ENDING_CODES = ("refresh_token_", "session_", "user_", "bad_jwt", "invalid_grant")
SIGNED_OUT_CODES = frozenset(
    {"bad_jwt", "no_authorization", "session_expired", "session_not_found", "user_banned", "user_not_found"}
)
ERRORS: Mapping[str, Callable[[], ProblemError]] = {
    "invalid_credentials": InvalidCredentialsError,
    "invalid_grant": InvalidCredentialsError,
    "email_not_confirmed": EmailNotConfirmedError,
    "user_already_exists": UserAlreadyExistsError,
    "email_exists": UserAlreadyExistsError,
    "weak_password": WeakPasswordError,
    "signup_disabled": SignUpDisabledError,
    "email_provider_disabled": SignUpDisabledError,
    "email_address_invalid": EmailAddressInvalidError,
    "validation_failed": EmailAddressInvalidError,
}


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class UserAnswer(_Answer):
    """`GET /user`, and the `user` of a token answer."""

    id: UUID
    email: str = ""
    email_confirmed_at: str | None = None

    def value(self) -> AuthUser:
        """Hand the user on."""
        return AuthUser(id=self.id, email=self.email, email_confirmed=self.email_confirmed_at is not None)


class TokenAnswer(_Answer):
    """`POST /token`, and `POST /signup` where addresses need no confirmation."""

    access_token: str = Field(min_length=1)
    refresh_token: str = Field(min_length=1)
    expires_in: int = Field(gt=0)
    user: UserAnswer

    def value(self) -> AuthTokens:
        """Hand the tokens on."""
        return AuthTokens(
            access_token=self.access_token,
            refresh_token=self.refresh_token,
            expires_in=self.expires_in,
            user=self.user.value(),
        )


class SignUpAnswer(_Answer):
    """`POST /signup`: a token answer, or the bare user while the address waits for its confirmation."""

    access_token: str | None = None


class _External(_Answer):
    email: bool = False
    google: bool = False


class SettingsAnswer(_Answer):
    """`GET /settings`."""

    external: _External
    disable_signup: bool = False
    mailer_autoconfirm: bool = False

    def value(self) -> AuthSettings:
        """Hand the settings on."""
        return AuthSettings(
            email=self.external.email,
            google=self.external.google,
            sign_up=not self.disable_signup,
            confirms_by_itself=self.mailer_autoconfirm,
        )


class KeySetAnswer(_Answer):
    """`GET /.well-known/jwks.json` (RFC 7517)."""

    keys: list[dict[str, Any]]


def parse_error_code(header: str | None, body: bytes) -> str:
    """Find the stable code in any of the four error shapes, or answer "unknown"; the upstream's text is never read."""
    if header:
        return header
    try:
        payload = json.loads(body)
    except ValueError:
        return UNKNOWN
    if not isinstance(payload, dict):
        return UNKNOWN
    for name in ("code", "error_code", "error"):
        if isinstance(payload.get(name), str):
            return str(payload[name])
    return UNKNOWN


def ends_session(status: int, code: str) -> bool:
    """Tell whether a 4xx to a refresh is the auth server's last word on the session."""
    return status not in PASSING_STATUSES and (status in ENDING_STATUSES or code.startswith(ENDING_CODES))


def refusal(status: int, code: str) -> ProblemError:
    """Turn the auth server's 4xx into the error that says so here."""
    if status == TOO_MANY_REQUESTS or code.endswith("rate_limit"):
        return AuthRateLimitedError()
    if code == UNKNOWN and status != BAD_REQUEST:
        return AuthUnavailableError()
    return ERRORS.get(code, AuthRefusedError)()
