"""The frozen values identity hands out; what is secret in them never shows in a repr."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from uuid import UUID

ADDRESS_LENGTH_MAX: Final = 64
USER_AGENT_LENGTH_MAX: Final = 400
REASON_LENGTH_MAX: Final = 400


@dataclass(frozen=True, slots=True)
class User:
    """A customer as SyneUDP knows them, keyed by the auth server's user id; `created_at` in epoch seconds."""

    id: UUID
    email: str
    created_at: int


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified access token says; instants in epoch seconds. User metadata is not part of it on purpose."""

    user_id: UUID
    session_id: UUID
    email: str
    issued_at: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class AuthUser:
    """A user as the auth server tells of them."""

    id: UUID
    email: str
    email_confirmed: bool


@dataclass(frozen=True, slots=True)
class AuthTokens:
    """One answer of the auth server's token calls; the access token is good for `expires_in` seconds from then."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int
    user: AuthUser


@dataclass(frozen=True, slots=True)
class ConfirmationSent:
    """The sign-up was taken and waits for the e-mail's link; says the same for an address that was known before."""

    email: str


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """Which ways of signing in the auth server offers."""

    email: bool
    google: bool
    sign_up: bool
    confirms_by_itself: bool


class SignOutScope(StrEnum):
    """Which sessions a sign-out ends: this one, all, or all but this one."""

    LOCAL = "local"
    GLOBAL = "global"
    OTHERS = "others"


@dataclass(frozen=True, slots=True)
class WebSession:
    """A live console session; `access_expires_at` and `created_at`, when its owner signed in, in epoch seconds."""

    id: UUID
    user: User
    auth_session_id: UUID
    access_token: str = field(repr=False)
    access_expires_at: int
    created_at: int


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A session just opened, and the only copy of the secret that goes into its cookie."""

    cookie: str = field(repr=False)
    session: WebSession


class SessionEnd(StrEnum):
    """Why a console session is over."""

    SIGN_OUT = "sign_out"
    REPLACED = "replaced"
    REFUSED = "refused"
    IDLE = "idle"
    LIFETIME = "lifetime"


class Act(StrEnum):
    """What the audit trail records."""

    SIGN_UP = "sign_up"
    SIGN_IN = "sign_in"
    SIGN_OUT = "sign_out"
    CREATE = "create"
    REVEAL = "reveal"
    ROTATE = "rotate"
    SUSPEND = "suspend"
    RESUME = "resume"
    RENAME = "rename"
    CHANGE_PLAN = "change_plan"
    DELETE = "delete"
    TOP_UP = "top_up"
    SET_CAP = "set_cap"
    ADD_WEBHOOK = "add_webhook"
    ROTATE_WEBHOOK = "rotate_webhook"
    REMOVE_WEBHOOK = "remove_webhook"
    OPERATOR = "operator"
