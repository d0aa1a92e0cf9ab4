from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from entrypoints.embedded import MySQLFamilyServer
from syneudp.engines.contract import State
from tests.mysql_tenants import REFUSED, MySQLTenant, NewTenant, assert_refused, connected, fetched


@pytest.fixture
async def victim(new_tenant: NewTenant) -> AsyncIterator[MySQLTenant]:
    victim = new_tenant()
    await victim.want(State.RUNNING, may_create=True)
    async with victim.connected() as connection:
        await fetched(connection, "CREATE TABLE secrets (word VARCHAR(20))")
        await fetched(connection, "INSERT INTO secrets VALUES ('theirs')")
    yield victim
    await victim.want(State.TERMINATED)


async def test_another_tenants_database_is_out_of_reach(tenant: MySQLTenant, victim: MySQLTenant) -> None:
    with pytest.raises(REFUSED, match="1044"):
        async with tenant.connected(database=victim.database):
            pass
    async with tenant.connected() as connection:
        for statement in (
            f"USE {victim.database}",
            f"SELECT * FROM {victim.database}.secrets",
            f"INSERT INTO {victim.database}.secrets VALUES ('mine')",
            f"CREATE VIEW seen AS SELECT * FROM {victim.database}.secrets",
            f"RENAME TABLE {victim.database}.secrets TO {tenant.database}.secrets",
            f"DROP DATABASE {victim.database}",
            f"ALTER DATABASE {victim.database} CHARACTER SET latin1",
        ):
            with pytest.raises(REFUSED, match="1044|1142"):
                await fetched(connection, statement)


async def test_other_tenants_names_and_queries_are_not_seen(tenant: MySQLTenant, victim: MySQLTenant) -> None:
    async with victim.connected() as other, tenant.connected() as connection:
        await fetched(other, "SELECT 'private'")
        seen = await fetched(connection, "SHOW DATABASES") + await fetched(connection, "SHOW FULL PROCESSLIST")
        seen += await fetched(connection, "SELECT * FROM information_schema.PROCESSLIST")
        seen += await fetched(connection, "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA")
        seen += await fetched(connection, "SELECT GRANTEE FROM information_schema.USER_PRIVILEGES")
        assert victim.username not in str(seen)
        assert victim.database not in str(seen)


async def test_another_tenants_sessions_account_and_password_are_out_of_reach(
    tenant: MySQLTenant, victim: MySQLTenant
) -> None:
    async with victim.connected() as other, tenant.connected() as connection:
        ((session_id,),) = await fetched(other, "SELECT CONNECTION_ID()")
        for statement in (
            f"KILL {session_id}",
            f"SHOW GRANTS FOR '{victim.username}'@'%'",
            f"ALTER USER '{victim.username}'@'%' IDENTIFIED BY 'mine'",
            f"DROP USER '{victim.username}'@'%'",
            f"SET PASSWORD FOR '{victim.username}'@'%' = 'mine'",
            "SELECT * FROM mysql.user",
            "SELECT * FROM mysql.db",
            "SELECT * FROM syneudpagent.databases",
        ):
            await assert_refused(connection, statement)
        assert await fetched(other, "SELECT 1") == [(1,)]


async def test_own_limits_and_privileges_cannot_be_lifted(tenant: MySQLTenant) -> None:
    async with tenant.connected() as connection:
        for statement in (
            f"GRANT ALL ON {tenant.database}.* TO '{tenant.username}'@'%'",
            f"GRANT EVENT ON {tenant.database}.* TO '{tenant.username}'@'%'",
            f"ALTER USER '{tenant.username}'@'%' WITH MAX_USER_CONNECTIONS 0",
            f"ALTER USER '{tenant.username}'@'%' REQUIRE NONE",
            f"ALTER USER '{tenant.username}'@'%' ACCOUNT UNLOCK",
            "CREATE USER 'second'@'%' IDENTIFIED BY 'x'",
            "CREATE ROLE helped",
            "CREATE DATABASE dbmore",
            "SET GLOBAL max_connections = 10000",
            "SET GLOBAL event_scheduler = ON",
            "FLUSH TABLES WITH READ LOCK",
        ):
            await assert_refused(connection, statement)
    assert await tenant.drift() == []


async def test_files_code_and_networks_of_the_server_are_out_of_reach(tenant: MySQLTenant) -> None:
    async with tenant.connected() as connection:
        await fetched(connection, "CREATE TABLE words (word TEXT)")
        for statement in (
            "SELECT 1 INTO OUTFILE '/tmp/tenant'",
            "LOAD DATA INFILE '/etc/passwd' INTO TABLE words",
            "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE words",
            "CREATE FUNCTION run RETURNS STRING SONAME 'run.so'",
            "INSTALL PLUGIN run SONAME 'run.so'",
            "CREATE TABLE far (n INT) ENGINE = FEDERATED CONNECTION = 'mysql://root@127.0.0.1/mysql/user'",
            "CREATE SERVER far FOREIGN DATA WRAPPER mysql OPTIONS (HOST '127.0.0.1')",
            "CREATE DEFINER = 'root'@'localhost' PROCEDURE asroot() SELECT 1",
            "SHUTDOWN",
        ):
            await assert_refused(connection, statement)
        assert await fetched(connection, "SELECT LOAD_FILE('/etc/passwd')") == [(None,)]


async def test_tables_that_no_meter_sees_cannot_be_made(tenant: MySQLTenant) -> None:
    async with tenant.connected() as connection:
        for engine in ("MyISAM", "MEMORY", "ARCHIVE", "CSV", "Aria"):
            await assert_refused(connection, f"CREATE TABLE hidden (n INT NOT NULL) ENGINE = {engine}")


async def test_the_agents_account_answers_its_own_hosts_only(root: Any, admin_url: str) -> None:
    assert await fetched(root, "SELECT Host FROM mysql.user WHERE User = 'syneudp_agent'") == [("127.0.0.1",)]
    assert await fetched(root, "SELECT User FROM mysql.user WHERE Host = '%' AND Super_priv = 'Y'") == []


async def test_the_agents_account_reaches_its_tenants_and_its_registry_only(
    engine_server: MySQLFamilyServer, driver: object, admin_url: str
) -> None:
    password = urlsplit(admin_url).password or ""
    async with connected(engine_server, user="syneudp_agent", password=password) as connection:
        for statement in (
            "CREATE DATABASE elsewhere",
            "DROP DATABASE mysql",
            "SET GLOBAL general_log = ON",
            "DROP TABLE mysql.db",
        ):
            await assert_refused(connection, statement)
