import secrets
from typing import Any

import pymysql
import pytest

from entrypoints.embedded import MariaDBServer, MySQLFamilyServer
from syneudp.engines.agent.driver import PrepareOrder
from syneudp.engines.agent.errors import EngineLoginRefusedError, EngineUnavailableError, EngineUnpreparedError
from syneudp.engines.agent.mysql import MySQLDriver, prepare
from tests.mysql_tenants import AGENT_HOST, connected, fetched, opened_driver
from tests.servers import running_mysql


def _order(server: MySQLFamilyServer, admin_url: str, *hosts: str) -> PrepareOrder:
    return PrepareOrder(
        superuser_url=server.root_url(), admin_url=admin_url, agent_hosts=hosts or (AGENT_HOST,), require_tls=True
    )


def _agent_url(server: MySQLFamilyServer, name: str) -> str:
    return server.url(user=name, password=secrets.token_urlsafe(24))


async def test_preparing_again_changes_nothing_and_a_new_password_takes_the_old_ones_place(
    engine_server: MySQLFamilyServer, root: Any
) -> None:
    first, second = _agent_url(engine_server, "again"), _agent_url(engine_server, "again")
    for url in (first, first, second):
        await prepare(_order(engine_server, url))
        async with opened_driver(engine_server, url) as driver:
            await driver.ping()
    with pytest.raises(EngineLoginRefusedError, match="refuses the agent's login"):
        async with opened_driver(engine_server, first):
            pass
    await fetched(root, "DROP USER 'again'@'127.0.0.1'")


async def test_accounts_of_the_agent_on_other_hosts_and_open_admins_are_closed(
    engine_server: MySQLFamilyServer, root: Any
) -> None:
    url = _agent_url(engine_server, "moved")
    await prepare(_order(engine_server, url, "10.1.2.%"))
    await fetched(root, "CREATE USER 'boss'@'%' IDENTIFIED BY 'x'")
    await fetched(root, "GRANT ALL ON *.* TO 'boss'@'%' WITH GRANT OPTION")
    await prepare(_order(engine_server, url))
    accounts = await fetched(root, "SELECT User, Host FROM mysql.user WHERE User IN ('boss', 'moved') ORDER BY User")
    assert accounts == [("boss", "127.0.0.1"), ("moved", "127.0.0.1")]
    await fetched(root, "DROP USER 'boss'@'127.0.0.1', 'moved'@'127.0.0.1'")


async def test_the_agent_refuses_an_unprepared_server_and_names_everything_that_lacks(
    engine_server: MySQLFamilyServer, root: Any, admin_url: str
) -> None:
    await fetched(root, "CREATE USER 'bare'@'%' IDENTIFIED BY 'bare'")
    with pytest.raises(EngineUnpreparedError) as refusal:
        async with opened_driver(engine_server, engine_server.url(user="bare", password="bare")):
            pass
    await fetched(root, "DROP USER 'bare'@'%'")
    faults = " / ".join(refusal.value.faults)
    assert "lacks CREATE USER" in faults
    assert "lacks PROCESS" in faults
    assert "cannot hand on SELECT" in faults
    assert "every host" in faults
    assert "syneudpagent is missing" in faults


async def test_the_agent_refuses_to_be_the_superuser(engine_server: MySQLFamilyServer, admin_url: str) -> None:
    with pytest.raises(EngineUnpreparedError, match="superuser|cannot hand on"):
        async with opened_driver(engine_server, engine_server.root_url()):
            pass
    with pytest.raises(ValueError, match="account of its own"):
        await prepare(_order(engine_server, engine_server.root_url()))


@pytest.mark.parametrize("host", ["%", "", "'; DROP USER root", "10.0.0.1' --"])
async def test_a_host_part_that_means_everywhere_or_is_none_is_refused(
    engine_server: MySQLFamilyServer, host: str
) -> None:
    with pytest.raises(ValueError, match="host parts"):
        await prepare(_order(engine_server, _agent_url(engine_server, "nobody"), host))


async def test_a_mariadb_whose_temporary_tablespace_has_no_end_is_refused() -> None:
    endless = {"innodb-temp-data-file-path": "ibtmp1:12M:autoextend"}
    with (
        running_mysql(MariaDBServer, settings=endless) as server,
        pytest.raises(EngineUnpreparedError, match="innodb_temp_data_file_path a max"),
    ):
        await prepare(_order(server, _agent_url(server, "agent")))


async def test_the_agents_login_without_tls_is_refused(engine_server: MySQLFamilyServer, admin_url: str) -> None:
    password = admin_url.split(":", 2)[2].split("@", 1)[0]
    with pytest.raises(pymysql.err.OperationalError, match="1045"):
        async with connected(engine_server, user="syneudp_agent", password=password, tls=False):
            pass


async def test_a_server_out_of_reach_is_an_unavailable_engine(engine_server: MySQLFamilyServer) -> None:
    driver = MySQLDriver(admin_url="mysql://agent:secret@127.0.0.1:1/", endpoint_host="x", endpoint_port=1)
    with pytest.raises(EngineUnavailableError):
        await driver.open()
    with pytest.raises(EngineUnavailableError):
        await driver.ping()
    await driver.close()
