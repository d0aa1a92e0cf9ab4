import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from entrypoints.embedded import free_port
from syneudp.identity import AuthServer, AuthTokens, BearerVerifier
from tests.identity.running import PASSWORD, identity_settings, new_email, new_sealing_keys
from tests.servers import ROOT, ControlDatabase

READY_SECONDS = 20
UNREACHED_DATABASE = "postgresql://nobody:hidden-password@127.0.0.1:9/none"


def environment(**changed: str | None) -> dict[str, str]:
    variables: dict[str, str | None] = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "SYNEUDP_ENVIRONMENT": "local",
        "SYNEUDP_AUTH_BIND": f"127.0.0.1:{free_port()}",
        "SYNEUDP_DATABASE_URL": UNREACHED_DATABASE,
        "SYNEUDP_SEALING_KEYS": new_sealing_keys(),
        **changed,
    }
    return {name: told for name, told in variables.items() if told is not None}


@asynccontextmanager
async def started(variables: dict[str, str]) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "entrypoints", "local-auth", env=variables, cwd=ROOT, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def ended(variables: dict[str, str]) -> tuple[int | None, str]:
    async with started(variables) as process:
        _, told = await asyncio.wait_for(process.communicate(), READY_SECONDS)
        return process.returncode, told.decode()


async def ready(url: str) -> None:
    async with aiohttp.ClientSession() as session, asyncio.timeout(READY_SECONDS):
        while True:
            try:
                async with session.get(f"{url}/health") as response:
                    assert response.status == 200
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("bind", ["0.0.0.0:9999", "[::]:9999", "8.8.8.8:9999", "169.254.169.254:9999", "100.64.0.1:80"])
async def test_it_refuses_every_address_that_is_not_internal(bind: str) -> None:
    status, told = await ended(environment(SYNEUDP_AUTH_BIND=bind))
    assert status == 2
    assert "not an internal address" in told
    assert "Running on" not in told


@pytest.mark.parametrize("named", ["production", None])
async def test_it_refuses_any_environment_but_the_local_one(named: str | None) -> None:
    status, told = await ended(environment(SYNEUDP_ENVIRONMENT=named))
    assert status == 2
    assert "SYNEUDP_ENVIRONMENT is local" in told


async def test_it_tells_every_fault_at_once_and_no_value() -> None:
    variables = environment(SYNEUDP_AUTH_BIND="nowhere", SYNEUDP_DATABASE_URL=None, SYNEUDP_SEALING_KEYS="one:c2hvcnQ=")
    status, told = await ended(variables)
    assert status == 2
    for name in ("SYNEUDP_AUTH_BIND", "SYNEUDP_DATABASE_URL", "SYNEUDP_SEALING_KEYS"):
        assert name in told
    assert "c2hvcnQ" not in told
    assert "nowhere" not in told


async def test_as_a_process_it_signs_in_over_a_restart_and_ends_on_sigterm(control: ControlDatabase) -> None:
    variables = environment(SYNEUDP_DATABASE_URL=control.url)
    url = "http://" + variables["SYNEUDP_AUTH_BIND"]
    settings = identity_settings(url)
    email = new_email()
    async with AuthServer(settings) as auth:
        bearer = BearerVerifier(settings, auth)
        async with started(variables) as process:
            await ready(url)
            tokens = await auth.sign_up(email=email, password=PASSWORD)
            assert isinstance(tokens, AuthTokens)
            await bearer.verify(tokens.access_token)
            process.send_signal(signal.SIGTERM)
            _, told = await asyncio.wait_for(process.communicate(), READY_SECONDS)
            assert process.returncode == 0
        async with started(variables):
            await ready(url)
            again = await auth.sign_in_with_password(email=email, password=PASSWORD)
            assert again.user.id == tokens.user.id
            await auth.user(tokens.access_token)
            await auth.refresh(tokens.refresh_token)
            bearer.keys.flush()
            await bearer.verify(tokens.access_token)
    for secret in (PASSWORD, tokens.access_token, tokens.refresh_token, control.url.split(":")[2].split("@")[0]):
        assert secret not in told.decode()


async def test_a_second_one_on_the_same_port_ends_with_a_fault(control: ControlDatabase) -> None:
    variables = environment(SYNEUDP_DATABASE_URL=control.url)
    async with started(variables):
        await ready("http://" + variables["SYNEUDP_AUTH_BIND"])
        status, _ = await ended(variables)
    assert status not in {0, None}


async def test_with_another_sealing_key_it_says_what_is_missing(control: ControlDatabase) -> None:
    variables = environment(SYNEUDP_DATABASE_URL=control.url)
    async with started(variables):
        await ready("http://" + variables["SYNEUDP_AUTH_BIND"])
    status, told = await ended({**variables, "SYNEUDP_SEALING_KEYS": new_sealing_keys()})
    assert status == 2
    assert "SYNEUDP_SEALING_KEYS" in told
