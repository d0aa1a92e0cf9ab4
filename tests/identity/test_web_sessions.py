import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID

import pytest

from syneudp.identity import (
    Act,
    AuthenticationRequiredError,
    AuthServer,
    AuthTokens,
    AuthUnavailableError,
    BearerVerifier,
    IdentitySettings,
    InvalidCredentialsError,
    RefreshRefusedError,
    SignOutScope,
    WebSession,
    WebSessions,
    confirm_live_session,
    signed_in_lately,
)
from syneudp.identity.rules import ABSOLUTE_LIFETIME_SECONDS, IDLE_LIFETIME_SECONDS, LEASE_SECONDS, PROOF_LASTS_SECONDS
from syneudp.kernel import clock
from syneudp.kernel.database import execute, reading, row, value
from syneudp.kernel.sealing import Keyring
from tests.identity.running import PASSWORD, Identity, identity_settings, new_sealing_keys, running_identity
from tests.servers import ControlDatabase

OPEN_TRANSACTIONS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'"
)


class WatchedAuth(AuthServer):
    """The real client, which counts refreshes, can be slow or cut off, and looks for open transactions when called."""

    def __init__(self, settings: IdentitySettings, *, slow_seconds: float = 0.0) -> None:
        super().__init__(settings)
        self.slow_seconds = slow_seconds
        self.down = False
        self.refreshes = 0
        self.open_transactions = 0

    async def refresh(self, refresh_token: str) -> AuthTokens:
        self.refreshes += 1
        self.open_transactions += await value(reading(), OPEN_TRANSACTIONS)
        await asyncio.sleep(self.slow_seconds)
        if self.down:
            raise AuthUnavailableError
        return await super().refresh(refresh_token)

    async def logout(self, access_token: str, *, scope: SignOutScope) -> None:
        if self.down:
            raise AuthUnavailableError
        await super().logout(access_token, scope=scope)


@asynccontextmanager
async def watched(identity: Identity, *, slow_seconds: float = 0.0) -> AsyncIterator[tuple[WatchedAuth, WebSessions]]:
    async with WatchedAuth(identity.settings, slow_seconds=slow_seconds) as auth:
        yield auth, WebSessions(auth=auth, bearer=identity.bearer, keyring=identity.keyring)


async def opened(identity: Identity, *, replacing: str | None = None) -> tuple[str, WebSession]:
    tokens = await identity.signed_up()
    made = await identity.sessions.open(
        tokens, act=Act.SIGN_UP, address="127.0.0.1", user_agent="a browser", replacing=replacing
    )
    return made.cookie, made.session


async def close(sessions: WebSessions, cookie: str, scope: SignOutScope = SignOutScope.LOCAL) -> None:
    await sessions.close(cookie, address="127.0.0.1", user_agent="a browser", scope=scope)


async def let_access_token_have(seconds: int) -> None:
    await execute(reading(), "UPDATE web_sessions SET access_expires_at = $1", await clock.now(reading()) + seconds)


async def reason(session_id: UUID) -> str | None:
    ended: str | None = await value(reading(), "SELECT ended_because FROM web_sessions WHERE id = $1", session_id)
    return ended


async def test_a_session_is_found_by_its_cookie_and_nothing_else(identity: Identity) -> None:
    cookie, session = await opened(identity)
    assert await identity.sessions.current(cookie) == session
    assert session.user.email.endswith("@example.com")
    for other in (
        "",
        cookie[:-1],
        cookie[::-1],
        cookie + "A",
        cookie + "\n",
        "A" * 43,
        "🐘",
        "'; DROP TABLE users; --",
    ):
        assert await identity.sessions.current(other) is None


async def test_neither_the_cookie_nor_a_token_stands_in_the_table(identity: Identity) -> None:
    tokens = await identity.signed_up()
    made = await identity.sessions.open(tokens, act=Act.SIGN_IN, address="::1", user_agent="x")
    kept = await row(reading(), "SELECT web_sessions::text AS whole FROM web_sessions")
    assert kept is not None
    for secret in (made.cookie, tokens.access_token, tokens.refresh_token):
        assert secret not in kept["whole"]
        assert secret.encode().hex() not in kept["whole"]


async def test_signing_in_again_makes_a_new_id_and_ends_the_old_session(identity: Identity) -> None:
    old_cookie, old = await opened(identity)
    new_cookie, new = await opened(identity, replacing=old_cookie)
    assert new_cookie != old_cookie
    assert new.id != old.id
    assert await identity.sessions.current(old_cookie) is None
    assert await reason(old.id) == "replaced"
    assert await identity.sessions.current(new_cookie) == new


async def test_opening_remembers_the_customer_and_leaves_a_trail(identity: Identity) -> None:
    cookie, session = await opened(identity)
    await close(identity.sessions, cookie)
    trail = await row(
        reading(),
        "SELECT array_agg(act ORDER BY id) AS acts, min(address) AS address, min(user_agent) AS user_agent"
        " FROM audit_events WHERE user_id = $1 AND subject = $2",
        session.user.id,
        str(session.id),
    )
    assert trail == {"acts": ["sign_up", "sign_out"], "address": "127.0.0.1", "user_agent": "a browser"}


async def test_signing_out_ends_the_row_destroys_the_tokens_and_ends_the_auth_servers_session(
    identity: Identity,
) -> None:
    cookie, session = await opened(identity)
    await close(identity.sessions, cookie)
    await close(identity.sessions, cookie)
    assert await identity.sessions.current(cookie) is None
    kept = await row(reading(), "SELECT access_token_sealed, refresh_token_sealed, ended_because FROM web_sessions")
    assert kept == {"access_token_sealed": None, "refresh_token_sealed": None, "ended_because": "sign_out"}
    with pytest.raises(AuthenticationRequiredError):
        await confirm_live_session(identity.auth, session.access_token)


async def test_signing_out_everywhere_ends_every_session_of_this_customer_alone(identity: Identity) -> None:
    stranger, _ = await opened(identity)
    here, session = await opened(identity)
    again = await identity.auth.sign_in_with_password(email=session.user.email, password=PASSWORD)
    there = await identity.sessions.open(again, act=Act.SIGN_IN, address="", user_agent="")
    await close(identity.sessions, here, SignOutScope.GLOBAL)
    assert await identity.sessions.current(there.cookie) is None
    assert await identity.sessions.current(here) is None
    assert await identity.sessions.current(stranger) is not None
    with pytest.raises(RefreshRefusedError):
        await identity.auth.refresh(again.refresh_token)


async def test_signing_out_with_an_expired_token_still_ends_the_auth_servers_session(identity: Identity) -> None:
    cookie, session = await opened(identity)
    await let_access_token_have(-1)
    await close(identity.sessions, cookie)
    with pytest.raises(AuthenticationRequiredError):
        await confirm_live_session(identity.auth, session.access_token)


async def test_a_token_with_time_left_is_not_refreshed(identity: Identity) -> None:
    cookie, _ = await opened(identity)
    async with watched(identity) as (auth, sessions):
        await let_access_token_have(90)
        await sessions.current(cookie)
        assert auth.refreshes == 0
        await let_access_token_have(50)
        refreshed = await sessions.current(cookie)
        assert auth.refreshes == 1
        assert auth.open_transactions == 0
        await sessions.current(cookie)
        assert auth.refreshes == 1
    assert refreshed is not None
    assert refreshed.access_expires_at >= await clock.now(reading()) + 3500
    await identity.bearer.verify(refreshed.access_token)


@pytest.mark.parametrize("seconds_left", [30, -5])
async def test_many_requests_at_once_make_one_refresh(identity: Identity, seconds_left: int) -> None:
    cookie, session = await opened(identity)
    async with watched(identity, slow_seconds=0.3) as (auth, sessions), watched(identity) as (other, other_sessions):
        await let_access_token_have(seconds_left)
        found = await asyncio.gather(
            *(sessions.current(cookie) for _ in range(12)), *(other_sessions.current(cookie) for _ in range(12))
        )
        assert auth.refreshes + other.refreshes == 1
    assert {told.id for told in found if told is not None} == {session.id}
    assert None not in found
    if seconds_left < 0:
        assert len({told.access_token for told in found if told is not None}) == 1


async def test_a_refusal_ends_the_session(identity: Identity) -> None:
    cookie, session = await opened(identity)
    await identity.auth.logout(session.access_token, scope=SignOutScope.LOCAL)
    await let_access_token_have(50)
    assert await identity.sessions.current(cookie) is None
    assert await reason(session.id) == "refused"


async def test_an_outage_keeps_the_session_and_serves_it_while_its_token_lasts(identity: Identity) -> None:
    cookie, session = await opened(identity)
    async with watched(identity) as (auth, sessions):
        auth.down = True
        await let_access_token_have(30)
        for _ in range(5):
            found = await sessions.current(cookie)
            assert found is not None
            assert found.id == session.id
        assert auth.refreshes == 1
        await let_access_token_have(-1)
        with pytest.raises(AuthUnavailableError):
            await sessions.current(cookie)
        assert await reason(session.id) is None
        auth.down = False
        await execute(reading(), "UPDATE web_sessions SET refreshing_until = refreshing_until - 5")
        back = await sessions.current(cookie)
        assert back is not None
        assert back.access_expires_at > await clock.now(reading()) + 3500


async def test_a_real_outage_keeps_the_session_too(control: ControlDatabase) -> None:
    async with running_identity(control) as identity:
        cookie, session = await opened(identity)
        await let_access_token_have(30)
        await identity.local.stop()
        found = await identity.sessions.current(cookie)
        assert found is not None
        assert found.id == session.id
        await close(identity.sessions, cookie)
        assert await identity.sessions.current(cookie) is None


async def test_a_lease_left_by_a_crash_runs_out_and_the_lost_tokens_come_back(identity: Identity) -> None:
    cookie, session = await opened(identity)
    async with watched(identity) as (_, sessions):
        await let_access_token_have(30)
        crashing = WatchedAuth(identity.settings, slow_seconds=60)
        async with crashing:
            crashed = WebSessions(auth=crashing, bearer=identity.bearer, keyring=identity.keyring)
            request = asyncio.create_task(crashed.current(cookie))
            while crashing.refreshes == 0:
                await asyncio.sleep(0.01)
            request.cancel()
            for refresh in list(crashed._refreshes):
                refresh.cancel()
            await asyncio.gather(request, return_exceptions=True)
        held = await row(reading(), "SELECT refresh_claim, refreshing_until FROM web_sessions")
        assert held is not None
        assert held["refresh_claim"] is not None
        assert held["refreshing_until"] <= await clock.now(reading()) + LEASE_SECONDS
        still = await sessions.current(cookie)
        assert still is not None
        assert still.access_token == session.access_token
        await execute(reading(), "UPDATE web_sessions SET refreshing_until = refreshing_until - 20")
        after = await sessions.current(cookie)
        assert after is not None
        assert after.access_expires_at > await clock.now(reading()) + 3500


async def test_a_browser_that_goes_away_does_not_lose_the_refresh(identity: Identity) -> None:
    cookie, _ = await opened(identity)
    async with watched(identity, slow_seconds=0.2) as (auth, sessions):
        await let_access_token_have(30)
        request = asyncio.create_task(sessions.current(cookie))
        while auth.refreshes == 0:
            await asyncio.sleep(0.01)
        request.cancel()
        await asyncio.gather(*sessions._refreshes)
        found = await sessions.current(cookie)
        assert found is not None
        assert found.access_expires_at > await clock.now(reading()) + 3500
        assert auth.refreshes == 1


async def test_a_session_that_rests_too_long_ends(identity: Identity) -> None:
    cookie, session = await opened(identity)
    with clock.frozen(session.created_at + IDLE_LIFETIME_SECONDS):
        assert await identity.sessions.current(cookie) is None
    assert await reason(session.id) == "idle"


async def test_a_session_in_use_ends_after_thirty_days_all_the_same(identity: Identity) -> None:
    cookie, session = await opened(identity)
    for day in range(2, 30, 2):
        with clock.frozen(session.created_at + day * 86_400):
            assert await identity.sessions.current(cookie) is not None
    with clock.frozen(session.created_at + ABSOLUTE_LIFETIME_SECONDS):
        assert await identity.sessions.current(cookie) is None
    assert await reason(session.id) == "lifetime"


async def test_a_sign_in_is_proof_for_ten_minutes_and_a_refresh_is_none(identity: Identity) -> None:
    cookie, session = await opened(identity)
    assert await signed_in_lately(session)
    with clock.frozen(session.created_at + PROOF_LASTS_SECONDS - 1):
        assert await signed_in_lately(session)
    with clock.frozen(session.created_at + PROOF_LASTS_SECONDS):
        await let_access_token_have(30)
        refreshed = await identity.sessions.current(cookie)
        assert refreshed is not None
        assert refreshed.access_token != session.access_token
        assert not await signed_in_lately(refreshed)


async def test_the_owners_password_makes_a_new_session_and_a_wrong_one_changes_nothing(identity: Identity) -> None:
    cookie, session = await opened(identity)
    origin = {"address": "127.0.0.1", "user_agent": "a browser"}
    with clock.frozen(session.created_at + PROOF_LASTS_SECONDS):
        with pytest.raises(InvalidCredentialsError):
            await identity.sessions.sign_in_again(cookie, session, password="not it at all", **origin)
        assert await identity.sessions.current(cookie) == session
        made = await identity.sessions.sign_in_again(cookie, session, password=PASSWORD, **origin)
        assert await signed_in_lately(made.session)
        assert await identity.sessions.current(made.cookie) == made.session
        assert await identity.sessions.current(cookie) is None
    assert await reason(session.id) == "replaced"


async def test_an_address_that_became_somebody_elses_proves_nothing(identity: Identity) -> None:
    cookie, session = await opened(identity)
    _, other = await opened(identity)
    moved = replace(session, user=replace(session.user, email=other.user.email))
    with pytest.raises(InvalidCredentialsError):
        await identity.sessions.sign_in_again(cookie, moved, password=PASSWORD, address="", user_agent="")
    assert await identity.sessions.current(cookie) == session


async def test_tokens_that_do_not_verify_open_no_session(identity: Identity) -> None:
    tokens = await identity.signed_up()
    settings = identity_settings(identity.local.url, SUPABASE_JWT_ISSUER="https://elsewhere.example")
    sessions = WebSessions(auth=identity.auth, bearer=BearerVerifier(settings, identity.auth), keyring=identity.keyring)
    with pytest.raises(AuthenticationRequiredError):
        await sessions.open(tokens, act=Act.SIGN_IN, address="", user_agent="")
    assert await value(reading(), "SELECT count(*) FROM web_sessions") == 0
    assert await value(reading(), "SELECT count(*) FROM users") == 0


async def test_a_session_sealed_with_a_lost_key_is_no_session(identity: Identity) -> None:
    cookie, _ = await opened(identity)
    other = WebSessions(auth=identity.auth, bearer=identity.bearer, keyring=Keyring.parse(new_sealing_keys()))
    assert await other.current(cookie) is None


async def test_what_a_browser_says_of_itself_is_cut_and_cleaned(identity: Identity) -> None:
    tokens = await identity.signed_up()
    told = "🐘\x00\r\n\ud800" + "x" * 10_240
    made = await identity.sessions.open(tokens, act=Act.SIGN_IN, address="y" * 100, user_agent=told)
    kept = await row(reading(), "SELECT address, user_agent FROM web_sessions WHERE id = $1", made.session.id)
    assert kept == {"address": "y" * 64, "user_agent": ("🐘????" + "x" * 10_240)[:400]}
