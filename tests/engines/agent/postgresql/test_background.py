import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from syneudp.engines.agent import background, host
from syneudp.engines.agent.app import create_app
from syneudp.engines.agent.background import Background
from syneudp.engines.agent.host import Host
from syneudp.engines.agent.postgresql import PostgreSQLDriver
from syneudp.engines.contract import Engine, State
from tests.engines.agent.postgresql.tenants import NewTenant, Tenant
from tests.engines.agent.redoing import host_of
from tests.engines.agent.stopping import intend, session_that_does_not_end

TOKEN = "a token of more than thirty-two bytes"
PENDING_CALL = 'syneudp_agent_calls_total{call="redo_suspend",engine="postgresql",status="503"}'


@dataclass
class Stand:
    """An agent's application without a socket, and its background work."""

    host: Host
    background: Background

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        answer = (
            await create_app(self.host, tokens=[TOKEN])
            .test_client()
            .open(
                path,
                method=method,
                json=body,
                headers={"X-Agent-Token": TOKEN},
                scope_base={"client": ("127.0.0.1", 1)},
            )
        )
        told = await answer.get_data(as_text=True) if path == "/v1/metrics" else await answer.get_json()
        return answer.status_code, told

    async def change(self, tenant: Tenant, verb: str, state: State, generation: int) -> tuple[int, Any]:
        body = tenant.desired(state, generation).model_dump(mode="json")
        return await self.call("POST", f"/v1/postgresql/databases/{tenant.instance_id}/{verb}", body)

    async def failing(self) -> int:
        _, health = await self.call("GET", "/v1/health")
        _, metrics = await self.call("GET", "/v1/metrics")
        assert f'syneudp_agent_failing{{engine="postgresql"}} {float(health["failing"]["postgresql"])}' in metrics
        return int(health["failing"]["postgresql"])


@pytest.fixture
async def stand(driver: PostgreSQLDriver) -> Stand:
    host = await host_of(driver)
    return Stand(host, Background(host, Engine.POSTGRESQL))


@pytest.fixture
async def other(new_tenant: NewTenant) -> AsyncIterator[Tenant]:
    other = new_tenant()
    await other.want(State.RUNNING, may_create=True)
    yield other
    await other.want(State.TERMINATED, generation=9)


async def test_a_redo_that_cannot_end_is_cut_off_told_and_tried_again_ever_later(
    tenant: Tenant, stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(host.DEADLINES_SECONDS, "redo_suspend", 0.3)
    monkeypatch.setattr(background, "FIRST_PAUSE_SECONDS", 0.5)
    tried = []
    async with session_that_does_not_end(tenant):
        await intend(tenant, State.SUSPENDED, 2)
        for _ in range(3):
            await stand.background.redo()
            tried.append(asyncio.get_running_loop().time())
            assert await stand.failing() == 1
            await stand.background.redo()
            while not stand.background.is_due(tenant.instance_id):
                await asyncio.sleep(0.01)
            tried.append(asyncio.get_running_loop().time())
    pauses = [after - before for before, after in zip(tried[::2], tried[1::2], strict=True)]
    assert pauses[0] < 0.7 < pauses[1] < 1.4 < pauses[2] < 2.2
    assert PENDING_CALL + " 3.0" in (await stand.call("GET", "/v1/metrics"))[1]
    await stand.background.redo()
    assert await stand.failing() == 0
    assert (await tenant.report()).drift == []
    tenant.generation = 2


async def test_a_resume_pre_empts_the_redo_of_a_suspend_and_others_do_not_wait_for_it(
    tenant: Tenant, other: Tenant, stand: Stand
) -> None:
    async with session_that_does_not_end(tenant):
        await intend(tenant, State.SUSPENDED, 2)
        await intend(other, State.SUSPENDED, 2)
        redoing = asyncio.create_task(stand.background.redo())
        async with asyncio.timeout(5):
            while (await other.report()).applied_generation != 2:
                await asyncio.sleep(0.02)
            assert (await stand.change(other, "resume", State.RUNNING, 3))[0] == 200
            assert not redoing.done()
            status, applied = await stand.change(tenant, "resume", State.RUNNING, 3)
            assert (status, applied["state"], applied["applied_generation"]) == (200, "running", 3)
            await redoing
        await (await tenant.connect()).close()
    assert await stand.failing() == 0
    tenant.generation = 3


async def test_a_redo_leaves_an_instance_alone_that_a_call_is_working_on(tenant: Tenant, stand: Stand) -> None:
    async with session_that_does_not_end(tenant):
        calling = asyncio.create_task(stand.change(tenant, "suspend", State.SUSPENDED, 2))
        while (await tenant.report()).accepted_generation != 2:
            await asyncio.sleep(0.02)
        async with asyncio.timeout(5):
            await stand.background.redo()
        assert await stand.failing() == 0
        assert not calling.done()
    assert (await calling)[0] == 200
    tenant.generation = 2


async def test_what_fails_is_forgotten_once_somebody_else_finished_it(
    tenant: Tenant, stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(host.DEADLINES_SECONDS, "redo_suspend", 0.3)
    async with session_that_does_not_end(tenant):
        await intend(tenant, State.SUSPENDED, 2)
        await stand.background.redo()
        assert await stand.failing() == 1
        assert (await stand.change(tenant, "resume", State.RUNNING, 3))[0] == 200
        await stand.background.redo()
        assert await stand.failing() == 0
    tenant.generation = 3
