import asyncio
from contextlib import suppress
from typing import Any

import pymysql
import pytest

from syneudp.engines.agent.mysql import MySQLDriver
from syneudp.engines.contract import State
from tests.attack.mysql.conftest import CUT, Pair, refused_with
from tests.mysql_tenants import NewTenant, fetched

WITHIN_SECONDS = 15
LEFT_BEHIND = {
    "read only": ["ALTER DATABASE {own} READ ONLY = 1"],
    "discarded tablespace": ["ALTER TABLE mine DISCARD TABLESPACE"],
    "odd names": [
        "CREATE TABLE `it``s; DROP` (n INT)",
        "CREATE PROCEDURE `it``s; DROP`() SELECT 1",
        "CREATE FUNCTION `it``s; DROP`() RETURNS INT DETERMINISTIC RETURN 1",
    ],
    "full text": ["CREATE TABLE texts (t TEXT, FULLTEXT (t))", "INSERT INTO texts VALUES ('words')"],
    "in another folder": ["CREATE TABLE elsewhere (n INT) DATA DIRECTORY = '/tmp'"],
    "system tablespace": ["CREATE TABLE hidden (n INT) TABLESPACE innodb_system"],
}
HOLDING = [
    "LOCK TABLES mine WRITE",
    "LOCK TABLES mine READ",
    "HANDLER mine OPEN",
    "BACKUP LOCK mine",
    "START TRANSACTION; INSERT INTO mine VALUES (7, 'held')",
    "START TRANSACTION; SELECT * FROM mine FOR UPDATE",
    "SELECT GET_LOCK('a', 1), GET_LOCK('syneudpagent', 1)",
    "CREATE TEMPORARY TABLE passing (n INT)",
    "PREPARE later FROM 'INSERT INTO mine VALUES (8, 1)'",
    "SET SESSION wait_timeout = 31536000, lock_wait_timeout = 31536000",
]


async def hold(pair: Pair, statements: str) -> None:
    for statement in statements.split("; "):
        if statement.startswith("BACKUP") and pair.attacker.server.flavour == "mysql":
            await refused_with(pair, statement)
        else:
            await pair.run(statement)


async def run_if_allowed(pair: Pair, statement: str) -> None:
    with suppress(pymysql.err.OperationalError, pymysql.err.ProgrammingError):
        await pair.run(statement)


@pytest.mark.parametrize("left", LEFT_BEHIND)
async def test_what_a_tenant_leaves_in_its_database_keeps_it_neither_from_a_suspend_nor_from_its_end(
    pair: Pair, root: Any, left: str
) -> None:
    for statement in LEFT_BEHIND[left]:
        await run_if_allowed(pair, statement)
    async with asyncio.timeout(WITHIN_SECONDS):
        for state in (State.SUSPENDED, State.RUNNING, State.TERMINATED):
            await pair.attacker.want(state)
    assert await fetched(root, f"SHOW DATABASES LIKE '{pair.attacker.database}'") == []
    assert await pair.attacker.drift() == []


async def test_a_database_that_its_tenant_made_read_only_is_suspended_resumed_and_ended(pair: Pair, root: Any) -> None:
    made_read_only = "ALTER DATABASE {own} READ ONLY = 1"
    if pair.attacker.server.flavour == "mariadb":
        assert await refused_with(pair, made_read_only) == pymysql.constants.ER.PARSE_ERROR
        return
    await pair.run(made_read_only)
    with pytest.raises(CUT, match="3989"):
        await pair.run("INSERT INTO mine VALUES (1, 'x')")
    for state in (State.SUSPENDED, State.RUNNING):
        await pair.attacker.want(state)
        assert await pair.attacker.drift() == []
    async with pair.attacker.connected() as session:
        assert await fetched(session, "SELECT * FROM mine") == []
        await fetched(session, pair.fill("ALTER DATABASE {own} READ ONLY = 0"))
        await fetched(session, "INSERT INTO mine VALUES (1, 'x')")
        await fetched(session, pair.fill(made_read_only))
    await pair.attacker.want(State.TERMINATED)
    assert await fetched(root, f"SHOW DATABASES LIKE '{pair.attacker.database}'") == []
    assert await pair.attacker.drift() == []


async def test_no_table_is_put_into_another_folder_of_the_server(pair: Pair) -> None:
    for statement in (
        "CREATE TABLE elsewhere (n INT) DATA DIRECTORY = '/tmp'",
        "CREATE TABLE parted (n INT) PARTITION BY HASH (n) (PARTITION one DATA DIRECTORY = '/tmp')",
    ):
        if pair.attacker.server.flavour == "mysql":
            with pytest.raises(CUT, match="1045"):
                await pair.run(statement)
        else:
            await pair.run(statement)
    folder = pair.attacker.server.data_folder / pair.attacker.database
    placed = [path.name for path in folder.glob("*.ibd") if path.name.startswith(("elsewhere", "parted"))]
    assert len(placed) == (0 if pair.attacker.server.flavour == "mysql" else 2)


async def test_the_system_tablespace_that_no_meter_sees_has_an_end(root: Any, pair: Pair) -> None:
    ((path,),) = await fetched(root, "SELECT @@innodb_data_file_path")
    if pair.attacker.server.flavour == "mysql":
        assert path.endswith(":max:64M")
    else:
        await pair.run("CREATE TABLE hidden (n INT) TABLESPACE innodb_system")
        ((space,),) = await fetched(
            root,
            f"SELECT SPACE FROM information_schema.INNODB_SYS_TABLES WHERE NAME = '{pair.attacker.database}/hidden'",
        )
        assert space != 0


async def test_the_temporary_tablespace_that_all_of_mariadb_shares_has_an_end(root: Any, pair: Pair) -> None:
    ((path,),) = await fetched(root, "SELECT @@innodb_temp_data_file_path")
    if pair.attacker.server.flavour == "mariadb":
        assert path.endswith(":max:4G")
        assert await refused_with(pair, "SET GLOBAL innodb_temp_data_file_path = 'ibtmp1:12M:autoextend'") == 1238
    else:
        await pair.run("CREATE TEMPORARY TABLE passing (n INT)")
        ((measured,),) = await fetched(
            root,
            f"SELECT COUNT(*) FROM information_schema.INNODB_SESSION_TEMP_TABLESPACES WHERE ID = {await own_id(pair)}",
        )
        assert measured >= 1


async def own_id(pair: Pair) -> int:
    ((session_id,),) = await pair.run("SELECT CONNECTION_ID()")
    return int(session_id)


@pytest.mark.parametrize("state", [State.SUSPENDED, State.RUNNING, State.TERMINATED], ids=["suspend", "rotate", "end"])
@pytest.mark.parametrize("statements", HOLDING)
async def test_what_a_session_holds_does_not_hold_the_agent(pair: Pair, statements: str, state: State) -> None:
    await hold(pair, statements)
    if state is State.RUNNING:
        pair.attacker.change_password()
    async with asyncio.timeout(WITHIN_SECONDS):
        await pair.attacker.want(state)
    with pytest.raises(CUT):
        await pair.run("SELECT 1")
    assert await pair.attacker.drift() == []


@pytest.mark.parametrize("statements", HOLDING)
async def test_what_a_session_holds_does_not_hold_another_tenants_life_up(
    pair: Pair, new_tenant: NewTenant, statements: str
) -> None:
    await hold(pair, statements)
    other = new_tenant()
    async with asyncio.timeout(WITHIN_SECONDS):
        await other.want(State.RUNNING, may_create=True)
        for state in (State.SUSPENDED, State.RUNNING):
            await pair.victim.want(state)
        await other.want(State.TERMINATED)
    assert await pair.victim.drift() == []


async def test_a_session_that_sleeps_for_an_hour_ends_with_a_suspend(pair: Pair, driver: MySQLDriver) -> None:
    sleeping = asyncio.create_task(pair.run("SELECT SLEEP(3600)"))
    await asyncio.sleep(0.2)
    async with asyncio.timeout(WITHIN_SECONDS):
        await pair.attacker.want(State.SUSPENDED)
    with pytest.raises(CUT):
        await sleeping
    report = await driver.report(pair.attacker.instance_id)
    assert report is not None
    assert (report.sessions, report.drift) == (0, [])


async def test_locks_of_a_name_are_ones_own_to_give_back(pair: Pair) -> None:
    await fetched(pair.victim_session, "SELECT GET_LOCK('theirs', 1)")
    assert await pair.run("SELECT RELEASE_LOCK('theirs')") == [(0,)]
    assert await pair.run("SELECT RELEASE_ALL_LOCKS()") == [(0,)]
    assert await fetched(pair.victim_session, "SELECT RELEASE_LOCK('theirs')") == [(1,)]


async def test_a_user_named_in_a_kill_keeps_its_sessions(pair: Pair) -> None:
    for user in ("{them}", "syneudp_agent", "root"):
        await run_if_allowed(pair, f"KILL USER '{user}'")
    assert await fetched(pair.victim_session, "SELECT 1") == [(1,)]
