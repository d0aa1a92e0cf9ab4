"""The api role as its own process under Hypercorn: it starts, serves, finishes what it began and stops."""

import asyncio
import base64
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

import aiohttp
import pytest

from entrypoints.embedded import free_port
from syneudp import instances
from syneudp.identity import AuthServer, AuthTokens, IdentitySettings
from syneudp.identity.local_auth import LocalAuthSettings, create_local_auth
from syneudp.kernel.database import reading, rows, transact
from tests.servers import ROOT, ControlDatabase
from tests.web.stand import answering, served, stand_variables

SLOW_AGENT_SECONDS = 2.0
STOP_SECONDS_MAX = 20.0


@pytest.fixture
async def variables(control: ControlDatabase) -> AsyncIterator[dict[str, str]]:
    variables = stand_variables(control)
    await transact(lambda tx: instances.seed_plans(tx, currency="EUR"))
    auth = create_local_auth(LocalAuthSettings.model_validate(variables))
    async with served(auth, variables["SYNEUDP_AUTH_BIND"]):
        yield variables


async def start(variables: dict[str, str]) -> asyncio.subprocess.Process:
    kept = {name: told for name, told in os.environ.items() if not name.startswith(("SYNEUDP_", "SUPABASE_"))}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "entrypoints",
        "--role",
        "api",
        cwd=ROOT,
        env={**kept, **variables},
        stderr=asyncio.subprocess.PIPE,
    )


@asynccontextmanager
async def running_role(variables: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await start(variables)
    try:
        await answering(variables["SYNEUDP_BIND"], within_seconds=60)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def sign_up(variables: dict[str, str]) -> dict[str, str]:
    async with AuthServer(IdentitySettings.model_validate(variables)) as auth:
        tokens = await auth.sign_up(email="role@example.com", password="correct horse battery staple")
        assert isinstance(tokens, AuthTokens)
        return {"Authorization": f"Bearer {tokens.access_token}"}


@asynccontextmanager
async def slow_agent(received: asyncio.Event) -> AsyncIterator[str]:
    async def hesitate(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.set()
        await asyncio.sleep(SLOW_AGENT_SECONDS)
        writer.close()

    port = free_port()
    async with await asyncio.start_server(hesitate, "127.0.0.1", port):
        yield f"http://127.0.0.1:{port}"


async def test_the_role_serves_and_stops_when_told(variables: dict[str, str]) -> None:
    async with running_role(variables) as process, aiohttp.ClientSession(variables["SYNEUDP_PUBLIC_URL"]) as client:
        for path in ("/livez", "/readyz"):
            async with client.get(path) as told:
                assert (told.status, await told.json()) == (200, {"status": "ok"})
                assert "Server" not in told.headers
        headers = await sign_up(variables)
        async with client.get("/api/v1/me", headers=headers) as told:
            assert (told.status, (await told.json())["email"]) == (200, "role@example.com")
        async with client.get("/api/v1/nothing") as told:
            assert (told.status, told.content_type) == (404, "application/problem+json")
        async with client.get("/") as told:
            assert (told.status, told.content_type) == (200, "text/html")
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_SECONDS_MAX):
            assert await process.wait() == 0


async def test_a_request_in_flight_is_finished_before_the_role_stops(variables: dict[str, str]) -> None:
    received = asyncio.Event()
    async with slow_agent(received) as agent_url:
        host = {"name": "slow", "engine": "postgresql", "agent_url": agent_url, "capacity": 5}
        declared = {**variables, "SYNEUDP_AGENT_HOSTS": json.dumps([host])}
        async with running_role(declared) as process, aiohttp.ClientSession(variables["SYNEUDP_PUBLIC_URL"]) as client:
            headers = await sign_up(variables)
            keyed = {**headers, "Idempotency-Key": "k"}
            async with client.post("/api/v1/wallet/top-ups", json={"amount_micros": 10**7}, headers=keyed) as told:
                assert told.status == 201
            wanted = {"name": "shop", "engine": "postgresql", "plan": "postgresql-small"}
            creating = asyncio.create_task(client.post("/api/v1/instances", json=wanted, headers=headers))
            await asyncio.wait_for(received.wait(), 20)
            process.send_signal(signal.SIGTERM)
            async with await creating as made:
                text = await made.text()
                assert (made.status, json.loads(text)["status"]) == (202, "provisioning")
                assert agent_url.removeprefix("http://") not in text
            async with asyncio.timeout(STOP_SECONDS_MAX):
                assert await process.wait() == 0
    assert [found["name"] for found in await rows(reading(), "SELECT name FROM hosts")] == ["slow"]


async def test_it_refuses_to_start_without_the_key_that_a_session_is_sealed_with(variables: dict[str, str]) -> None:
    async with running_role(variables), aiohttp.ClientSession(variables["SYNEUDP_PUBLIC_URL"]) as client:
        form = {"email": "kept@example.com", "password": "correct horse battery staple"}
        same_origin = {"Origin": variables["SYNEUDP_PUBLIC_URL"]}
        async with client.post("/sign-up", data=form, headers=same_origin, allow_redirects=False) as told:
            assert told.status == HTTPStatus.SEE_OTHER
    other = f"k9:{base64.b64encode(bytes(32)).decode()}"
    process = await start({**variables, "SYNEUDP_SEALING_KEYS": other})
    _, said = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 2, said.decode()
    assert "SYNEUDP_SEALING_KEYS: lacks key" in said.decode()
    assert "Traceback" not in said.decode()
    both = f"{other},{variables['SYNEUDP_SEALING_KEYS']}"
    async with running_role({**variables, "SYNEUDP_SEALING_KEYS": both}) as process:
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), STOP_SECONDS_MAX) == 0


async def test_bad_settings_are_told_at_once_and_nothing_opens(variables: dict[str, str]) -> None:
    broken = {
        **variables,
        "SYNEUDP_PUBLIC_URL": "nowhere",
        "SYNEUDP_PAYMENTS": "sandbox",
        "SYNEUDP_SEALING_KEYS": "k1:c2hvcnQ=",
        "SYNEUDP_AGENT_TOKEN": "short",
    }
    del broken["SUPABASE_AUTH_URL"]
    process = await start(broken)
    _, told = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 2
    lines = told.decode()
    names = ("SYNEUDP_PUBLIC_URL", "SYNEUDP_SEALING_KEYS", "SYNEUDP_AGENT_TOKEN", "SUPABASE_AUTH_URL")
    assert all(name in lines for name in names)
    assert "c2hvcnQ" not in lines
    assert "Traceback" not in lines


async def test_a_taken_address_is_told_in_a_line(variables: dict[str, str]) -> None:
    host, _, port = variables["SYNEUDP_BIND"].rpartition(":")
    async with await asyncio.start_server(lambda _, writer: writer.close(), host, int(port)):
        process = await start(variables)
        _, told = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 2
    last = json.loads(told.decode().splitlines()[-1])
    assert (last["event"], last["role"]) == ("role_refused", "api")
    assert "in use" in last["reasons"][0]


async def test_the_roles_logs_hold_no_token(variables: dict[str, str]) -> None:
    process = await start(variables)
    await answering(variables["SYNEUDP_BIND"], within_seconds=60)
    headers = await sign_up(variables)
    async with aiohttp.ClientSession(variables["SYNEUDP_PUBLIC_URL"]) as client:
        async with client.get("/api/v1/wallet", headers=headers) as told:
            assert told.status == 200
        async with client.get("/api/v1/wallet", headers={"Authorization": "Bearer canary"}) as told:
            assert told.status == 401
    process.send_signal(signal.SIGTERM)
    _, written = await asyncio.wait_for(process.communicate(), 30)
    token = headers["Authorization"].removeprefix("Bearer ")
    secrets = (token, "canary", variables["SYNEUDP_AGENT_TOKEN"], variables["SYNEUDP_SEALING_KEYS"][3:])
    assert all(secret not in written.decode() for secret in secrets)
    assert all(json.loads(line) for line in written.decode().splitlines())
