"""MySQL and MariaDB: the driver behind the engine name mysql."""

from syneudp.engines.agent.mysql.driver import MySQLDriver
from syneudp.engines.agent.mysql.preparation import prepare

__all__ = ["MySQLDriver", "prepare"]
