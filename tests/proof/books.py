"""A control database of its own loop, whose every statement can be the last one of its connection."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from typing import Any, TypeVar

import asyncpg

from syneudp.kernel.database import Connection, database, reading, rows, transact
from tests.servers import ControlDatabase, ControlServer

Result = TypeVar("Result")
EVERY_TABLE = (
    "SELECT c.oid::regclass::text AS name FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace"
    " AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND has_table_privilege(c.oid, 'SELECT')"
)
TOLD = "SELECT '{0}' AS name, md5(coalesce(string_agg(t::text, ',' ORDER BY t::text), '')) AS told FROM {0} t"
DRIVERS_OWN = ("typeinfo_tree", "current_setting('jit')")
GONE = (asyncpg.AdminShutdownError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError, ConnectionError)


class Books:
    """Runs one coroutine after another on a loop of its own, against a control database of its own."""

    def __init__(self, server: ControlServer) -> None:
        self._loop = asyncio.new_event_loop()
        self._opened = AsyncExitStack()
        self.control: ControlDatabase = self.run(self._open(server))

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self._loop.run_until_complete(work)

    def close(self) -> None:
        self.run(self._opened.aclose())
        self._loop.close()

    async def _open(self, server: ControlServer) -> ControlDatabase:
        control = await self._opened.enter_async_context(server.cloned())
        await self._opened.enter_async_context(database(control.url, application_name="syneudp-proof"))
        return control


async def snapshot() -> dict[str, str]:
    """Digest every table that the runtime may read."""
    names = [found["name"] for found in await rows(reading(), EVERY_TABLE)]
    digests = await rows(reading(), " UNION ALL ".join(TOLD.format(name) for name in names))
    return {found["name"]: found["told"] for found in digests}


async def crashed(work: Callable[[Connection], Awaitable[object]], *, after: int) -> bool:
    """Run a unit of work whose connection is cut right before its statement number `after`; False if it had fewer.

    Its COMMIT is the last of them, and every statement that its connection saw was one before which it could be cut.
    """
    doomed = _Doomed(after)

    async def whole(tx: Connection) -> None:
        wrapped = doomed.wrap(tx)
        async with tx.acquire_connection() as raw:
            raw.add_query_logger(doomed.hear)
        await work(wrapped)
        await asyncio.sleep(0)
        async with wrapped.acquire_connection() as raw:
            raw.remove_query_logger(doomed.hear)
            assert doomed.heard == after - doomed.left - 1, "a statement passed the knife by"

    with contextlib.suppress(*GONE):
        await transact(whole)
    return doomed.cut


async def assert_whole_or_nothing(work: Callable[[Connection], Awaitable[object]], *, statements_min: int) -> None:
    """Cut a unit of work before each of its statements and see nothing of it, then see it done once by doing it twice."""
    before = await snapshot()
    for after in count():
        if not await crashed(work, after=after):
            break
        assert await snapshot() == before, f"cut before statement {after}"
    assert after >= statements_min
    done = await snapshot()
    assert done != before
    await transact(work)
    assert await snapshot() == done


class _Doomed:
    def __init__(self, after: int) -> None:
        self.left = after
        self.heard = 0
        self.cut = False

    def hear(self, told: Any) -> None:
        self.heard += not any(own in told.query for own in DRIVERS_OWN)

    def wrap(self, tx: Connection) -> Any:
        return _DoomedTransaction(tx, self)


class _DoomedTransaction:
    def __init__(self, tx: Connection, doom: _Doomed) -> None:
        self._tx = tx
        self._doom = doom

    @asynccontextmanager
    async def acquire_connection(self) -> AsyncIterator[Any]:
        async with self._tx.acquire_connection() as raw:
            if not self._doom.cut and self._doom.left == 0:
                self._doom.cut = True
                await raw.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            self._doom.left -= 1
            yield raw
