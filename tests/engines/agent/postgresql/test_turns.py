import asyncio
from typing import Any

import asyncpg
import pytest

from syneudp.engines.agent.app import create_app
from syneudp.engines.agent.host import Host
from syneudp.engines.agent.postgresql import PostgreSQLDriver
from syneudp.engines.agent.served import ServedEngine
from syneudp.engines.contract import State
from tests.engines.agent.postgresql.tenants import Tenant
from tests.engines.agent.stopping import session_that_does_not_end

TOKEN = "a token of more than thirty-two bytes"


class Agent:
    """The agent's application without a socket."""

    def __init__(self, host: Host) -> None:
        self._client = create_app(host, tokens=[TOKEN]).test_client()

    async def call(self, tenant: Tenant, verb: str, state: State, generation: int) -> tuple[int, Any]:
        answer = await self._client.post(
            f"/v1/postgresql/databases/{tenant.instance_id}/{verb}",
            json=tenant.desired(state, generation).model_dump(mode="json"),
            headers={"X-Agent-Token": TOKEN},
            scope_base={"client": ("127.0.0.1", 1)},
        )
        return answer.status_code, await answer.get_json()


@pytest.fixture
async def agent(driver: PostgreSQLDriver) -> Agent:
    served = ServedEngine(driver)
    await served.open()
    return Agent(Host([served]))


async def accepted(tenant: Tenant, generation: int) -> None:
    while (await tenant.report()).accepted_generation != generation:
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(("verb", "state"), [("resume", State.RUNNING), ("suspend", State.SUSPENDED)])
async def test_what_is_newer_does_not_wait_for_a_suspend_that_cannot_end(
    tenant: Tenant, agent: Agent, verb: str, state: State
) -> None:
    async with session_that_does_not_end(tenant):
        stuck = asyncio.create_task(agent.call(tenant, "suspend", State.SUSPENDED, 2))
        await accepted(tenant, 2)
        newer = asyncio.create_task(agent.call(tenant, verb, state, 3))
        status, problem = await stuck
        assert (status, problem["code"]) == (409, "generation_stale")
        assert problem["applied"]["instance_id"] == str(tenant.instance_id)
        if state is State.RUNNING:
            status, applied = await newer
            assert (status, applied["state"], applied["applied_generation"]) == (200, "running", 3)
            await (await tenant.connect()).close()
    assert (await newer)[0] == 200
    tenant.generation = 3
    assert (await tenant.report()).drift == []


async def test_an_older_suspend_does_not_cut_a_newer_one_off(tenant: Tenant, agent: Agent) -> None:
    async with session_that_does_not_end(tenant):
        newer = asyncio.create_task(agent.call(tenant, "suspend", State.SUSPENDED, 3))
        await accepted(tenant, 3)
        status, problem = await agent.call(tenant, "suspend", State.SUSPENDED, 2)
        assert (status, problem["code"]) == (409, "generation_stale")
        assert not newer.done()
    status, applied = await newer
    assert (status, applied["state"], applied["sessions_ended"]) == (200, "suspended", 1)
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await tenant.connect()
    tenant.generation = 3
