"""The local auth server under real Hypercorn, and what a test wants to have beside it."""

import asyncio
import base64
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import aiohttp

from entrypoints.embedded import free_port
from syneudp.identity import AuthServer, AuthTokens, BearerVerifier, IdentitySettings, WebSessions
from syneudp.identity.local_auth import LocalAuthSettings, create_local_auth
from syneudp.kernel.sealing import Keyring
from syneudp.kernel.server import serve
from tests.servers import ControlDatabase

PASSWORD: Final = "correct horse battery staple"
START_SECONDS: Final = 10.0


@dataclass(frozen=True)
class RunningAuth:
    url: str
    settings: LocalAuthSettings
    keyring: Keyring
    stopping: asyncio.Event
    serving: asyncio.Task[None]

    async def stop(self) -> None:
        self.stopping.set()
        await self.serving


@dataclass(frozen=True)
class Identity:
    local: RunningAuth
    settings: IdentitySettings
    auth: AuthServer
    bearer: BearerVerifier
    sessions: WebSessions
    keyring: Keyring

    async def signed_up(self) -> AuthTokens:
        tokens = await self.auth.sign_up(email=new_email(), password=PASSWORD)
        assert isinstance(tokens, AuthTokens)
        return tokens


def new_email() -> str:
    return f"{secrets.token_hex(8)}@example.com"


def new_sealing_keys() -> str:
    return "one:" + base64.b64encode(os.urandom(32)).decode()


def identity_settings(url: str, **more: object) -> IdentitySettings:
    return IdentitySettings.model_validate({"SUPABASE_AUTH_URL": url, **more})


def local_auth_settings(control: ControlDatabase, port: int, **more: object) -> LocalAuthSettings:
    return LocalAuthSettings.model_validate(
        {
            "SYNEUDP_ENVIRONMENT": "local",
            "SYNEUDP_AUTH_BIND": f"127.0.0.1:{port}",
            "SYNEUDP_DATABASE_URL": control.url,
            "SYNEUDP_SEALING_KEYS": new_sealing_keys(),
            **more,
        }
    )


@asynccontextmanager
async def running_local_auth(control: ControlDatabase, **more: object) -> AsyncIterator[RunningAuth]:
    settings = local_auth_settings(control, free_port(), **more)
    stopping = asyncio.Event()
    serving = asyncio.create_task(serve(create_local_auth(settings), binds=[settings.auth_bind], stopping=stopping))
    running = RunningAuth(f"http://{settings.auth_bind}", settings, settings.keyring, stopping, serving)
    try:
        await _answers(running)
        yield running
    finally:
        stopping.set()
        await serving


async def _answers(running: RunningAuth) -> None:
    async with aiohttp.ClientSession() as session, asyncio.timeout(START_SECONDS):
        while not running.serving.done():
            try:
                async with session.get(running.url + "/health") as response:
                    assert response.status == 200
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.02)
    await running.serving


@asynccontextmanager
async def running_identity(control: ControlDatabase, **more: object) -> AsyncIterator[Identity]:
    async with running_local_auth(control, **more) as local:
        settings = identity_settings(local.url)
        async with AuthServer(settings) as auth:
            bearer = BearerVerifier(settings, auth)
            keyring = Keyring.parse(new_sealing_keys())
            sessions = WebSessions(auth=auth, bearer=bearer, keyring=keyring)
            yield Identity(local, settings, auth, bearer, sessions, keyring)
