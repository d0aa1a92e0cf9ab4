"""Engines without root: PostgreSQL, MySQL and MariaDB that belong to whoever started them."""

from entrypoints.embedded.errors import EmbeddedEngineError
from entrypoints.embedded.mariadb import MariaDBServer
from entrypoints.embedded.mysql import MySQLServer
from entrypoints.embedded.mysql_family import MySQLFamilyServer
from entrypoints.embedded.postgresql import PostgreSQLServer
from entrypoints.embedded.processes import Progress, free_port

__all__ = [
    "EmbeddedEngineError",
    "MariaDBServer",
    "MySQLFamilyServer",
    "MySQLServer",
    "PostgreSQLServer",
    "Progress",
    "free_port",
]
