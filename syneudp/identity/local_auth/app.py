"""The local auth server: Supabase Auth's calls for password sign-in, on the local environment's own tables."""

import time
from functools import partial
from typing import Any, Final
from uuid import UUID, uuid4

from quart import Quart, Response, request
from werkzeug.exceptions import HTTPException

from syneudp.identity.local_auth.accounts import (
    Account,
    account_by_email,
    account_by_id,
    add_account,
    change_metadata,
    change_password,
    note_sign_in,
)
from syneudp.identity.local_auth.answers import LocalAuthError, answer, describe_account, describe_unconfirmed, refuse
from syneudp.identity.local_auth.attempts import PasswordAttempts
from syneudp.identity.local_auth.forms import (
    check_email,
    check_new_password,
    fold_email,
    read_form,
    read_metadata,
    read_text,
)
from syneudp.identity.local_auth.keys import ensure_signing_keys, published_keys, secrets_sealed_under, signing_key
from syneudp.identity.local_auth.passwords import Passwords
from syneudp.identity.local_auth.sessions import (
    RefreshRefusal,
    Session,
    close_sessions,
    open_session,
    refresh_session,
    session_lives,
)
from syneudp.identity.local_auth.settings import LocalAuthSettings
from syneudp.identity.local_auth.tokens import read_access_token, sign_access_token
from syneudp.kernel.canaries import open_canaries
from syneudp.kernel.database import Connection, reading, transact
from syneudp.kernel.logging import log
from syneudp.kernel.sealing import SealBrokenError
from syneudp.kernel.settings import SettingsInvalidError

HOLDER: Final = "local_auth"
BODY_BYTES_MAX: Final = 64 * 1024
BODY_TIMEOUT_SECONDS: Final = 10
KEYS_CACHE: Final = "public, max-age=600"
BEARER: Final = "bearer "
SCOPES: Final = frozenset({"local", "global", "others"})
WRONG_CREDENTIALS: Final = (400, "invalid_credentials", "Invalid login credentials")


def create_local_auth(settings: LocalAuthSettings) -> Quart:
    """Make the app; it works on the control database that the role holds open."""
    app = Quart(__name__)
    app.config["MAX_CONTENT_LENGTH"] = BODY_BYTES_MAX
    app.config["BODY_TIMEOUT"] = BODY_TIMEOUT_SECONDS
    server = LocalAuth(settings)

    @app.before_serving
    async def prepare() -> None:
        await prepare_local_auth(settings)

    app.add_url_rule("/signup", view_func=server.sign_up, methods=["POST"])
    app.add_url_rule("/token", view_func=server.token, methods=["POST"])
    app.add_url_rule("/user", view_func=server.read_user, methods=["GET"])
    app.add_url_rule("/user", view_func=server.change_user, methods=["PUT"])
    app.add_url_rule("/logout", view_func=server.logout, methods=["POST"])
    app.add_url_rule("/settings", view_func=server.settings, methods=["GET"])
    app.add_url_rule("/.well-known/jwks.json", view_func=server.keys, methods=["GET"])
    app.add_url_rule("/health", view_func=server.health, methods=["GET"])
    app.register_error_handler(LocalAuthError, _refused)
    app.register_error_handler(HTTPException, _declined)
    app.register_error_handler(Exception, _failed)
    return app


async def prepare_local_auth(settings: LocalAuthSettings) -> None:
    """Make the signing keys at first start and open the one in use.

    Raises SettingsInvalidError when the sealing keys given cannot open what was sealed before.
    """
    await transact(partial(open_canaries, keyring=settings.keyring, holder=HOLDER, still_sealed=[secrets_sealed_under]))
    await transact(lambda tx: ensure_signing_keys(tx, keyring=settings.keyring, now=_now()))
    try:
        await signing_key(reading(), keyring=settings.keyring)
    except SealBrokenError as broken:
        sentence = "SYNEUDP_SEALING_KEYS: does not hold the key that the auth server's signing key was sealed with"
        raise SettingsInvalidError([sentence]) from broken


class LocalAuth:
    """The calls; each is one short transaction, with the hashing of passwords before it and never inside."""

    def __init__(self, settings: LocalAuthSettings) -> None:
        self._settings = settings
        self._keyring = settings.keyring
        self._passwords = Passwords()
        self._attempts = PasswordAttempts()

    async def sign_up(self) -> Response:
        """`POST /signup`: a session where addresses confirm themselves, else the bare user, known address or not."""
        form = await read_form()
        email = check_email(read_text(form, "email"))
        password = check_new_password(read_text(form, "password"))
        metadata = read_metadata(form, {}) or {}
        password_hash = await self._passwords.hash(password)
        confirmed = not self._settings.confirm_emails
        now = _now()
        account = await transact(
            lambda tx: add_account(
                tx, email=email, password_hash=password_hash, metadata=metadata, confirmed=confirmed, now=now
            )
        )
        if not confirmed:
            return answer(describe_unconfirmed(uuid4() if account is None else account.id, email, now))
        if account is None:
            raise LocalAuthError(422, "user_already_exists", "User already registered")
        return await self._sign_in(account)

    async def token(self) -> Response:
        """`POST /token?grant_type=password|refresh_token`."""
        match request.args.get("grant_type"):
            case "password":
                return await self._password_grant(await read_form())
            case "refresh_token":
                return await self._refresh_grant(await read_form())
            case _:
                raise LocalAuthError(400, "unsupported_grant_type", "unsupported_grant_type")

    async def read_user(self) -> Response:
        """`GET /user`: also tells that the session still lives."""
        account, _ = await self._signed_in()
        return answer(describe_account(account))

    async def change_user(self) -> Response:
        """`PUT /user`: the password, which ends the user's other sessions, and their own metadata."""
        account, session_id = await self._signed_in()
        form = await read_form()
        if "email" in form and fold_email(read_text(form, "email")) != account.email:
            raise LocalAuthError(422, "validation_failed", "The local auth server does not change addresses")
        metadata = read_metadata(form, account.user_metadata)
        password_hash = None
        if "password" in form:
            password = check_new_password(read_text(form, "password"))
            if await self._passwords.verify(password, account.password_hash):
                message = "New password should be different from the old password."
                raise LocalAuthError(422, "same_password", message)
            password_hash = await self._passwords.hash(password)

        async def work(tx: Connection) -> Account:
            if password_hash is not None:
                await change_password(tx, user_id=account.id, password_hash=password_hash, now=_now())
                await close_sessions(tx, session_id=session_id, user_id=account.id, scope="others")
            if metadata is not None:
                await change_metadata(tx, user_id=account.id, metadata=metadata, now=_now())
            return await account_by_id(tx, account.id) or account

        return answer(describe_account(await transact(work)))

    async def logout(self) -> Response:
        """`POST /logout?scope=global|local|others`; global when none is named, as Supabase Auth has it."""
        scope = request.args.get("scope", "global")
        if scope not in SCOPES:
            raise LocalAuthError(400, "validation_failed", "Unsupported logout scope")
        account, session_id = await self._signed_in()
        await transact(lambda tx: close_sessions(tx, session_id=session_id, user_id=account.id, scope=scope))
        return Response(status=204)

    async def settings(self) -> Response:
        """`GET /settings`: which ways of signing in there are."""
        return answer(
            {
                "external": {"email": True, "phone": False, "google": False, "anonymous_users": False},
                "disable_signup": False,
                "mailer_autoconfirm": not self._settings.confirm_emails,
                "phone_autoconfirm": False,
                "sms_provider": "",
                "saml_enabled": False,
                "passkeys_enabled": False,
            }
        )

    async def keys(self) -> Response:
        """`GET /.well-known/jwks.json`."""
        return answer({"keys": await published_keys(reading())}, cache=KEYS_CACHE)

    async def health(self) -> Response:
        """`GET /health`."""
        return answer({"name": "SyneUDP local auth", "version": "1", "description": "speaks Supabase Auth's contract"})

    async def _password_grant(self, form: dict[str, Any]) -> Response:
        told, password = read_text(form, "email"), read_text(form, "password")
        self._attempts.spend(told)
        email = fold_email(told)
        account = None if email is None else await account_by_email(reading(), email)
        fits = await self._passwords.verify(password, None if account is None else account.password_hash)
        if account is None or not fits:
            raise LocalAuthError(*WRONG_CREDENTIALS)
        self._attempts.restore(told)
        if account.email_confirmed_at is None:
            raise LocalAuthError(400, "email_not_confirmed", "Email not confirmed")
        return await self._sign_in(account)

    async def _refresh_grant(self, form: dict[str, Any]) -> Response:
        token = read_text(form, "refresh_token")
        outcome = await transact(lambda tx: refresh_session(tx, token=token, keyring=self._keyring, now=_now()))
        if isinstance(outcome, RefreshRefusal):
            raise LocalAuthError(400, outcome.code, outcome.message)
        account = await account_by_id(reading(), outcome.user_id)
        if account is None:
            raise LocalAuthError(400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found")
        return await self._tell_tokens(account, outcome)

    async def _sign_in(self, account: Account) -> Response:
        async def work(tx: Connection) -> Session:
            await note_sign_in(tx, user_id=account.id, now=_now())
            return await open_session(tx, user_id=account.id, keyring=self._keyring, now=_now())

        session = await transact(work)
        return await self._tell_tokens(await account_by_id(reading(), account.id) or account, session)

    async def _tell_tokens(self, account: Account, session: Session) -> Response:
        now = _now()
        lifetime = self._settings.access_lifetime_seconds
        access_token = sign_access_token(
            account=account,
            session_id=session.id,
            key=await signing_key(reading(), keyring=self._keyring),
            issuer=self._settings.issuer,
            now=now,
            lifetime_seconds=lifetime,
        )
        return answer(
            {
                "access_token": access_token,
                "token_type": "bearer",
                "expires_in": lifetime,
                "expires_at": now + lifetime,
                "refresh_token": session.refresh_token,
                "user": describe_account(account),
            }
        )

    async def _signed_in(self) -> tuple[Account, UUID]:
        told = request.headers.get("Authorization", "")
        if not told.lower().startswith(BEARER):
            raise LocalAuthError(401, "no_authorization", "This endpoint requires a valid Bearer token")
        keys = await published_keys(reading())
        token = told[len(BEARER) :].strip()
        user_id, session_id = read_access_token(token, keys=keys, issuer=self._settings.issuer)
        account = await account_by_id(reading(), user_id)
        if account is None:
            raise LocalAuthError(403, "user_not_found", "User from sub claim in JWT does not exist")
        if not await session_lives(reading(), session_id=session_id, user_id=user_id):
            raise LocalAuthError(403, "session_not_found", "Session from session_id claim in JWT does not exist")
        return account, session_id


async def _refused(error: LocalAuthError) -> Response:
    return refuse(error)


async def _declined(error: HTTPException) -> Response:
    return refuse(LocalAuthError(error.code or 500, "unknown", error.name))


async def _failed(error: Exception) -> Response:
    log.error("local_auth_failed", path=request.path, exc_info=error)
    message = "Unexpected failure, please check server logs for more information"
    return refuse(LocalAuthError(500, "unexpected_failure", message))


def _now() -> int:
    return int(time.time())
