import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from syneudp.engines.contract import State
from tests.attack.postgresql.conftest import CUT, Pair
from tests.engines.agent.postgresql.tenants import Connection

PARALLEL = """
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET parallel_leader_participation = off;
CREATE TABLE large AS SELECT n FROM generate_series(1, 5000) AS n
"""
BACKENDS = """
SELECT backend_type FROM pg_stat_activity
WHERE (datname = $1 OR usename = $2) AND backend_type <> 'autovacuum worker'
"""
BACKGROUND = "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'logical replication%' AND datname = $1"


@pytest.fixture
async def superuser(pair: Pair) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(pair.attacker.server.superuser_url())
    yield connection
    await connection.close()


async def backends(superuser: Connection, pair: Pair) -> list[str]:
    found = await superuser.fetch(BACKENDS, pair.attacker.database, pair.attacker.username)
    return [row["backend_type"] for row in found]


async def test_parallel_workers_end_with_the_suspend(pair: Pair, superuser: Connection) -> None:
    await pair.session.execute(PARALLEL)
    running = asyncio.create_task(pair.session.execute("SELECT count(pg_sleep(60 + n)) FROM large"))
    async with asyncio.timeout(20):
        while "parallel worker" not in await backends(superuser, pair):
            await asyncio.sleep(0.02)
    await pair.attacker.want(State.SUSPENDED)
    assert await backends(superuser, pair) == []
    with pytest.raises(CUT):
        await running
    await pair.attacker.want(State.RUNNING)
    assert await backends(superuser, pair) == []


async def test_a_transaction_cannot_be_prepared_to_outlive_a_suspend(pair: Pair, superuser: Connection) -> None:
    await pair.session.execute("BEGIN; CREATE TABLE unfinished (n integer)")
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError):
        await pair.session.execute("PREPARE TRANSACTION 'outlives'")
    preparing = await pair.attacker.connect()
    await preparing.execute("BEGIN; CREATE TABLE unfinished (n integer)")
    await pair.attacker.want(State.SUSPENDED)
    with pytest.raises(CUT):
        await preparing.execute("PREPARE TRANSACTION 'outlives'")
    assert await superuser.fetch("SELECT gid FROM pg_prepared_xacts") == []
    await pair.attacker.want(State.RUNNING)
    session = await pair.attacker.connect()
    assert await session.fetchval("SELECT to_regclass('unfinished')") is None
    await session.close()


async def test_neither_a_listener_nor_a_notice_outlives_a_suspend(pair: Pair, superuser: Connection) -> None:
    heard: list[object] = []
    await pair.session.add_listener("news", lambda *notice: heard.append(notice))
    telling = await pair.attacker.connect()
    await telling.execute("BEGIN; NOTIFY news, 'late'")
    await pair.attacker.want(State.SUSPENDED)
    for session in (pair.session, telling):
        with pytest.raises(CUT):
            await session.execute("COMMIT")
    assert await backends(superuser, pair) == []
    await pair.attacker.want(State.RUNNING)
    session = await pair.attacker.connect()
    assert await session.fetch("SELECT pg_listening_channels()") == []
    await session.execute("NOTIFY news, 'after'")
    await session.close()
    assert heard == []


async def test_no_subscription_works_on_behind_a_suspend(pair: Pair, superuser: Connection) -> None:
    options = "WITH (connect = false, slot_name = NONE, enabled = false)"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pair.session.execute(f"CREATE SUBSCRIPTION mine CONNECTION 'host=127.0.0.1' PUBLICATION p {options}")
    await pair.attacker.want(State.SUSPENDED)
    assert await superuser.fetchval("SELECT count(*) FROM pg_subscription") == 0
    assert await superuser.fetchval(BACKGROUND, pair.attacker.database) == 0
