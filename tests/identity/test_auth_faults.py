import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from syneudp.identity import (
    AuthenticationRequiredError,
    AuthRateLimitedError,
    AuthRefusedError,
    AuthServer,
    AuthUnavailableError,
    EmailAddressInvalidError,
    EmailNotConfirmedError,
    InvalidCredentialsError,
    RefreshRefusedError,
    SignOutScope,
    SignUpDisabledError,
    UserAlreadyExistsError,
    WeakPasswordError,
)
from tests.identity.running import identity_settings

USER = {"id": "019a0000-0000-7000-8000-000000000000", "email": "a@example.com"}
TOKENS = {"access_token": "a", "refresh_token": "r", "expires_in": 3600, "user": USER}


@asynccontextmanager
async def answering(status: int, body: object, **headers: str) -> AsyncIterator[tuple[AuthServer, list[bytes]]]:
    """A real socket that gives every request the same answer and keeps what it heard."""
    heard: list[bytes] = []
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    told = "".join(f"{name.replace('_', '-')}: {text}\r\n" for name, text in headers.items())

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        head = f"HTTP/1.1 {status} Whatever\r\nContent-Length: {len(content)}\r\nConnection: close\r\n{told}\r\n"
        writer.write(head.encode() + content)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = identity_settings(f"http://127.0.0.1:{port}/auth/v1/", SUPABASE_PUBLISHABLE_KEY="sb_publishable_x")
    async with server, AuthServer(settings) as auth:
        yield auth, heard


def named(code: str) -> dict[str, str]:
    return {"code": code, "message": "upstream's own words"}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, named("invalid_credentials"), InvalidCredentialsError),
        (400, {"code": 400, "error_code": "invalid_credentials", "msg": "x"}, InvalidCredentialsError),
        (400, {"error": "invalid_grant", "error_description": "x"}, InvalidCredentialsError),
        (400, named("email_not_confirmed"), EmailNotConfirmedError),
        (400, named("user_banned"), AuthRefusedError),
        (400, {"message": "no code at all"}, AuthRefusedError),
        (422, named("user_already_exists"), UserAlreadyExistsError),
        (422, named("email_exists"), UserAlreadyExistsError),
        (422, {**named("weak_password"), "weak_password": {"reasons": ["pwned"]}}, WeakPasswordError),
        (422, named("signup_disabled"), SignUpDisabledError),
        (400, named("validation_failed"), EmailAddressInvalidError),
        (429, named("over_email_send_rate_limit"), AuthRateLimitedError),
        (429, b"<html>slow down</html>", AuthRateLimitedError),
        (401, {"message": "Invalid API key"}, AuthUnavailableError),
        (404, b"404 page not found", AuthUnavailableError),
        (500, named("unexpected_failure"), AuthUnavailableError),
        (503, b"", AuthUnavailableError),
        (302, b"", AuthUnavailableError),
        (200, b"<html>", AuthUnavailableError),
        (200, b"", AuthUnavailableError),
        (200, [], AuthUnavailableError),
        (200, {**TOKENS, "expires_in": 0}, AuthUnavailableError),
        (200, {**TOKENS, "refresh_token": ""}, AuthUnavailableError),
        (200, {**TOKENS, "user": {"id": "no uuid"}}, AuthUnavailableError),
        (200, b"x" * 300_000, AuthUnavailableError),
    ],
)
async def test_each_answer_to_a_sign_in_has_its_error(status: int, body: object, expected: type[Exception]) -> None:
    async with answering(status, body) as (auth, _):
        for call in (auth.sign_in_with_password, auth.sign_up):
            with pytest.raises(expected) as refused:
                await call(email="a@example.com", password="whatever it is")
            assert "upstream" not in str(refused.value)


async def test_the_header_names_the_code_before_the_body_does() -> None:
    async with answering(400, named("other"), x_sb_error_code="email_not_confirmed") as (auth, _):
        with pytest.raises(EmailNotConfirmedError):
            await auth.sign_in_with_password(email="a", password="b")


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, named("refresh_token_not_found"), RefreshRefusedError),
        (400, named("refresh_token_already_used"), RefreshRefusedError),
        (400, named("session_expired"), RefreshRefusedError),
        (400, {"error": "invalid_request"}, RefreshRefusedError),
        (403, named("user_banned"), RefreshRefusedError),
        (422, named("validation_failed"), RefreshRefusedError),
        (409, named("conflict"), AuthUnavailableError),
        (408, b"", AuthUnavailableError),
        (429, named("over_request_rate_limit"), AuthRateLimitedError),
        (401, {"message": "No API key found in request"}, AuthUnavailableError),
        (403, b"<html>firewall</html>", AuthUnavailableError),
        (404, b"no Route matched", AuthUnavailableError),
        (502, b"<html>", AuthUnavailableError),
        (200, b"not JSON", AuthUnavailableError),
    ],
)
async def test_only_the_auth_servers_own_word_ends_a_session(
    status: int, body: object, expected: type[Exception]
) -> None:
    async with answering(status, body) as (auth, _):
        with pytest.raises(expected):
            await auth.refresh("r")


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (403, named("session_not_found"), AuthenticationRequiredError),
        (403, named("bad_jwt"), AuthenticationRequiredError),
        (401, named("no_authorization"), AuthenticationRequiredError),
        (404, named("user_not_found"), AuthenticationRequiredError),
        (401, {"message": "Invalid API key"}, AuthUnavailableError),
        (404, b"", AuthUnavailableError),
        (429, b"", AuthRateLimitedError),
        (500, b"", AuthUnavailableError),
    ],
)
async def test_a_confirmation_fails_closed(status: int, body: object, expected: type[Exception]) -> None:
    async with answering(status, body) as (auth, _):
        with pytest.raises(expected):
            await auth.user("a.b.c")


@pytest.mark.parametrize("status", [204, 401, 403, 404])
async def test_signing_out_of_what_is_gone_is_success(status: int) -> None:
    async with answering(status, b"") as (auth, heard):
        await auth.logout("a.b.c", scope=SignOutScope.LOCAL)
    assert heard[0].startswith(b"POST /auth/v1/logout?scope=local HTTP/1.1\r\n")


async def test_every_call_names_the_api_version_and_the_projects_key() -> None:
    async with answering(200, TOKENS) as (auth, heard):
        assert (await auth.refresh("r")).access_token == "a"
    assert b"X-Supabase-Api-Version: 2024-01-01\r\n" in heard[0]
    assert b"apikey: sb_publishable_x\r\n" in heard[0]


async def test_only_reads_are_tried_again() -> None:
    async with answering(500, b"") as (auth, heard):
        with pytest.raises(AuthUnavailableError):
            await auth.refresh("r")
        assert len(heard) == 1
        with pytest.raises(AuthUnavailableError):
            await auth.settings()
        assert len(heard) == 3
