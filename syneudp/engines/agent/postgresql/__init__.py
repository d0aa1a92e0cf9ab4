"""PostgreSQL 16 to 18: the driver and the preparation."""

from syneudp.engines.agent.postgresql.driver import PostgreSQLDriver
from syneudp.engines.agent.postgresql.prepare import prepare

__all__ = ["PostgreSQLDriver", "prepare"]
