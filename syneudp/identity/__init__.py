"""Who somebody is: bearer tokens, console sessions, the auth server's client and the audit trail."""

from syneudp.identity.audit import record_audit
from syneudp.identity.auth_server import AuthServer
from syneudp.identity.bearer import BearerVerifier
from syneudp.identity.errors import (
    AuthenticationRequiredError,
    AuthRateLimitedError,
    AuthRefusedError,
    AuthUnavailableError,
    EmailAddressInvalidError,
    EmailNotConfirmedError,
    InvalidCredentialsError,
    RefreshRefusedError,
    SignUpDisabledError,
    UserAlreadyExistsError,
    WeakPasswordError,
)
from syneudp.identity.session_rows import sessions_sealed_under
from syneudp.identity.settings import IdentitySettings
from syneudp.identity.users import remember_user, user_of, users_by_email
from syneudp.identity.values import (
    Act,
    AuthSettings,
    AuthTokens,
    AuthUser,
    Claims,
    ConfirmationSent,
    OpenedSession,
    SignOutScope,
    User,
    WebSession,
)
from syneudp.identity.web_sessions import WebSessions, confirm_live_session, signed_in_lately

__all__ = [
    "Act",
    "AuthRateLimitedError",
    "AuthRefusedError",
    "AuthServer",
    "AuthSettings",
    "AuthTokens",
    "AuthUnavailableError",
    "AuthUser",
    "AuthenticationRequiredError",
    "BearerVerifier",
    "Claims",
    "ConfirmationSent",
    "EmailAddressInvalidError",
    "EmailNotConfirmedError",
    "IdentitySettings",
    "InvalidCredentialsError",
    "OpenedSession",
    "RefreshRefusedError",
    "SignOutScope",
    "SignUpDisabledError",
    "User",
    "UserAlreadyExistsError",
    "WeakPasswordError",
    "WebSession",
    "WebSessions",
    "confirm_live_session",
    "record_audit",
    "remember_user",
    "sessions_sealed_under",
    "signed_in_lately",
    "user_of",
    "users_by_email",
]
