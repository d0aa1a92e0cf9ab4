"""The control database: a pool for the life of a role, transactions that retry, and raw SQL with values out."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

import asyncpg
from tortoise import BaseDBAsyncClient, Tortoise
from tortoise.connection import get_connection
from tortoise.transactions import in_transaction

Connection = BaseDBAsyncClient
Result = TypeVar("Result")

APP_LABEL: Final = "models"
MODEL_MODULES: Final = (
    "syneudp.identity.models",
    "syneudp.catalog.models",
    "syneudp.ledger.models",
    "syneudp.wallet.models",
    "syneudp.instances.models",
    "aerich.models",
)
POOL_SIZE: Final = 16
LOCK_TIMEOUT_MS: Final = 5_000
IDLE_IN_TRANSACTION_TIMEOUT_MS: Final = 15_000
STATEMENT_TIMEOUT_MS: Final = 30_000
PATIENT_SECONDS: Final = 86_400.0
ATTEMPTS_MAX: Final = 6
FIRST_PAUSE_SECONDS: Final = 0.02

RETRIED = (asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError, asyncpg.SerializationError)


class Plans(StrEnum):
    """How the server plans a prepared statement: PostgreSQL's `plan_cache_mode`.

    `ONCE` plans it once a session whatever its parameters are: right where every statement names its rows by key, and
    then planning costs nothing. `AUTO` plans for the parameters the first five times: right where one picks out the
    few old rows of a large table.
    """

    ONCE = "force_generic_plan"
    AUTO = "auto"


def tortoise_config(
    url: str, *, application_name: str, pool_size: int = POOL_SIZE, plans: Plans = Plans.AUTO
) -> dict[str, Any]:
    """Describe the one connection and the one app label that Tortoise and aerich work with."""
    return {
        "connections": {
            "default": {
                "engine": "syneudp.kernel.postgresql",
                "credentials": {
                    "host": None,
                    "port": 5432,
                    "user": None,
                    "password": None,
                    "database": None,
                    "uri": url,
                    "minsize": 1,
                    "maxsize": pool_size,
                    "command_timeout": STATEMENT_TIMEOUT_MS / 1000 * 2,
                    "server_settings": {
                        "application_name": application_name,
                        "lock_timeout": str(LOCK_TIMEOUT_MS),
                        "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_TIMEOUT_MS),
                        "statement_timeout": str(STATEMENT_TIMEOUT_MS),
                        "jit": "off",
                        "plan_cache_mode": plans.value,
                    },
                },
            },
        },
        "apps": {APP_LABEL: {"models": list(MODEL_MODULES), "default_connection": "default"}},
        "use_tz": True,
        "timezone": "UTC",
    }


MIGRATION_CONFIG: Final = tortoise_config(
    os.environ.get("SYNEUDP_MIGRATION_DATABASE_URL", ""), application_name="syneudp-migrate"
)


@asynccontextmanager
async def database(
    url: str, *, application_name: str, pool_size: int = POOL_SIZE, plans: Plans = Plans.AUTO
) -> AsyncIterator[None]:
    """Hold the pool open for the whole life of a role and close it in the end.

    The global fallback is asked for because Tortoise 1.1 keeps its state in a context variable that request tasks do
    not inherit.
    """
    config = tortoise_config(url, application_name=application_name, pool_size=pool_size, plans=plans)
    await Tortoise.init(config=config, _enable_global_fallback=True)
    try:
        yield
    finally:
        await Tortoise.close_connections()


def reading() -> Connection:
    """Hand out the pool for reads outside a transaction; each statement takes a connection of its own."""
    return get_connection("default")


async def transact(work: Callable[[Connection], Awaitable[Result]]) -> Result:
    """Run one unit of work in one READ COMMITTED transaction and commit it, or leave nothing.

    Deadlocks (40P01), lock timeouts (55P03) and serialization failures (40001) are retried with jitter, six attempts in
    all; the last failure is raised. The work must do nothing outside the database, since it may run again.
    """
    for attempt in range(1, ATTEMPTS_MAX):
        try:
            async with in_transaction("default") as tx:
                return await work(tx)
        except RETRIED:
            await asyncio.sleep(FIRST_PAUSE_SECONDS * 2**attempt * (0.5 + random.random()))
    async with in_transaction("default") as tx:
        return await work(tx)


async def snapshot(work: Callable[[Connection], Awaitable[Result]]) -> Result:
    """Run reads that must see one instant together, in one REPEATABLE READ transaction that writes nothing."""
    async with in_transaction("default") as tx:
        await execute(tx, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        return await work(tx)


async def rows(
    connection: Connection, sql: str, *parameters: Any, timeout_seconds: float | None = None
) -> list[dict[str, Any]]:
    """Run a statement and return its rows; raises asyncpg's own exceptions.

    It is waited for no longer than a minute unless `timeout_seconds` says otherwise.
    """
    async with connection.acquire_connection() as raw:
        return [dict(record) for record in await raw.fetch(sql, *parameters, timeout=timeout_seconds)]


async def row(connection: Connection, sql: str, *parameters: Any) -> dict[str, Any] | None:
    """Run a statement and return its first row, or None."""
    async with connection.acquire_connection() as raw:
        record = await raw.fetchrow(sql, *parameters)
    return None if record is None else dict(record)


async def value(connection: Connection, sql: str, *parameters: Any) -> Any:
    """Run a statement and return the first column of its first row, or None."""
    async with connection.acquire_connection() as raw:
        return await raw.fetchval(sql, *parameters)


async def execute(connection: Connection, sql: str, *parameters: Any) -> int:
    """Run a statement and return how many rows it touched."""
    async with connection.acquire_connection() as raw:
        status = await raw.execute(sql, *parameters)
    last = str(status).rsplit(" ", 1)[-1]
    return int(last) if last.isdigit() else 0


@cache
def load_sql(beside: str, name: str) -> str:
    """Read a SQL file that stands beside its caller; `beside` is the caller's __file__."""
    return (Path(beside).parent / name).read_text(encoding="utf-8")
