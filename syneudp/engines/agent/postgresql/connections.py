"""How the agent reaches PostgreSQL: a small pool on the registry database, and one connection at a time elsewhere."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from syneudp.engines.agent.driver import REGISTRY_DATABASE
from syneudp.engines.agent.errors import EngineUnavailableError
from syneudp.engines.agent.postgresql.hosts import connect_writable
from syneudp.kernel.logging import log

Connection: TypeAlias = "asyncpg.Connection[Any] | PoolConnectionProxy[Any]"

Result = TypeVar("Result")

POOL_SIZE: Final = 16
CONNECT_TIMEOUT_SECONDS: Final = 5.0
ATTEMPTS_MAX: Final = 10
FIRST_PAUSE_SECONDS: Final = 0.01
CATALOG_LOCK_KEY: Final = 0x53594E45
CONNECT: Final[Any] = connect_writable
INSTANCE_LOCK_SALT: Final = 0x55445000
LOCK_CATALOG: Final = f"SELECT pg_advisory_xact_lock({CATALOG_LOCK_KEY})"
IMPATIENT: Final = "SET LOCAL lock_timeout = '100ms'"
SESSION_SETTINGS: Final = {
    "application_name": "syneudp-agent",
    "search_path": "pg_catalog",
    "lock_timeout": "20s",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "30s",
    "client_min_messages": "error",
    "jit": "off",
}
UNREACHABLE: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.ReadOnlySQLTransactionError,
)
REFUSED: Final = (
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InsufficientPrivilegeError,
)
REPEATED: Final = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.DuplicateObjectError,
    asyncpg.UniqueViolationError,
    asyncpg.InternalServerError,
)


@contextmanager
def unreachable_as_unavailable() -> Iterator[None]:
    """Turn every way in which a server can be out of reach into EngineUnavailableError; the log keeps the cause."""
    try:
        yield
    except UNREACHABLE as fault:
        log.warning("engine_unavailable", engine="postgresql", cause=type(fault).__name__)
        raise EngineUnavailableError from fault


class Connections:
    """The agent's connections to one server, or to the hosts of one multi-host URI."""

    def __init__(self, admin_url: str) -> None:
        self._admin_url = admin_url
        self._pool: asyncpg.Pool[Any] | None = None

    async def open(self) -> None:
        """Open the pool on the registry database. Raises what asyncpg raises."""
        if self._pool is None:
            self._pool = await asyncpg.create_pool(
                self._admin_url,
                connect=CONNECT,
                database=REGISTRY_DATABASE,
                min_size=1,
                max_size=POOL_SIZE,
                timeout=CONNECT_TIMEOUT_SECONDS,
                server_settings=SESSION_SETTINGS,
            )

    async def close(self) -> None:
        """End every connection of the pool, busy ones included."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()

    @asynccontextmanager
    async def registry(self) -> AsyncIterator[Connection]:
        """Lend one pooled connection to the registry database. A login refused is an engine that is not available."""
        if self._pool is None:
            raise EngineUnavailableError
        with unreachable_as_unavailable():
            async with AsyncExitStack() as lent:
                try:
                    acquiring = self._pool.acquire(timeout=CONNECT_TIMEOUT_SECONDS * 4)
                    connection = await lent.enter_async_context(acquiring)
                except REFUSED as fault:
                    log.warning("engine_refuses_login", engine="postgresql", cause=type(fault).__name__)
                    raise EngineUnavailableError from fault
                try:
                    yield connection
                except asyncpg.ReadOnlySQLTransactionError:
                    if self._pool is not None:
                        await self._pool.expire_connections()
                    raise

    @asynccontextmanager
    async def tenant(self, database: str) -> AsyncIterator[Connection]:
        """Connect to one tenant's database for the few statements that only work from inside it."""
        with unreachable_as_unavailable():
            connection = await connect_writable(
                self._admin_url,
                database=database,
                timeout=CONNECT_TIMEOUT_SECONDS,
                server_settings=SESSION_SETTINGS,
                statement_cache_size=0,
            )
            try:
                yield connection
            finally:
                await connection.close(timeout=CONNECT_TIMEOUT_SECONDS)


async def change_catalog(connection: Connection, *statements: str, locked: bool = True) -> None:
    """Run catalog statements, all or none, in one transaction and one trip to the server.

    Serialised per cluster by an advisory lock of the registry database and repeated, because PostgreSQL answers XX000
    "tuple concurrently updated" where two GRANT or ALTER ROLE meet on one catalog row, and autovacuum is one that takes
    no such lock. `locked` is for registry connections only, and not needed where nobody else changes these rows.
    Raises LockNotAvailableError where a tenant's lock keeps it waiting for 100 ms: see `hindrance`.
    """
    serialised = [LOCK_CATALOG] if locked else []
    await repeated(partial(connection.execute, "; ".join([*serialised, IMPATIENT, *statements])))


async def repeated(attempt: Callable[[], Awaitable[Result]]) -> Result:
    """Repeat what met another change of the same catalog row, a moment later each time, and answer its result."""
    for number in range(1, ATTEMPTS_MAX):
        try:
            return await attempt()
        except REPEATED as fault:
            log.info("catalog_change_repeated", attempt=number, cause=type(fault).__name__)
            await asyncio.sleep(FIRST_PAUSE_SECONDS * number)
    return await attempt()
