"""The statements that make a tenant's role and database, as text, and the digest by which a spare tells under which."""

from typing import Final

from syneudp.engines.agent.driver import RegistryRow
from syneudp.engines.agent.postgresql.names import quoted
from syneudp.engines.agent.postgresql.preparation import TEMPLATE_DATABASE
from syneudp.engines.agent.postgresql.statements import TENANT_TEMPLATE
from syneudp.engines.agent.spares import SAMPLE, digest_of

ROLE_SHAPE: Final = "NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD NULL"
DATABASE_SHAPE: Final = f"TEMPLATE {TEMPLATE_DATABASE} STRATEGY wal_log IS_TEMPLATE false ALLOW_CONNECTIONS false"


def create_role(row: RegistryRow) -> str:
    """Make the role, which may not log in and has no password."""
    return f"CREATE ROLE {quoted(row.username)} {ROLE_SHAPE}"


def create_database(row: RegistryRow) -> str:
    """Make the database, closed to everybody."""
    return f"CREATE DATABASE {quoted(row.database)} {DATABASE_SHAPE}"


def database_grants(row: RegistryRow) -> tuple[str, ...]:
    """Hand the database over and let connections in."""
    user, database = quoted(row.username), quoted(row.database)
    return (
        f"REVOKE ALL ON DATABASE {database} FROM PUBLIC",
        f"REVOKE ALL ON DATABASE {database} FROM {user} CASCADE",
        f"GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {database} TO {user}",
        f"ALTER DATABASE {database} ALLOW_CONNECTIONS true",
    )


def schema_grants(row: RegistryRow) -> tuple[str, ...]:
    """Hand schema public over, inside the database."""
    user = quoted(row.username)
    return (
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        f"REVOKE ALL ON SCHEMA public FROM {user} CASCADE",
        f"GRANT ALL ON SCHEMA public TO {user}",
    )


def spare_shape() -> str:
    """Tell the digest of all that makes a spare, the template of its database included."""
    made = (create_role(SAMPLE), create_database(SAMPLE), *database_grants(SAMPLE), *schema_grants(SAMPLE))
    return digest_of(*made, TENANT_TEMPLATE)
