import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import pytest

from entrypoints.embedded import MySQLServer
from syneudp.engines.contract import Engine, State
from tests.engines.agent.postgresql.tenants import NewTenant, Tenant, admin_url, driver, new_tenant
from tests.engines.agent.stopping import intend, session_that_does_not_end
from tests.entrypoints.agent_role import AgentRole, running_agent
from tests.entrypoints.test_agent_login_refused import Served, create, served_mysql, served_postgresql

__all__ = ["admin_url", "driver", "new_tenant"]

GIVEN_UP_AFTER_SECONDS = 7.0
RECOVERED_WITHIN_SECONDS = 40.0


@pytest.fixture(scope="module")
async def engines() -> AsyncIterator[dict[Engine, Served]]:
    async with AsyncExitStack() as running:
        postgresql = await running.enter_async_context(served_postgresql())
        mysql = await running.enter_async_context(served_mysql(MySQLServer))
        yield {served.engine: served for served in (postgresql, mysql)}


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def until_created(role: AgentRole, engine: Engine, *, within_seconds: float) -> None:
    async with asyncio.timeout(within_seconds):
        while (await create(role, engine))[0] != 201:
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(("away", "there"), [(Engine.POSTGRESQL, Engine.MYSQL), (Engine.MYSQL, Engine.POSTGRESQL)])
async def test_an_engine_that_hangs_while_the_agent_starts_keeps_no_other_waiting_and_comes_back_by_itself(
    engines: dict[Engine, Served], away: Engine, there: Engine
) -> None:
    variables = {**engines[away].variables(), **engines[there].variables()}
    with stopped(engines[away].server.pid):
        async with running_agent(until="answering", **variables) as role, asyncio.timeout(60):
            await until_created(role, there, within_seconds=4)
            status, problem = await create(role, away)
            assert (status, problem["code"]) == (503, "engine_unavailable")
            status, health = await role.call("GET", "/v1/health")
            assert (status, health["engines"]) == (503, {away.value: False, there.value: True})
            await asyncio.sleep(GIVEN_UP_AFTER_SECONDS)
            os.kill(engines[away].server.pid, signal.SIGCONT)
            await until_created(role, away, within_seconds=RECOVERED_WITHIN_SECONDS)


async def test_an_agent_that_starts_before_a_suspend_that_cannot_end_serves_and_lets_a_resume_pass(
    new_tenant: NewTenant, admin_url: str
) -> None:
    tenant, other = new_tenant(), new_tenant()
    for each in (tenant, other):
        await each.want(State.RUNNING, may_create=True)
    variables = {
        "SYNEUDP_POSTGRESQL_ADMIN_URL": admin_url,
        "SYNEUDP_POSTGRESQL_ENDPOINT": f"{tenant.server.host}:{tenant.server.port}",
    }
    async with session_that_does_not_end(tenant):
        await intend(tenant, State.SUSPENDED, 2)
        async with running_agent(**variables) as role:
            await asyncio.sleep(0.5)
            assert (await changed(role, other, "suspend", State.SUSPENDED, 2))[0] == 200
            status, applied = await changed(role, tenant, "resume", State.RUNNING, 3)
            assert (status, applied["state"], applied["applied_generation"]) == (200, "running", 3)
            await (await tenant.connect()).close()
    for each in (tenant, other):
        await each.want(State.TERMINATED, generation=4)


async def changed(role: AgentRole, tenant: Tenant, verb: str, state: State, generation: int) -> tuple[int, Any]:
    desired = tenant.desired(state, generation).model_dump(mode="json")
    return await role.call("POST", f"/v1/postgresql/databases/{tenant.instance_id}/{verb}", desired)
