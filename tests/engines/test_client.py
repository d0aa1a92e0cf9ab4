import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
from aiohttp import web

from syneudp.engines.client import (
    AgentClient,
    AgentRefusedError,
    AgentUnavailableError,
    AgentVerb,
    GenerationStaleError,
)
from syneudp.engines.contract import Desired, Engine, Limits, Scheme, State

TOKEN = "a-token-for-the-client-tests-0123456789"
INSTANCE = UUID("01937e1c-7000-7000-8000-00000000c11e")
DESIRED = Desired(
    generation=4,
    state=State.RUNNING,
    credential_version=2,
    verifiers={Scheme.SCRAM_SHA_256: "SCRAM-SHA-256$4096:x$y:z"},
    limits=Limits(max_connections=5, temp_bytes=0),
)
APPLIED = {
    "instance_id": str(INSTANCE),
    "database": "dbx",
    "username": "ux",
    "state": "running",
    "endpoint": {"host": "db.example.com", "port": 5432, "tls": True},
    "applied_generation": 4,
    "credential_version": 2,
    "sessions_ended": 0,
}
REPORT = {
    "instance_id": str(INSTANCE),
    "database": "dbx",
    "username": "ux",
    "state": "suspended",
    "accepted_generation": 9,
    "applied_generation": 8,
    "credential_version": 2,
    "storage_bytes": 1,
    "sessions": 0,
    "drift": [],
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def answering(handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


def always(status: int, body: object) -> Handler:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, text=body if isinstance(body, str) else json.dumps(body))

    return answer


async def apply(url: str, verb: AgentVerb = "resume", *, timeout_seconds: float = 5.0) -> object:
    async with AgentClient(TOKEN) as agents:
        return await agents.apply(
            agent_url=url,
            engine=Engine.POSTGRESQL,
            verb=verb,
            instance_id=INSTANCE,
            desired=DESIRED,
            timeout_seconds=timeout_seconds,
        )


@pytest.mark.parametrize(
    ("verb", "method", "path"),
    [
        ("create", "POST", "/v1/postgresql/databases"),
        ("suspend", "POST", f"/v1/postgresql/databases/{INSTANCE}/suspend"),
        ("resume", "POST", f"/v1/postgresql/databases/{INSTANCE}/resume"),
        ("rotate", "POST", f"/v1/postgresql/databases/{INSTANCE}/rotate"),
        ("terminate", "DELETE", f"/v1/postgresql/databases/{INSTANCE}"),
    ],
)
async def test_each_verb_carries_the_whole_desired_state_and_the_token(verb: AgentVerb, method: str, path: str) -> None:
    seen: list[tuple[str, str, str | None, dict[str, object]]] = []

    async def remember(request: web.Request) -> web.Response:
        seen.append((request.method, request.path, request.headers.get("X-Agent-Token"), await request.json()))
        return web.json_response(APPLIED)

    async with answering(remember) as url:
        await apply(url, verb)
    told = DESIRED.model_dump(mode="json")
    expected = {**told, "instance_id": str(INSTANCE)} if verb == "create" else told
    assert seen == [(method, path, TOKEN, expected)]


@pytest.mark.parametrize("status", [500, 502, 503, 401, 403, 429, 302])
async def test_what_says_nothing_about_the_instance_is_unavailability(status: int) -> None:
    async with answering(always(status, {"code": "something"})) as url:
        with pytest.raises(AgentUnavailableError):
            await apply(url)


async def test_an_engine_that_is_down_is_told_apart_from_an_agent_that_is_silent() -> None:
    async with answering(always(503, {"code": "engine_unavailable"})) as url:
        with pytest.raises(AgentUnavailableError) as down:
            await apply(url)
    assert down.value.engine_is_down
    with pytest.raises(AgentUnavailableError) as silent:
        await apply(url)
    assert not silent.value.engine_is_down


@pytest.mark.parametrize("status", [400, 404, 409, 413, 415, 422])
async def test_a_refusal_for_good_carries_its_status_and_code(status: int) -> None:
    async with answering(always(status, {"code": "no_way", "detail": "secret"})) as url:
        with pytest.raises(AgentRefusedError) as refused:
            await apply(url)
    assert (refused.value.status, refused.value.code) == (status, "no_way")


async def test_a_stale_generation_brings_the_agents_report() -> None:
    async with answering(always(409, {"code": "generation_stale", "applied": REPORT})) as url:
        with pytest.raises(GenerationStaleError) as stale:
            await apply(url)
    assert stale.value.applied is not None
    assert stale.value.applied.accepted_generation == 9
    async with answering(always(409, {"code": "generation_stale"})) as url:
        with pytest.raises(GenerationStaleError) as bare:
            await apply(url)
    assert bare.value.applied is None


@pytest.mark.parametrize("body", ["", "not json", "[]", "{}", json.dumps({**APPLIED, "state": "odd"})])
async def test_an_unreadable_answer_is_no_confirmation(body: str) -> None:
    async with answering(always(200, body)) as url:
        with pytest.raises(AgentUnavailableError):
            await apply(url)


async def test_a_call_ends_at_its_timeout_and_is_not_repeated() -> None:
    calls = 0

    async def hang(_request: web.Request) -> web.Response:
        nonlocal calls
        calls += 1
        await asyncio.sleep(3)
        return web.json_response(APPLIED)

    async with answering(hang) as url:
        began = asyncio.get_running_loop().time()
        with pytest.raises(AgentUnavailableError):
            await apply(url, timeout_seconds=0.3)
        assert asyncio.get_running_loop().time() - began < 1.5
    assert calls == 1


async def test_reads_are_repeated() -> None:
    calls = 0

    async def second_time(_request: web.Request) -> web.Response:
        nonlocal calls
        calls += 1
        if calls == 1:
            return web.Response(status=503)
        return web.json_response({"items": [REPORT], "unknown": [], "next_cursor": None})

    async with answering(second_time) as url, AgentClient(TOKEN) as agents:
        page = await agents.reports(agent_url=url, engine=Engine.POSTGRESQL)
    assert calls == 2
    assert page.items[0].applied_generation == 8


async def test_no_error_shows_the_address_or_the_token() -> None:
    for url in ("http://127.0.0.1:9", "http://agent.invalid:8100"):
        with pytest.raises(AgentUnavailableError) as silent:
            await apply(url, timeout_seconds=2)
        told = f"{silent.value!r} {silent.value} {silent.value.__cause__} {silent.value.__suppress_context__}"
        assert "127.0.0.1" not in told
        assert "agent.invalid" not in told
        assert TOKEN not in told
