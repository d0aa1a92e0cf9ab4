"""Verification of access tokens without asking anyone: RFC 7519 and RFC 8725, narrowed to what Supabase Auth signs."""

import base64
import binascii
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import UUID

import jwt

from syneudp.identity.auth_server import AuthServer
from syneudp.identity.errors import AuthenticationRequiredError
from syneudp.identity.settings import IdentitySettings
from syneudp.identity.signing_keys import BoundKey, SigningKeys
from syneudp.identity.values import Claims

TOKEN_BYTES_MAX: Final = 8 * 1024
LEEWAY_SECONDS: Final = 5
EMAIL_LENGTH_MAX: Final = 320
AUDIENCE: Final = "authenticated"
ROLE: Final = "authenticated"
LEGACY_ALGORITHM: Final = "HS256"
REQUIRED_CLAIMS: Final = ("exp", "iat", "sub", "aud", "iss", "session_id", "role")
WHOLE_SECONDS_CLAIMS: Final = ("exp", "iat", "nbf")
REFUSED_HEADERS: Final = frozenset({"crit", "jku", "jwk", "x5u", "x5c", "b64", "zip", "enc"})
SHAPE: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")


class _NotAcceptedError(Exception):
    """Why a token is refused, in one word; stays inside, the caller only learns that it was."""


class BearerVerifier:
    """Decides whether a bearer token is a signed-in person's, and says whose.

    Tokens signed with a key of the auth server's published set and tokens signed with a legacy shared secret go to two
    verifiers that know nothing of each other; the second exists only where `SUPABASE_JWT_SECRET` is set.
    """

    def __init__(self, settings: IdentitySettings, auth: AuthServer) -> None:
        self.issuer = settings.jwt_issuer
        self.keys = SigningKeys(auth.signing_keys)
        self._published = PublishedKeyVerifier(self.keys.key, issuer=self.issuer)
        secret = settings.jwt_legacy_secret
        self._legacy = None if secret is None else SharedSecretVerifier(secret.get_secret_value(), issuer=self.issuer)

    async def verify(self, token: str) -> Claims:
        """Accept the token and tell its claims.

        Raises AuthenticationRequiredError for every token that is not to be trusted, always with the same words, and
        AuthUnavailableError when the keys to decide with are not to be had.
        """
        try:
            header = _read_header(token)
            if self._legacy is not None and header.get("alg") == LEGACY_ALGORITHM:
                return self._legacy.verify(token)
            return await self._published.verify(token, header)
        except _NotAcceptedError as refused:
            raise AuthenticationRequiredError from refused


class PublishedKeyVerifier:
    """Verifies against the published key the token names, with the algorithm that belongs to the key."""

    def __init__(self, find_key: Callable[[str], Awaitable[BoundKey | None]], *, issuer: str) -> None:
        self._find_key = find_key
        self._issuer = issuer

    async def verify(self, token: str, header: dict[str, Any]) -> Claims:
        """Raise _NotAcceptedError, or tell the claims."""
        key_id = header.get("kid")
        if not isinstance(key_id, str) or not key_id:
            raise _NotAcceptedError("kid")
        bound = await self._find_key(key_id)
        if bound is None:
            raise _NotAcceptedError("unknown kid")
        if header.get("alg") != bound.algorithm:
            raise _NotAcceptedError("algorithm of another key")
        return _read_claims(token, bound.key, bound.algorithm, self._issuer)


class SharedSecretVerifier:
    """Verifies HS256 with one configured secret, for projects that have not moved to signing keys."""

    def __init__(self, secret: str, *, issuer: str) -> None:
        self._secret = secret
        self._issuer = issuer

    def verify(self, token: str) -> Claims:
        """Raise _NotAcceptedError, or tell the claims."""
        return _read_claims(token, self._secret, LEGACY_ALGORITHM, self._issuer)


def _read_header(token: str) -> dict[str, Any]:
    if len(token) > TOKEN_BYTES_MAX or not SHAPE.fullmatch(token):
        raise _NotAcceptedError("shape")
    head, body, _ = token.split(".")
    header = _read_segment(head)
    _read_segment(body)
    if not REFUSED_HEADERS.isdisjoint(header):
        raise _NotAcceptedError("header")
    if str(header.get("typ", "JWT")).upper() != "JWT":
        raise _NotAcceptedError("type")
    return header


def _read_segment(segment: str) -> dict[str, Any]:
    try:
        content = json.loads(
            base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)), object_pairs_hook=_without_duplicates
        )
    except (binascii.Error, ValueError, RecursionError) as fault:
        raise _NotAcceptedError("not JSON") from fault
    if not isinstance(content, dict):
        raise _NotAcceptedError("not an object")
    return content


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise _NotAcceptedError("duplicate name")
    return content


def _read_claims(token: str, key: jwt.PyJWK | str, algorithm: str, issuer: str) -> Claims:
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=AUDIENCE,
            issuer=issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": list(REQUIRED_CLAIMS), "strict_aud": True, "verify_signature": True},
        )
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as fault:
        raise _NotAcceptedError("signature or registered claims") from fault
    if any(name in claims and type(claims[name]) is not int for name in WHOLE_SECONDS_CLAIMS):
        raise _NotAcceptedError("instant")
    if claims["role"] != ROLE or claims.get("is_anonymous") is not False or "client_id" in claims:
        raise _NotAcceptedError("not a signed-in person")
    email = claims.get("email", "")
    if not isinstance(email, str) or len(email) > EMAIL_LENGTH_MAX or not email.isprintable():
        raise _NotAcceptedError("email")
    return Claims(
        user_id=_read_uuid(claims["sub"]),
        session_id=_read_uuid(claims["session_id"]),
        email=email,
        issued_at=claims["iat"],
        expires_at=claims["exp"],
    )


def _read_uuid(text: object) -> UUID:
    try:
        identifier = UUID(str(text))
    except ValueError as fault:
        raise _NotAcceptedError("identifier") from fault
    if str(identifier) != text:
        raise _NotAcceptedError("identifier")
    return identifier
