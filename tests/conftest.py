from collections.abc import AsyncIterator, Iterator

import pytest

from entrypoints.embedded import MariaDBServer, MySQLFamilyServer, MySQLServer, PostgreSQLServer
from syneudp.commands.migrate import migrate
from tests.servers import (
    TEMPLATE,
    ControlDatabase,
    ControlServer,
    opened_control,
    running_mysql,
    running_postgresql,
)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgreSQLServer]:
    with running_postgresql(in_memory=True) as server:
        yield server


@pytest.fixture(scope="session")
def mysql_server() -> Iterator[MySQLFamilyServer]:
    with running_mysql(MySQLServer) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MySQLFamilyServer]:
    with running_mysql(MariaDBServer) as server:
        yield server


@pytest.fixture(scope="session")
async def control_server(postgresql_server: PostgreSQLServer) -> ControlServer:
    control_server = ControlServer(postgresql_server)
    await control_server.make_roles()
    template = await control_server.create_empty(TEMPLATE)
    await migrate(template.owner_url)
    return control_server


@pytest.fixture
async def control(control_server: ControlServer) -> AsyncIterator[ControlDatabase]:
    async with opened_control(control_server) as control:
        yield control
