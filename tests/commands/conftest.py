import pytest

from entrypoints.embedded import PostgreSQLServer
from tests.servers import ControlDatabase


@pytest.fixture
def postgresql_superuser(control: ControlDatabase, postgresql_server: PostgreSQLServer) -> str:
    return postgresql_server.superuser_url(control.name)
