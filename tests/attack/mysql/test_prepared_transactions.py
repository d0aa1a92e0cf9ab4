"""Prepared XA transactions outlive the session that made them: a suspend ends a tenant's own, and no neighbour's."""

import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pymysql
import pytest

from syneudp.engines.agent.errors import EngineUnavailableError
from syneudp.engines.agent.mysql import MySQLDriver
from syneudp.engines.contract import State
from tests.attack.mysql.conftest import Pair
from tests.mysql_tenants import MySQLTenant, fetched

SUFFIXES = {"words": "", "bytes": ",X'00ff',7", "odd": ",'it''s; 0x'"}


@pytest.fixture(autouse=True)
async def nothing_prepared_left(pair: Pair, root: Any) -> AsyncIterator[None]:
    yield
    for format_id, global_length, branch_length, data in await recovered(root):
        raw = bytes.fromhex(data.removeprefix("0x")) if isinstance(data, str) else data
        parts = raw[:global_length].hex(), raw[global_length : global_length + branch_length].hex()
        with suppress(pymysql.err.MySQLError):
            await fetched(root, f"XA ROLLBACK X'{parts[0]}',X'{parts[1]}',{format_id}")


async def recovered(root: Any) -> list[tuple[Any, ...]]:
    ((version,),) = await fetched(root, "SELECT VERSION()")
    return await fetched(root, "XA RECOVER" if "MariaDB" in version else "XA RECOVER CONVERT XID")


async def prepared(root: Any) -> set[str]:
    """Name what is prepared on the server by the text of its first part."""
    return {
        (bytes.fromhex(data.removeprefix("0x")) if isinstance(data, str) else data)[:length].decode()
        for _format, length, _branch, data in await recovered(root)
    }


def new_name() -> str:
    return f"'xa{secrets.token_hex(4)}'"


async def prepare(session: Any, name: str, *, table: str, row: int = 5) -> None:
    for statement in (f"XA START {name}", f"INSERT INTO {table} (id) VALUES ({row})"):
        await fetched(session, statement)
    for statement in (f"XA END {name}", f"XA PREPARE {name}"):
        await fetched(session, statement)


async def left_by(tenant: MySQLTenant, name: str, *, table: str) -> None:
    async with tenant.connected() as session:
        await prepare(session, name, table=table)


@pytest.mark.parametrize("suffix", SUFFIXES)
async def test_what_a_living_session_prepared_ends_with_a_suspend_and_a_neighbours_does_not(
    pair: Pair, root: Any, suffix: str
) -> None:
    mine, theirs = new_name(), new_name()
    await left_by(pair.victim, theirs, table="kept")
    await prepare(pair.session, mine + SUFFIXES[suffix], table="mine")
    await pair.attacker.want(State.SUSPENDED)
    assert await prepared(root) == {theirs.strip("'")}
    await pair.attacker.want(State.RUNNING)
    async with pair.attacker.connected() as session:
        assert await fetched(session, "SELECT id FROM mine") == []
    await fetched(pair.victim_session, f"XA COMMIT {theirs}")
    assert await fetched(pair.victim_session, "SELECT id FROM kept") == [(1,), (5,)]


async def test_what_was_seen_in_a_session_that_is_gone_ends_with_a_suspend_and_a_neighbours_does_not(
    pair: Pair, root: Any, driver: MySQLDriver
) -> None:
    mine, theirs = new_name(), new_name()
    await left_by(pair.victim, theirs, table="kept")
    async with pair.attacker.connected() as session:
        await prepare(session, mine, table="mine")
        await driver.watch()
    await pair.attacker.want(State.SUSPENDED)
    assert await prepared(root) == {theirs.strip("'")}


async def test_a_neighbours_living_session_keeps_what_it_prepared(pair: Pair, root: Any) -> None:
    mine, theirs = new_name(), new_name()
    await prepare(pair.victim_session, theirs, table="kept")
    await prepare(pair.session, mine, table="mine")
    await pair.attacker.want(State.SUSPENDED)
    assert await prepared(root) == {theirs.strip("'")}
    await fetched(pair.victim_session, f"XA COMMIT {theirs}")
    assert await fetched(pair.victim_session, "SELECT id FROM kept") == [(1,), (5,)]


async def test_on_mysql_locks_tell_whose_all_is_that_lost_its_session_unseen(pair: Pair, root: Any) -> None:
    mine, again, theirs = new_name(), new_name(), new_name()
    await prepare(pair.victim_session, theirs, table="kept")
    async with pair.attacker.connected() as session:
        await prepare(session, mine, table="mine", row=5)
        if pair.attacker.server.flavour == "mysql":
            await prepare(session, again, table="mine", row=6)
    await pair.attacker.want(State.SUSPENDED)
    left = {theirs, mine} if pair.attacker.server.flavour == "mariadb" else {theirs}
    assert await prepared(root) == {name.strip("'") for name in left}


async def test_the_end_of_a_database_rolls_no_neighbours_transaction_back(
    pair: Pair, root: Any, driver: MySQLDriver
) -> None:
    mine, theirs = new_name(), new_name()
    await left_by(pair.victim, theirs, table="kept")
    async with pair.attacker.connected() as session:
        await prepare(session, mine, table="mine")
        await driver.watch()
    await pair.attacker.want(State.TERMINATED)
    assert await fetched(root, f"SHOW DATABASES LIKE '{pair.attacker.database}'") == []
    assert await prepared(root) == {theirs.strip("'")}
    await fetched(pair.victim_session, f"XA COMMIT {theirs}")
    assert await fetched(pair.victim_session, "SELECT id FROM kept") == [(1,), (5,)]


async def test_an_end_waits_for_a_transaction_that_may_be_a_neighbours_where_the_server_tells_locks(
    pair: Pair, root: Any
) -> None:
    mine, theirs = new_name(), new_name()
    await left_by(pair.victim, theirs, table="kept")
    await left_by(pair.attacker, mine, table="mine")
    if pair.attacker.server.flavour == "mysql":
        with pytest.raises(EngineUnavailableError):
            await pair.attacker.want(State.TERMINATED)
        assert await prepared(root) == {name.strip("'") for name in (mine, theirs)}
        await fetched(root, f"XA ROLLBACK {theirs}")
    await pair.attacker.want(State.TERMINATED)
    assert await fetched(root, f"SHOW DATABASES LIKE '{pair.attacker.database}'") == []
    assert mine.strip("'") not in await prepared(root)
