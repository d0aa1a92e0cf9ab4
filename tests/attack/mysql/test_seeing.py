from typing import Any

import pymysql
import pytest

from tests.attack.mysql.conftest import Pair
from tests.mysql_tenants import fetched

WORDS = ("kept", "theirlock", "precious", "victimquery")
CATALOGUES = ("information_schema", "performance_schema", "sys")
SHOWN = [
    "SHOW DATABASES",
    "SHOW FULL PROCESSLIST",
    "SHOW PROCEDURE STATUS",
    "SHOW FUNCTION STATUS",
    "SHOW PLUGINS",
    "SHOW STATUS",
    "SHOW VARIABLES",
    "SHOW GLOBAL VARIABLES",
    "SHOW GRANTS",
    "SHOW WARNINGS",
]
STATED = {"tablespaces_extensions", "variables_info"}


async def seen_by(pair: Pair, statement: str) -> str:
    try:
        return str(await pair.run(statement))
    except pymysql.err.MySQLError:
        return ""


async def at_work(pair: Pair) -> None:
    for statement in (
        "SET SESSION sort_buffer_size = 300000",
        "SET @victimquery = 'victimquery'",
        "PREPARE victimquery FROM 'SELECT word FROM kept'",
        "SELECT GET_LOCK('theirlock', 1)",
        "START TRANSACTION",
        "SELECT 'victimquery', word FROM kept FOR UPDATE",
    ):
        await fetched(pair.victim_session, statement)


def of_victim(pair: Pair, seen: str) -> list[str]:
    return [word for word in (*WORDS, pair.victim.username, pair.victim.database) if word in seen]


@pytest.mark.parametrize("catalogue", CATALOGUES)
async def test_no_catalogue_shows_another_tenants_names_objects_queries_or_variables(
    pair: Pair, root: Any, catalogue: str
) -> None:
    await at_work(pair)
    tables = await fetched(root, f"SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{catalogue}'")
    assert len(tables) > 50
    shown = {}
    for (table,) in tables:
        if table.lower() not in STATED and (
            found := of_victim(pair, await seen_by(pair, f"SELECT * FROM {catalogue}.{table}"))
        ):
            shown[table] = found
    assert shown == {}


@pytest.mark.parametrize("catalogue", CATALOGUES)
async def test_no_catalogue_shows_what_another_tenants_program_calls_itself(
    pair: Pair, root: Any, catalogue: str
) -> None:
    tables = await fetched(root, f"SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{catalogue}'")
    async with pair.victim.connected(program="victimsprogram") as named, pair.attacker.connected(program="mine") as own:
        attributes = (
            "SELECT ATTR_VALUE FROM performance_schema.session_connect_attrs WHERE ATTR_VALUE = 'victimsprogram'"
        )
        assert await fetched(root, attributes) == [("victimsprogram",)]
        seen = {
            table: "victimsprogram" in await seen_by(pair, f"SELECT * FROM {catalogue}.{table}") for (table,) in tables
        }
        assert [table for table, shown in seen.items() if shown] == []
        assert "victimsprogram" not in await seen_by(pair, "SHOW FULL PROCESSLIST")
        mine = (
            "SELECT ATTR_VALUE FROM performance_schema.session_account_connect_attrs WHERE ATTR_NAME = 'program_name'"
        )
        assert ("mine",) in await fetched(own, mine)
        assert await fetched(named, "SELECT 1") == [(1,)]


@pytest.mark.parametrize("statement", SHOWN)
async def test_what_the_server_shows_holds_nothing_of_another_tenant(pair: Pair, statement: str) -> None:
    await at_work(pair)
    assert of_victim(pair, await seen_by(pair, statement)) == []


async def test_what_mysql_shows_of_others_all_the_same_is_names_alone(pair: Pair) -> None:
    await at_work(pair)
    spaces = await seen_by(pair, "SELECT * FROM information_schema.TABLESPACES_EXTENSIONS")
    variables = await seen_by(pair, "SELECT * FROM performance_schema.variables_info")
    opened = await seen_by(pair, "SHOW OPEN TABLES")
    mysql = pair.attacker.server.flavour == "mysql"
    assert (f"{pair.victim.database}/kept" in spaces) is mysql
    assert (pair.victim.username in variables) is mysql
    assert mysql or not of_victim(pair, opened)
    for word in ("precious", "victimquery", "theirlock"):
        assert word not in spaces + variables + opened


async def test_an_xa_transactions_name_is_everybodys_who_knows_it(pair: Pair) -> None:
    async with pair.victim.connected() as left:
        for statement in (
            "XA START 'chosen'",
            "INSERT INTO kept VALUES (2, 'prepared')",
            "XA END 'chosen'",
            "XA PREPARE 'chosen'",
        ):
            await fetched(left, statement)
    recovered = await seen_by(pair, "XA RECOVER")
    assert ("chosen" in recovered) is (pair.attacker.server.flavour == "mariadb")
    assert "prepared" not in recovered
    await pair.run("XA ROLLBACK 'chosen'")
    assert await fetched(pair.victim_session, "SELECT word FROM kept") == [("precious",)]
