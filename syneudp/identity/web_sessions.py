"""Console sessions with the auth server behind them: transactions and calls strictly one after the other."""

import asyncio
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from syneudp.identity.audit import record_audit
from syneudp.identity.auth_server import AuthServer
from syneudp.identity.bearer import BearerVerifier
from syneudp.identity.errors import (
    AuthenticationRequiredError,
    AuthRateLimitedError,
    AuthUnavailableError,
    InvalidCredentialsError,
    RefreshRefusedError,
)
from syneudp.identity.rules import LEASE_SECONDS, TOUCH_EVERY_SECONDS, outlived, proof_lasts, refresh_due
from syneudp.identity.session_rows import (
    HeldSession,
    claim_refresh,
    end_sessions,
    open_session,
    read_session,
    record_refresh,
    rest_refresh,
    sessions_in_scope,
    touch_session,
)
from syneudp.identity.users import remember_user
from syneudp.identity.values import Act, AuthTokens, Claims, OpenedSession, SessionEnd, SignOutScope, WebSession
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, reading, transact
from syneudp.kernel.identifiers import new_id
from syneudp.kernel.logging import log
from syneudp.kernel.sealing import Keyring, SealBrokenError

WAIT_STEP_SECONDS: Final = 0.1
CUSTOMER: Final = "customer"


@dataclass(frozen=True, slots=True)
class _Seen:
    held: HeldSession
    now: int

    @property
    def leased(self) -> bool:
        until = self.held.refreshing_until
        return until is not None and self.now < until

    @property
    def resting(self) -> bool:
        return self.leased and self.held.refresh_claim is None


class WebSessions:
    """Opens, finds and closes console sessions.

    A refresh is single flight across all processes without a transaction held open during the call: the row lends out a
    lease for 15 s, committed before the call, and takes the outcome only from who holds it. A lease left by a crash
    runs out, and the auth server answers the repeated refresh token with the tokens that were lost.
    """

    def __init__(self, *, auth: AuthServer, bearer: BearerVerifier, keyring: Keyring) -> None:
        self._auth = auth
        self._bearer = bearer
        self._keyring = keyring
        self._refreshes: set[asyncio.Task[None]] = set()

    async def open(
        self, tokens: AuthTokens, *, act: Act, address: str, user_agent: str, replacing: str | None = None
    ) -> OpenedSession:
        """Open a session for tokens just received, under a new id; the session of the cookie `replacing` ends.

        Remembers the customer and writes the audit trail in the same transaction. Raises AuthenticationRequiredError
        when the auth server's own token does not verify, which means a wrong issuer or key set is configured.
        """
        claims = await self._verified(tokens)

        async def work(tx: Connection) -> OpenedSession:
            user = await remember_user(tx, user_id=claims.user_id, email=claims.email)
            before = None if replacing is None else await self._read(tx, replacing)
            if before is not None:
                await end_sessions(tx, session_ids=[before.session.id], because=SessionEnd.REPLACED)
            opened = await open_session(
                tx,
                user=user,
                claims=claims,
                tokens=tokens,
                keyring=self._keyring,
                address=address,
                user_agent=user_agent,
            )
            await record_audit(
                tx,
                user_id=user.id,
                actor=CUSTOMER,
                act=act,
                subject=str(opened.session.id),
                address=address,
                user_agent=user_agent,
            )
            return opened

        return await transact(work)

    async def sign_in_again(
        self, cookie: str, session: WebSession, *, password: str, address: str, user_agent: str
    ) -> OpenedSession:
        """Check the password of a session's owner; a new session then takes the place of the cookie's, under a new id.

        Raises InvalidCredentialsError and what else signing in raises; the cookie's session then stays as it was.
        """
        tokens = await self._auth.sign_in_with_password(email=session.user.email, password=password)
        if tokens.user.id != session.user.id:
            raise InvalidCredentialsError
        return await self.open(tokens, act=Act.SIGN_IN, address=address, user_agent=user_agent, replacing=cookie)

    async def current(self, cookie: str) -> WebSession | None:
        """Find the live session of a cookie, its access token good for a while longer; None means sign in again.

        Refreshes 60 to 75 s ahead. While the auth server is out, the session stays and is served until its access token
        ends; from then on AuthUnavailableError is raised, and the session still stays.
        """
        clock_of_loop = asyncio.get_running_loop().time
        waits_until = clock_of_loop() + LEASE_SECONDS
        refreshed = False
        while (seen := await self._live(cookie)) is not None:
            session = seen.held.session
            if not refresh_due(now=seen.now, access_expires_at=session.access_expires_at, session_id=session.id):
                return session
            if not refreshed and not seen.leased and await self._claim_and_refresh(seen.held):
                refreshed = True
                continue
            if seen.now < session.access_expires_at:
                return session
            if seen.resting or clock_of_loop() >= waits_until:
                raise AuthUnavailableError
            await asyncio.sleep(WAIT_STEP_SECONDS)
        return None

    async def close(
        self, cookie: str, *, address: str, user_agent: str, scope: SignOutScope = SignOutScope.LOCAL
    ) -> None:
        """Sign out: end the rows first, then the auth server's sessions as far as it answers."""
        held = await self._read(reading(), cookie)
        if held is None:
            return
        session = held.session

        async def work(tx: Connection) -> None:
            ids = await sessions_in_scope(tx, session=session, scope=scope)
            await end_sessions(tx, session_ids=ids, because=SessionEnd.SIGN_OUT)
            await record_audit(
                tx,
                user_id=session.user.id,
                actor=CUSTOMER,
                act=Act.SIGN_OUT,
                subject=scope.value if scope is not SignOutScope.LOCAL else str(session.id),
                address=address,
                user_agent=user_agent,
            )

        await transact(work)
        await self._sign_out_there(held, scope)

    async def _verified(self, tokens: AuthTokens) -> Claims:
        try:
            claims = await self._bearer.verify(tokens.access_token)
        except AuthenticationRequiredError:
            log.error("auth_server_signs_what_is_not_accepted", issuer=self._bearer.issuer)
            raise
        if claims.user_id != tokens.user.id:
            raise AuthenticationRequiredError
        return claims

    async def _sign_out_there(self, held: HeldSession, scope: SignOutScope) -> None:
        try:
            access_token = held.session.access_token
            if await clock.now(reading()) >= held.session.access_expires_at:
                access_token = (await self._auth.refresh(held.refresh_token)).access_token
            await self._auth.logout(access_token, scope=scope)
        except (AuthUnavailableError, AuthRateLimitedError, RefreshRefusedError) as fault:
            log.warning("sign_out_not_passed_on", fault=fault.code)

    async def _read(self, connection: Connection, cookie: str) -> HeldSession | None:
        try:
            return await read_session(connection, cookie=cookie, keyring=self._keyring)
        except SealBrokenError:
            log.error("web_session_seal_broken")
            return None

    async def _live(self, cookie: str) -> _Seen | None:
        held = await self._read(reading(), cookie)
        if held is None:
            return None
        session_id = held.session.id
        now = await clock.now(reading())
        end = outlived(now=now, created_at=held.session.created_at, last_seen_at=held.last_seen_at)
        if end is not None:
            await self._end(session_id, end)
            return None
        if now >= held.last_seen_at + TOUCH_EVERY_SECONDS:
            await transact(lambda tx: touch_session(tx, session_id=session_id))
        return _Seen(held=held, now=now)

    async def _end(self, session_id: UUID, because: SessionEnd) -> None:
        await transact(lambda tx: end_sessions(tx, session_ids=[session_id], because=because))

    async def _claim_and_refresh(self, held: HeldSession) -> bool:
        claim = new_id()
        if not await transact(lambda tx: claim_refresh(tx, session=held.session, claim=claim)):
            return False
        refresh = asyncio.create_task(self._refresh(held, claim))
        self._refreshes.add(refresh)
        refresh.add_done_callback(self._refreshes.discard)
        await asyncio.shield(refresh)
        return True

    async def _refresh(self, held: HeldSession, claim: UUID) -> None:
        session_id = held.session.id
        try:
            tokens = await self._auth.refresh(held.refresh_token)
        except RefreshRefusedError:
            await self._end(session_id, SessionEnd.REFUSED)
            return
        except (AuthUnavailableError, AuthRateLimitedError):
            await transact(lambda tx: rest_refresh(tx, session_id=session_id, claim=claim))
            return
        if tokens.user.id != held.session.user.id:
            log.error("auth_server_refreshed_another_user")
            await self._end(session_id, SessionEnd.REFUSED)
            return
        keyring = self._keyring
        await transact(
            lambda tx: record_refresh(tx, session_id=session_id, claim=claim, tokens=tokens, keyring=keyring)
        )


async def confirm_live_session(auth: AuthServer, access_token: str) -> None:
    """Ask the auth server whether the token's session still lives, before a reveal, rotation, deletion or top-up.

    A token outlives its sign-out by up to an hour; this does not.
    Raises AuthenticationRequiredError, AuthUnavailableError.
    """
    await auth.user(access_token)


async def signed_in_lately(session: WebSession) -> bool:
    """Tell whether the session's owner signed in within the last ten minutes; a refresh is no sign-in."""
    return proof_lasts(now=await clock.now(reading()), signed_in_at=session.created_at)
