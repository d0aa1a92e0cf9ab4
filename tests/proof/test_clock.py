import asyncio

from syneudp.kernel import clock
from syneudp.kernel.database import Connection, execute, reading, transact
from tests.servers import ControlDatabase

WAITED_SECONDS = 2.2
LOCK = 4711


async def test_an_instant_read_after_a_lock_counts_the_wait_for_it(control: ControlDatabase) -> None:
    held = asyncio.Event()

    async def hold(tx: Connection) -> None:
        await execute(tx, "SELECT pg_advisory_xact_lock($1)", LOCK)
        held.set()
        await asyncio.sleep(WAITED_SECONDS)

    async def wait(tx: Connection) -> int:
        await execute(tx, "SELECT pg_advisory_xact_lock($1)", LOCK)
        return await clock.now(tx)

    holding = asyncio.create_task(transact(hold))
    await held.wait()
    began = await clock.now(reading())
    assert await transact(wait) >= began + int(WAITED_SECONDS)
    await holding
