import contextlib
import os
import signal
from collections.abc import AsyncIterator

from syneudp.engines.agent.apply import accept
from syneudp.engines.contract import Scheme, State
from tests.engines.agent.postgresql.tenants import Tenant


@contextlib.asynccontextmanager
async def session_that_does_not_end(tenant: Tenant) -> AsyncIterator[None]:
    connection = await tenant.connect()
    pid = connection.get_server_pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
        connection.terminate()


async def intend(tenant: Tenant, state: State, generation: int) -> None:
    """Accept a desired state as an agent that dies before it applies it."""
    async with tenant.driver.claim(tenant.instance_id) as claim:
        row = accept(
            await claim.read(),
            tenant.desired(state, generation),
            instance_id=tenant.instance_id,
            scheme=Scheme.SCRAM_SHA_256,
            now=0,
            keeps_previous=False,
        )
        await claim.write(row)
        tenant.database, tenant.username = row.database, row.username
