import asyncio
from typing import Any

import pytest

from syneudp.engines.agent.driver import Cut, Overrun
from syneudp.engines.agent.mysql import MySQLDriver
from syneudp.engines.contract import State
from tests.attack.mysql.conftest import CUT, Pair, refused_with
from tests.mysql_tenants import REFUSED, fetched, is_alive

GRANT_OPTION = "GRANT PROXY ON CURRENT_USER() TO CURRENT_USER() WITH GRANT OPTION"
LIFTED_ON_MARIADB = [
    "GRANT USAGE ON *.* TO '{me}'@'%' WITH MAX_USER_CONNECTIONS 500",
    "GRANT USAGE ON *.* TO '{me}'@'%' WITH MAX_STATEMENT_TIME 1000",
    "GRANT USAGE ON *.* TO '{me}'@'%' REQUIRE NONE",
    "GRANT USAGE ON *.* TO '{me}'@'%' REQUIRE SUBJECT '/CN=nobody'",
]
HANDED_ON = [
    "GRANT SELECT, INSERT ON {own}.* TO '{them}'@'%'",
    "GRANT SELECT, INSERT ON {own}.mine TO '{them}'@'%'",
    "GRANT SELECT (word), INSERT ON {own}.mine TO '{them}'@'%' WITH GRANT OPTION",
]


async def with_grant_option(pair: Pair) -> None:
    await pair.run(GRANT_OPTION)
    await pair.run("SET ROLE NONE")


async def test_a_grant_option_that_a_tenant_gave_itself_is_taken_back_with_all_it_did(
    pair: Pair, driver: MySQLDriver
) -> None:
    await with_grant_option(pair)
    await pair.run("GRANT SELECT ON {own}.* TO '{them}'@'%'")
    assert await pair.attacker.drift() == ["privileges"]
    cuts = await driver.watch()
    for tenant in (pair.attacker, pair.victim):
        assert Cut(tenant.instance_id, Overrun.PRIVILEGES, session_ended=False) in cuts
        assert await tenant.drift() == []
    async with pair.attacker.connected() as again:
        with pytest.raises(REFUSED, match="1044"):
            await fetched(again, pair.fill("GRANT SELECT ON {own}.* TO '{them}'@'%'"))
    assert await is_alive(pair.session)
    assert await is_alive(pair.victim_session)
    assert await fetched(pair.victim_session, "SELECT word FROM kept") == [("precious",)]
    assert await driver.watch() == []


@pytest.mark.parametrize("statement", LIFTED_ON_MARIADB)
async def test_limits_that_a_tenant_lifted_with_it_are_set_again(
    pair: Pair, driver: MySQLDriver, statement: str
) -> None:
    await with_grant_option(pair)
    if pair.attacker.server.flavour == "mysql":
        await refused_with(pair, statement)
    else:
        await pair.run(statement)
    await driver.watch()
    assert await pair.attacker.drift() == []
    await pair.attacker.want(State.RUNNING)
    assert await is_alive(pair.session)


async def test_the_password_that_a_tenant_changed_itself_stays_when_its_limits_are_set_again(
    pair: Pair, driver: MySQLDriver
) -> None:
    own = "SET PASSWORD = " + ("'my own'" if pair.attacker.server.flavour == "mysql" else "PASSWORD('my own')")
    await with_grant_option(pair)
    await pair.run(own)
    await driver.watch()
    async with pair.attacker.connected(password="my own") as connection:
        assert await is_alive(connection)


@pytest.mark.parametrize("statement", HANDED_ON)
async def test_what_a_tenant_handed_on_does_not_outlive_its_suspend(pair: Pair, statement: str) -> None:
    await with_grant_option(pair)
    await pair.run(statement)
    async with pair.victim.connected(database=pair.attacker.database) as guest:
        assert await fetched(guest, "SELECT word FROM mine") == []
        await pair.attacker.want(State.SUSPENDED)
        with pytest.raises(CUT):
            await fetched(guest, "SELECT word FROM mine")
    for try_again in (f"SELECT * FROM {pair.attacker.database}.mine", f"USE {pair.attacker.database}"):
        with pytest.raises(REFUSED, match="1044|1142"):
            await fetched(pair.victim_session, try_again)
    assert await fetched(pair.victim_session, "SELECT word FROM kept") == [("precious",)]
    assert await pair.victim.drift() == []


async def test_a_guest_with_an_open_transaction_does_not_keep_a_database_from_its_end(pair: Pair) -> None:
    await with_grant_option(pair)
    await pair.run("GRANT SELECT, INSERT ON {own}.* TO '{them}'@'%'")
    async with pair.victim.connected(database=pair.attacker.database) as guest:
        await fetched(guest, "START TRANSACTION")
        await fetched(guest, "INSERT INTO mine VALUES (1, 'held')")
        await asyncio.wait_for(pair.attacker.want(State.TERMINATED), 20)
    assert await pair.victim.drift() == []


async def test_a_session_inside_another_tenants_database_is_ended_by_the_next_look(
    pair: Pair, driver: MySQLDriver
) -> None:
    await with_grant_option(pair)
    await pair.run("GRANT SELECT ON {own}.* TO '{them}'@'%'")
    async with pair.victim.connected(database=pair.attacker.database) as guest:
        cuts = await driver.watch()
        assert Cut(pair.victim.instance_id, Overrun.PRIVILEGES, session_ended=True) in cuts
        assert not await is_alive(guest)
    assert await is_alive(pair.victim_session)


async def test_the_agents_account_cannot_be_weakened_with_it_on_mysql(pair: Pair, root: Any) -> None:
    await with_grant_option(pair)
    for statement in (
        "REVOKE GRANT OPTION ON `db%`.* FROM 'syneudp_agent'@'127.0.0.1'",
        "REVOKE GRANT OPTION ON *.* FROM 'root'@'localhost'",
        "GRANT PROXY ON CURRENT_USER() TO 'syneudp_agent'@'127.0.0.1' WITH GRANT OPTION",
    ):
        if pair.attacker.server.flavour == "mysql":
            assert await refused_with(pair, statement) == 1227
    await pair.attacker.want(State.SUSPENDED)
    await pair.attacker.want(State.RUNNING)
    (own,) = await fetched(root, "SELECT Grant_priv FROM mysql.db WHERE User = 'syneudp_agent' AND Db = 'db%'")
    assert own == ("Y",)


async def test_nobody_becomes_somebody_else_by_a_proxy_grant(pair: Pair) -> None:
    await pair.run("GRANT PROXY ON CURRENT_USER() TO '{them}'@'%' WITH GRANT OPTION")
    async with pair.victim.connected() as connection:
        ((user,),) = await fetched(connection, "SELECT CURRENT_USER()")
        assert user == f"{pair.victim.username}@%"
        for statement in ("SELECT * FROM {own}.mine", "INSERT INTO {own}.mine VALUES (3, 'x')", "DROP DATABASE {own}"):
            with pytest.raises(REFUSED, match="1044|1142"):
                await fetched(connection, pair.fill(statement))
