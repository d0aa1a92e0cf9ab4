import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from syneudp.kernel.database import (
    IDLE_IN_TRANSACTION_TIMEOUT_MS,
    LOCK_TIMEOUT_MS,
    STATEMENT_TIMEOUT_MS,
    Connection,
    database,
    execute,
    reading,
    row,
    rows,
    transact,
    value,
)
from tests.servers import ROOT, ControlDatabase, ControlServer

STATE = (
    "SELECT pg_backend_pid() AS pid, current_setting('lock_timeout') AS lock_timeout,"
    " current_setting('statement_timeout') AS statement_timeout,"
    " current_setting('idle_in_transaction_session_timeout') AS idle_timeout,"
    " current_setting('application_name') AS application_name,"
    " (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype IN ('advisory', 'tuple')) AS locks,"
    " pg_my_temp_schema()::int AS temporary, (SELECT count(*) FROM pg_listening_channels()) AS listening,"
    " (SELECT count(*) FROM pg_cursors WHERE name <> '') AS cursors, pg_current_xact_id_if_assigned() IS NULL AS by_itself"
)
INSERT = "INSERT INTO idempotency_keys (owner_id, scope, key, digest) VALUES ($1, 'test', 'a', $2)"
LEAVES_STATE = (
    r"pg_(?:try_)?advisory_lock(?:_shared)?\b|set_config\([^)]*,\s*false\s*\)|\bLISTEN\s+\w|\bCREATE\s+TEMP|\bDISCARD\b"
    r"|\bWITH\s+HOLD\b|\bSET\s+(?:SESSION|ROLE)\b|\b(?:SET|RESET)\s+(?:%s)\b"
)
OTHER_SESSIONS = ("syneudp/engines/agent", "syneudp/commands/migrate.py")


@pytest.fixture
async def one_session(control_server: ControlServer) -> AsyncIterator[None]:
    async with control_server.cloned() as control:
        async with database(control.url, application_name="syneudp-tests", pool_size=1):
            yield
        await asyncio.sleep(0)


async def look() -> dict[str, object]:
    found = await row(reading(), STATE)
    assert found is not None
    return found


def as_new(state: dict[str, object]) -> dict[str, object]:
    return {
        "pid": state["pid"],
        "lock_timeout": f"{LOCK_TIMEOUT_MS // 1000}s",
        "statement_timeout": f"{STATEMENT_TIMEOUT_MS // 1000}s",
        "idle_timeout": f"{IDLE_IN_TRANSACTION_TIMEOUT_MS // 1000}s",
        "application_name": "syneudp-tests",
        "locks": 0,
        "temporary": 0,
        "listening": 0,
        "cursors": 0,
        "by_itself": True,
    }


async def changed(tx: Connection) -> None:
    """Do all that a unit of work of ours may do to its session."""
    await execute(tx, "SET LOCAL lock_timeout = '1ms'")
    await execute(tx, "SET LOCAL statement_timeout = 0")
    await execute(tx, "SELECT set_config('application_name', 'changed', true)")
    await execute(tx, "SELECT pg_advisory_xact_lock(1, 2)")


async def test_a_session_comes_back_clean_from_a_unit_of_work(one_session: None) -> None:
    before = await look()
    assert before == as_new(before)
    await transact(changed)
    assert await look() == before


async def test_a_session_comes_back_clean_from_a_failure(one_session: None) -> None:
    before = await look()

    async def work(tx: Connection) -> None:
        await changed(tx)
        await execute(tx, "SELECT 1 / 0")

    with pytest.raises(asyncpg.DivisionByZeroError):
        await transact(work)
    assert await look() == before


@pytest.mark.parametrize("statement", ["SELECT pg_sleep(30)", None])
async def test_a_session_comes_back_clean_from_a_cancelled_unit_of_work(
    one_session: None, statement: str | None
) -> None:
    before = await look()
    owner = uuid4()
    begun = asyncio.Event()

    async def work(tx: Connection) -> None:
        await changed(tx)
        await execute(tx, INSERT, owner, b"0" * 32)
        begun.set()
        await (asyncio.sleep(30) if statement is None else execute(tx, statement))

    working = asyncio.create_task(transact(work))
    await begun.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert await look() == before
    assert await value(reading(), "SELECT count(*) FROM idempotency_keys WHERE owner_id = $1", owner) == 0


async def test_a_transaction_left_open_is_rolled_back_before_the_session_is_used_again(one_session: None) -> None:
    before = await look()
    owner = uuid4()
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context["message"]))
    async with reading().acquire_connection() as raw:
        await raw.execute("BEGIN")
        await raw.execute("SET LOCAL lock_timeout = '1ms'")
        await raw.execute(INSERT, owner, b"0" * 32)
    assert await look() == before
    assert await value(reading(), "SELECT count(*) FROM idempotency_keys WHERE owner_id = $1", owner) == 0
    assert len(told) == 1


def control_plane() -> list[Path]:
    found = [path for suffix in ("py", "sql") for path in (ROOT / "syneudp").rglob(f"*.{suffix}")]
    return sorted(path for path in found if not path.relative_to(ROOT).as_posix().startswith(OTHER_SESSIONS))


async def leaving_state() -> re.Pattern[str]:
    settings = await rows(reading(), "SELECT name FROM pg_settings")
    return re.compile(LEAVES_STATE % "|".join(re.escape(found["name"]) for found in settings))


async def test_no_statement_of_the_control_plane_leaves_anything_in_its_session(control: ControlDatabase) -> None:
    assert len(control_plane()) > 100
    pattern = await leaving_state()
    found = {path.name: pattern.findall(path.read_text("utf-8")) for path in control_plane()}
    assert {name: leaving for name, leaving in found.items() if leaving} == {}


async def test_a_statement_that_would_is_found(control: ControlDatabase) -> None:
    pattern = await leaving_state()
    for statement in (
        "SET lock_timeout = 1",
        "SET search_path TO elsewhere",
        "RESET statement_timeout",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        "SET ROLE somebody",
        "SELECT set_config('lock_timeout', '1', false)",
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_try_advisory_lock_shared(1)",
        "LISTEN told",
        "CREATE TEMP TABLE held (a int)",
    ):
        assert pattern.search(statement), statement
    assert not pattern.search("SET LOCAL lock_timeout = 1; SELECT set_config('lock_timeout', '1', true)")
