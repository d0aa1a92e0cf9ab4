import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from syneudp.identity import AuthTokens
from syneudp.identity.local_auth.answers import LocalAuthError
from syneudp.identity.local_auth.attempts import PasswordAttempts
from syneudp.identity.local_auth.passwords import Passwords
from syneudp.kernel.database import reading, rows, value
from tests.identity.running import PASSWORD, Identity, new_email, running_identity
from tests.servers import ControlServer, opened_control

NAMED = {"X-Supabase-Api-Version": "2024-01-01"}


@pytest.fixture(scope="module")
async def identity(control_server: ControlServer) -> AsyncIterator[Identity]:
    async with opened_control(control_server) as control, running_identity(control) as identity:
        yield identity


@pytest.fixture(scope="module")
async def http(identity: Identity) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(identity.local.url) as session:
        yield session


async def call(http: aiohttp.ClientSession, method: str, path: str, **more: Any) -> tuple[int, Any, Any]:
    async with http.request(method, path, **more) as response:
        content = await response.read()
        return response.status, json.loads(content) if content else None, response.headers


async def test_errors_come_in_both_shapes(http: aiohttp.ClientSession) -> None:
    form = {"email": new_email(), "password": "wrong password"}
    status, told, headers = await call(http, "POST", "/token?grant_type=password", json=form, headers=NAMED)
    assert (status, told) == (400, {"code": "invalid_credentials", "message": "Invalid login credentials"})
    assert headers["x-sb-error-code"] == "invalid_credentials"
    status, told, _ = await call(http, "POST", "/token?grant_type=password", json=form)
    assert told == {"code": 400, "error_code": "invalid_credentials", "msg": "Invalid login credentials"}
    weak = {"email": new_email(), "password": "short"}
    status, told, _ = await call(http, "POST", "/signup", json=weak, headers=NAMED)
    assert (status, told["code"], told["weak_password"]) == (422, "weak_password", {"reasons": ["length"]})


FORM_PATHS = ("/signup", "/token?grant_type=password", "/token?grant_type=refresh_token")
BROKEN_BODIES = [b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b'{"x": NaN}', b"[" * 20_000]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        *((path, body) for path in FORM_PATHS for body in BROKEN_BODIES),
        ("/signup", b'{"email": 7}'),
        ("/token?grant_type=password", b'{"email": {"a": 1}}'),
        ("/token?grant_type=password", b'{"email": "a@example.com", "password": ["x"]}'),
        ("/token?grant_type=refresh_token", b'{"refresh_token": 7}'),
    ],
)
async def test_what_is_not_a_form_is_bad_json(http: aiohttp.ClientSession, path: str, body: bytes) -> None:
    status, told, _ = await call(http, "POST", path, data=body, headers=NAMED)
    assert (status, told["code"]) == (400, "bad_json")


async def test_a_body_without_end_is_too_large(http: aiohttp.ClientSession) -> None:
    status, told, _ = await call(http, "POST", "/signup", data=b"x" * 70_000, headers=NAMED)
    assert status == 413
    assert set(told) == {"code", "message"}


@pytest.mark.parametrize("told", ["x" * 10_240 + "@example.com", "<script>alert(1)</script>", "🐘@🐘.🐘"])
async def test_nothing_is_echoed(http: aiohttp.ClientSession, told: str) -> None:
    for path in (
        "/signup",
        "/token?grant_type=password",
        f"/token?grant_type={told[:100]}",
        f"/logout?scope={told[:100]}",
    ):
        async with http.post(path, json={"email": told, "password": told}) as response:
            assert 400 <= response.status < 500
            assert told[:100] not in await response.text()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/signup", 405),
        ("DELETE", "/user", 405),
        ("POST", "/token", 400),
        ("POST", "/token?grant_type=magic", 400),
    ],
)
async def test_what_is_not_offered_is_refused_in_shape(
    http: aiohttp.ClientSession, method: str, path: str, status: int
) -> None:
    found, told, _ = await call(http, method, path, headers=NAMED)
    assert found == status
    assert set(told) == {"code", "message"}


async def test_a_token_answer_has_every_member(http: aiohttp.ClientSession, identity: Identity) -> None:
    email = new_email()
    status, told, headers = await call(
        http, "POST", "/signup", json={"email": email, "password": PASSWORD, "data": {"name": "Ada 🐘"}}
    )
    assert status == 200
    assert headers["Cache-Control"] == "no-store"
    assert set(told) == {"access_token", "token_type", "expires_in", "expires_at", "refresh_token", "user"}
    user = told["user"]
    assert (user["email"], user["role"], user["aud"], user["is_anonymous"]) == (
        email,
        "authenticated",
        "authenticated",
        False,
    )
    assert user["user_metadata"] == {"name": "Ada 🐘"}
    assert user["last_sign_in_at"].endswith("Z")
    status, seen, _ = await call(http, "GET", "/user", headers={"Authorization": f"Bearer {told['access_token']}"})
    assert (status, seen) == (200, user)


async def test_the_key_set_is_public_and_cacheable(http: aiohttp.ClientSession) -> None:
    status, told, headers = await call(http, "GET", "/.well-known/jwks.json")
    assert status == 200
    assert headers["Cache-Control"] == "public, max-age=600"
    assert len(told["keys"]) == 2
    for key in told["keys"]:
        assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("EC", "P-256", "ES256", "sig")
        assert "d" not in key


@pytest.mark.parametrize(
    ("header", "status", "code"),
    [
        (None, 401, "no_authorization"),
        ("Basic YTpi", 401, "no_authorization"),
        ("Bearer", 401, "no_authorization"),
        ("Bearer nothing", 403, "bad_jwt"),
        ("Bearer e30.e30.", 403, "bad_jwt"),
        ("Bearer " + "A" * 4000, 403, "bad_jwt"),
    ],
)
async def test_user_and_logout_want_a_token(
    http: aiohttp.ClientSession, header: str | None, status: int, code: str
) -> None:
    headers = {**NAMED, **({} if header is None else {"Authorization": header})}
    for method, path in (("GET", "/user"), ("PUT", "/user"), ("POST", "/logout")):
        found, told, _ = await call(http, method, path, headers=headers, data=b"{}")
        assert (found, told["code"]) == (status, code)


async def test_after_a_sign_out_the_user_call_says_the_session_is_gone(
    http: aiohttp.ClientSession, identity: Identity
) -> None:
    tokens = await identity.signed_up()
    headers = {**NAMED, "Authorization": f"Bearer {tokens.access_token}"}
    assert (await call(http, "POST", "/logout?scope=nowhere", headers=headers))[0] == 400
    assert (await call(http, "POST", "/logout", headers=headers))[0] == 204
    status, told, _ = await call(http, "GET", "/user", headers=headers)
    assert (status, told["code"]) == (403, "session_not_found")


async def test_a_new_password_replaces_the_old_and_ends_the_other_sessions(
    http: aiohttp.ClientSession, identity: Identity
) -> None:
    here = await identity.signed_up()
    email = here.user.email
    there = await identity.auth.sign_in_with_password(email=email, password=PASSWORD)
    headers = {**NAMED, "Authorization": f"Bearer {here.access_token}"}
    faulty: list[tuple[dict[str, Any], int, str]] = [
        ({"password": PASSWORD}, 422, "same_password"),
        ({"password": "short"}, 422, "weak_password"),
        ({"email": new_email()}, 422, "validation_failed"),
        ({"data": {"x": "y" * 3000}}, 400, "validation_failed"),
        ({"data": "text"}, 400, "validation_failed"),
    ]
    for form, status, code in faulty:
        found, told, _ = await call(http, "PUT", "/user", json=form, headers=headers)
        assert (found, told["code"]) == (status, code)
    change = {"password": "another good password", "data": {"theme": "dark"}}
    status, told, _ = await call(http, "PUT", "/user", json=change, headers=headers)
    assert (status, told["user_metadata"]) == (200, {"theme": "dark"})
    await identity.auth.sign_in_with_password(email=email, password="another good password")
    await identity.auth.user(here.access_token)
    assert (await call(http, "GET", "/user", headers={"Authorization": f"Bearer {there.access_token}"}))[0] == 403
    status, told, _ = await call(http, "PUT", "/user", json={"data": {"theme": None}}, headers=headers)
    assert told["user_metadata"] == {}


async def test_passwords_stand_as_argon2id_and_private_keys_and_refresh_keys_sealed(identity: Identity) -> None:
    tokens = await identity.signed_up()
    hashes = await rows(reading(), "SELECT password_hash FROM local_auth_users")
    assert all(told["password_hash"].startswith("$argon2id$v=19$m=19456,t=2,p=1$") for told in hashes)
    for table in ("local_auth_users", "local_auth_sessions", "local_auth_signing_keys"):
        whole = str(await rows(reading(), f"SELECT {table}::text AS whole FROM {table}"))
        assert PASSWORD not in whole
        assert tokens.refresh_token not in whole
        assert "PRIVATE KEY" not in whole


async def test_the_event_loop_runs_on_while_a_password_is_hashed() -> None:
    rounds = 0

    async def go_round() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    going = asyncio.create_task(go_round())
    passwords = Passwords()
    password_hash = await passwords.hash(PASSWORD)
    assert await passwords.verify(PASSWORD, password_hash)
    assert not await passwords.verify(PASSWORD, None)
    going.cancel()
    assert rounds > 100


async def test_a_long_queue_of_passwords_is_refused_rather_than_served_late() -> None:
    passwords = Passwords()
    outcomes = await asyncio.gather(*(passwords.hash(PASSWORD) for _ in range(70)), return_exceptions=True)
    refused = [told for told in outcomes if isinstance(told, LocalAuthError)]
    assert [told.code for told in refused] == ["over_request_rate_limit"] * 6
    assert await passwords.hash(PASSWORD)


async def test_the_same_address_signing_up_at_once_becomes_one_user(http: aiohttp.ClientSession) -> None:
    form = {"email": new_email(), "password": PASSWORD}
    answers = await asyncio.gather(*(call(http, "POST", "/signup", json=form) for _ in range(6)))
    assert sorted(status for status, _, _ in answers) == [200, 422, 422, 422, 422, 422]
    assert await value(reading(), "SELECT count(*) FROM local_auth_users WHERE email = $1", form["email"]) == 1


async def test_one_refresh_token_used_at_once_gives_one_successor(identity: Identity) -> None:
    tokens = await identity.signed_up()
    answers: list[AuthTokens] = await asyncio.gather(*(identity.auth.refresh(tokens.refresh_token) for _ in range(8)))
    assert len({told.refresh_token for told in answers}) == 1


def test_tries_come_back_with_time_and_forgetting_stays_bounded() -> None:
    now = [0.0]
    attempts = PasswordAttempts(monotonic=lambda: now[0])
    for _ in range(10):
        attempts.spend("a@example.com")
    with pytest.raises(LocalAuthError):
        attempts.spend(" A@example.com")
    attempts.spend("b@example.com")
    now[0] += 30
    attempts.spend("a@example.com")
    with pytest.raises(LocalAuthError):
        attempts.spend("a@example.com")
    attempts.restore("a@example.com")
    attempts.spend("a@example.com")
