from collections.abc import AsyncIterator, Callable

import pytest

from syneudp.identity import (
    Act,
    AuthenticationRequiredError,
    AuthRateLimitedError,
    AuthServer,
    AuthTokens,
    AuthUnavailableError,
    EmailAddressInvalidError,
    InvalidCredentialsError,
    RefreshRefusedError,
    SignOutScope,
    UserAlreadyExistsError,
    WeakPasswordError,
    confirm_live_session,
)
from syneudp.kernel.database import execute, reading
from tests.identity.running import PASSWORD, Identity, identity_settings, new_email, running_identity
from tests.servers import ControlServer, opened_control


@pytest.fixture(scope="module")
async def identity(control_server: ControlServer) -> AsyncIterator[Identity]:
    async with opened_control(control_server) as control, running_identity(control) as identity:
        yield identity


async def test_a_sign_up_is_a_sign_in_and_the_password_works_again(identity: Identity) -> None:
    email = new_email()
    tokens = await identity.auth.sign_up(email=email, password=PASSWORD)
    assert isinstance(tokens, AuthTokens)
    assert tokens.user.email == email
    assert tokens.user.email_confirmed
    again = await identity.auth.sign_in_with_password(email=email.upper(), password=PASSWORD)
    assert again.user == tokens.user
    claims = await identity.bearer.verify(again.access_token)
    assert (claims.user_id, claims.email) == (tokens.user.id, email)
    assert claims.expires_at - claims.issued_at == again.expires_in == 3600


async def test_secrets_stay_out_of_the_repr(identity: Identity) -> None:
    tokens = await identity.signed_up()
    opened = await identity.sessions.open(tokens, act=Act.SIGN_UP, address="127.0.0.1", user_agent="")
    for secret in (tokens.access_token, tokens.refresh_token, opened.cookie):
        assert secret not in repr(tokens) + repr(opened)


async def test_a_wrong_password_and_an_unknown_address_sound_the_same(identity: Identity) -> None:
    email = new_email()
    await identity.auth.sign_up(email=email, password=PASSWORD)
    told = []
    for who, password in ((email, "wrong password"), (new_email(), PASSWORD), ("no address", PASSWORD), ("", "")):
        with pytest.raises(InvalidCredentialsError) as refused:
            await identity.auth.sign_in_with_password(email=who, password=password)
        told.append((refused.value.status, refused.value.code, refused.value.detail))
    assert len(set(told)) == 1


async def test_the_same_address_signs_up_once(identity: Identity) -> None:
    email = new_email()
    await identity.auth.sign_up(email=email, password=PASSWORD)
    with pytest.raises(UserAlreadyExistsError):
        await identity.auth.sign_up(email=email.upper(), password="another password")


@pytest.mark.parametrize("password", ["short", "x" * 73])
async def test_passwords_have_bounds(identity: Identity, password: str) -> None:
    with pytest.raises(WeakPasswordError):
        await identity.auth.sign_up(email=new_email(), password=password)


@pytest.mark.parametrize(
    "email",
    [
        "",
        "nobody",
        "a@",
        "@b",
        "x" * 10_240 + "@example.com",
        "🐘@example.com",
        "a b@example.com",
        "a\x00@example.com",
        "\ud800@example.com",
        "'; DROP TABLE users; --",
    ],
)
async def test_what_is_no_address_cannot_sign_up(identity: Identity, email: str) -> None:
    with pytest.raises(EmailAddressInvalidError) as refused:
        await identity.auth.sign_up(email=email, password=PASSWORD)
    assert not email or email not in refused.value.detail


@pytest.mark.parametrize(
    "password", ["🐘🐘🐘🐘🐘🐘🐘🐘", "'; DROP TABLE local_auth_users; --", "nul\x00 in the middle", "\ud800 lone half"]
)
async def test_any_text_of_the_right_length_can_be_a_password(identity: Identity, password: str) -> None:
    email = new_email()
    await identity.auth.sign_up(email=email, password=password)
    await identity.auth.sign_in_with_password(email=email, password=password)
    with pytest.raises(InvalidCredentialsError):
        await identity.auth.sign_in_with_password(email=email, password=password + " ")


async def test_a_refresh_token_is_good_once_and_its_predecessor_finds_the_present_one(identity: Identity) -> None:
    first = await identity.signed_up()
    second = await identity.auth.refresh(first.refresh_token)
    assert second.refresh_token != first.refresh_token
    lost_answer = await identity.auth.refresh(first.refresh_token)
    assert lost_answer.refresh_token == second.refresh_token
    third = await identity.auth.refresh(second.refresh_token)
    assert third.refresh_token not in {first.refresh_token, second.refresh_token}


async def test_an_old_refresh_token_is_forgiven_for_ten_seconds_and_then_ends_the_session(identity: Identity) -> None:
    first = await identity.signed_up()
    second = await identity.auth.refresh(first.refresh_token)
    third = await identity.auth.refresh(second.refresh_token)
    assert (await identity.auth.refresh(first.refresh_token)).refresh_token == third.refresh_token
    await execute(reading(), "UPDATE local_auth_sessions SET refreshed_at = refreshed_at - 11")
    with pytest.raises(RefreshRefusedError):
        await identity.auth.refresh(first.refresh_token)
    with pytest.raises(RefreshRefusedError):
        await identity.auth.refresh(third.refresh_token)
    with pytest.raises(AuthenticationRequiredError):
        await confirm_live_session(identity.auth, third.access_token)


@pytest.mark.parametrize(
    "change",
    [lambda token: token[:-1], lambda token: token[::-1], lambda token: "A" * 54, lambda _: "", lambda _: "🐘"],
)
async def test_a_made_up_refresh_token_is_refused_and_harms_no_session(
    identity: Identity, change: Callable[[str], str]
) -> None:
    tokens = await identity.signed_up()
    with pytest.raises(RefreshRefusedError):
        await identity.auth.refresh(change(tokens.refresh_token))
    await identity.auth.refresh(tokens.refresh_token)


async def test_after_a_sign_out_the_token_still_verifies_but_no_longer_confirms(identity: Identity) -> None:
    tokens = await identity.signed_up()
    assert (await identity.auth.user(tokens.access_token)).id == tokens.user.id
    await identity.auth.logout(tokens.access_token, scope=SignOutScope.LOCAL)
    await identity.auth.logout(tokens.access_token, scope=SignOutScope.LOCAL)
    await identity.bearer.verify(tokens.access_token)
    with pytest.raises(AuthenticationRequiredError):
        await confirm_live_session(identity.auth, tokens.access_token)
    with pytest.raises(RefreshRefusedError):
        await identity.auth.refresh(tokens.refresh_token)


@pytest.mark.parametrize(
    ("scope", "living"), [("local", (False, True)), ("others", (True, False)), ("global", (False, False))]
)
async def test_a_sign_out_reaches_as_far_as_it_says(identity: Identity, scope: str, living: tuple[bool, bool]) -> None:
    email = new_email()
    here = await identity.auth.sign_up(email=email, password=PASSWORD)
    assert isinstance(here, AuthTokens)
    there = await identity.auth.sign_in_with_password(email=email, password=PASSWORD)
    await identity.auth.logout(here.access_token, scope=SignOutScope(scope))
    for tokens, lives in zip((here, there), living, strict=True):
        if lives:
            await confirm_live_session(identity.auth, tokens.access_token)
        else:
            with pytest.raises(AuthenticationRequiredError):
                await confirm_live_session(identity.auth, tokens.access_token)


@pytest.mark.parametrize("token", ["", "a.b.c", "line\nbreak", "🐘", "x" * 9000, "two words"])
async def test_no_text_that_is_no_token_confirms(identity: Identity, token: str) -> None:
    with pytest.raises(AuthenticationRequiredError):
        await confirm_live_session(identity.auth, token)


async def test_settings_say_which_buttons_to_show(identity: Identity) -> None:
    settings = await identity.auth.settings()
    assert (settings.email, settings.google, settings.sign_up, settings.confirms_by_itself) == (True, False, True, True)


async def test_guessing_a_password_is_slowed_down_for_known_and_unknown_addresses_alike(identity: Identity) -> None:
    email = new_email()
    await identity.auth.sign_up(email=email, password=PASSWORD)
    for who in (email, new_email()):
        for _ in range(10):
            with pytest.raises(InvalidCredentialsError):
                await identity.auth.sign_in_with_password(email=who, password="a guess")
        with pytest.raises(AuthRateLimitedError):
            await identity.auth.sign_in_with_password(email=who, password=PASSWORD)


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    async with AuthServer(identity_settings("http://127.0.0.1:9")) as auth:
        with pytest.raises(AuthUnavailableError) as refused:
            await auth.settings()
        with pytest.raises(AuthUnavailableError):
            await auth.refresh("whatever")
    assert "127.0.0.1" not in refused.value.detail
