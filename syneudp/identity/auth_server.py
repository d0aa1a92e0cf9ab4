"""The client of the auth server (Supabase Auth's HTTP contract); one for the life of a role, no session kept in it."""

import re
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import aiohttp
import stamina
from pydantic import BaseModel, ValidationError

from syneudp.identity.auth_wire import (
    SIGNED_OUT_CODES,
    KeySetAnswer,
    SettingsAnswer,
    SignUpAnswer,
    TokenAnswer,
    UserAnswer,
    ends_session,
    parse_error_code,
    refusal,
)
from syneudp.identity.errors import (
    AuthenticationRequiredError,
    AuthRateLimitedError,
    AuthUnavailableError,
    RefreshRefusedError,
)
from syneudp.identity.settings import IdentitySettings
from syneudp.identity.values import AuthSettings, AuthTokens, AuthUser, ConfirmationSent, SignOutScope
from syneudp.kernel.logging import log

API_VERSION: Final = "2024-01-01"
TOTAL_TIMEOUT_SECONDS: Final = 8.0
CONNECT_TIMEOUT_SECONDS: Final = 3.0
READ_ATTEMPTS: Final = 2
ANSWER_BYTES_MAX: Final = 256 * 1024
CHUNK_BYTES: Final = 16 * 1024
TOKEN_SHAPE: Final = re.compile(r"[\x21-\x7e]{1,8192}")
OK_MIN: Final = 200
REDIRECT_MIN: Final = 300
REFUSED_MIN: Final = 400
FAULT_MIN: Final = 500
UNAUTHORIZED: Final = frozenset({401, 403, 404})

Answer = TypeVar("Answer", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    code: str
    body: bytes

    @property
    def accepted(self) -> bool:
        return OK_MIN <= self.status < REDIRECT_MIN


class AuthServer:
    """Signs people up and in, prolongs and ends their sessions; use as an async context manager.

    Every call raises AuthUnavailableError when the server does not answer within eight seconds, answers with a fault of
    its own, redirects, or answers something unreadable; and AuthRateLimitedError when it asks for a pause.
    """

    def __init__(self, settings: IdentitySettings) -> None:
        self._base = settings.auth_url
        self._headers = {"X-Supabase-Api-Version": API_VERSION, "Accept": "application/json"}
        if settings.publishable_key is not None:
            self._headers["apikey"] = settings.publishable_key.get_secret_value()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(total=TOTAL_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def sign_up(self, *, email: str, password: str) -> AuthTokens | ConfirmationSent:
        """Open an account: tokens where addresses are confirmed by themselves, else word that the link was sent.

        Raises UserAlreadyExistsError, WeakPasswordError, EmailAddressInvalidError, SignUpDisabledError.
        """
        reply = await self._send("POST", "/signup", body={"email": email, "password": password})
        if not reply.accepted:
            raise refusal(reply.status, reply.code)
        answer = _read(SignUpAnswer, reply.body)
        return _read(TokenAnswer, reply.body).value() if answer.access_token else ConfirmationSent(email=email)

    async def sign_in_with_password(self, *, email: str, password: str) -> AuthTokens:
        """Exchange address and password for tokens. Raises InvalidCredentialsError, EmailNotConfirmedError."""
        reply = await self._send(
            "POST", "/token", query={"grant_type": "password"}, body={"email": email, "password": password}
        )
        if not reply.accepted:
            raise refusal(reply.status, reply.code)
        return _read(TokenAnswer, reply.body).value()

    async def refresh(self, refresh_token: str) -> AuthTokens:
        """Exchange a refresh token, good once, for new tokens.

        Raises RefreshRefusedError when the session is over for good. A gateway that refuses our own key or knows no
        such path, a conflict, or a pause asked for is no such word: AuthUnavailableError or AuthRateLimitedError.
        """
        reply = await self._send(
            "POST", "/token", query={"grant_type": "refresh_token"}, body={"refresh_token": refresh_token}
        )
        if reply.accepted:
            return _read(TokenAnswer, reply.body).value()
        if ends_session(reply.status, reply.code):
            raise RefreshRefusedError
        fault = refusal(reply.status, reply.code)
        raise fault if isinstance(fault, AuthRateLimitedError) else AuthUnavailableError

    async def user(self, access_token: str) -> AuthUser:
        """Ask who the token belongs to and whether its session still lives; AuthenticationRequiredError when not."""
        reply = await self._read_again("/user", bearer=access_token)
        if reply.accepted:
            return _read(UserAnswer, reply.body).value()
        if reply.status in UNAUTHORIZED and reply.code in SIGNED_OUT_CODES:
            raise AuthenticationRequiredError
        fault = refusal(reply.status, reply.code)
        raise fault if isinstance(fault, AuthRateLimitedError) else AuthUnavailableError

    async def logout(self, access_token: str, *, scope: SignOutScope) -> None:
        """End the token's session, all sessions of its user, or all others; ended already is success."""
        reply = await self._send("POST", "/logout", query={"scope": scope.value}, bearer=access_token)
        if not reply.accepted and reply.status not in UNAUTHORIZED:
            raise refusal(reply.status, reply.code)

    async def settings(self) -> AuthSettings:
        """Ask which ways of signing in there are."""
        reply = await self._read_again("/settings")
        if not reply.accepted:
            raise AuthUnavailableError
        return _read(SettingsAnswer, reply.body).value()

    async def signing_keys(self) -> list[dict[str, Any]]:
        """Fetch the public keys (JWKS, RFC 7517) that access tokens are verified with."""
        reply = await self._read_again("/.well-known/jwks.json")
        if not reply.accepted:
            raise AuthUnavailableError
        return _read(KeySetAnswer, reply.body).keys

    async def _read_again(self, path: str, *, bearer: str | None = None) -> _Reply:
        async for attempt in stamina.retry_context(
            on=AuthUnavailableError,
            attempts=READ_ATTEMPTS,
            timeout=TOTAL_TIMEOUT_SECONDS,
            wait_initial=0.1,
            wait_jitter=0.1,
        ):
            with attempt:
                return await self._send("GET", path, bearer=bearer)
        raise AuthUnavailableError

    async def _send(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: dict[str, str] | None = None,
        bearer: str | None = None,
    ) -> _Reply:
        if self._session is None:
            raise RuntimeError("the auth server's client is not open")
        headers = {}
        if bearer is not None:
            if not TOKEN_SHAPE.fullmatch(bearer):
                raise AuthenticationRequiredError
            headers["Authorization"] = f"Bearer {bearer}"
        try:
            async with self._session.request(
                method, self._base + path, params=query, json=body, headers=headers, allow_redirects=False
            ) as response:
                content = await _read_bounded(response)
                status, named = response.status, response.headers.get("x-sb-error-code")
        except (aiohttp.ClientError, TimeoutError, OSError) as fault:
            log.warning("auth_server_unreachable", path=path, fault=type(fault).__name__)
            raise AuthUnavailableError from fault
        if status >= FAULT_MIN or REDIRECT_MIN <= status < REFUSED_MIN:
            log.warning("auth_server_fault", path=path, status=status)
            raise AuthUnavailableError
        return _Reply(
            status=status, code="" if status < REFUSED_MIN else parse_error_code(named, content), body=content
        )


async def _read_bounded(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_chunked(CHUNK_BYTES):
        content += chunk
        if len(content) > ANSWER_BYTES_MAX:
            raise AuthUnavailableError
    return bytes(content)


def _read(shape: type[Answer], body: bytes) -> Answer:
    try:
        return shape.model_validate_json(body)
    except ValidationError as fault:
        log.warning("auth_server_unreadable", shape=shape.__name__)
        raise AuthUnavailableError from fault
