"""What `prepare` leaves behind on a PostgreSQL server, and how the agent finds out at start."""

from typing import Final

import asyncpg

from syneudp.engines.agent.errors import EngineUnsupportedError
from syneudp.engines.agent.postgresql.connections import Connection
from syneudp.engines.agent.postgresql.statements import PREPARATION

VERSION_NUMBER_MIN: Final = 160000
VERSION_NUMBER_UNTIL: Final = 190000
TEMPLATE_DATABASE: Final = "syneudptemplate1"
AGENT_ROLES: Final = ("pg_signal_backend", "pg_read_all_stats", "pg_use_reserved_connections")


async def read_preparation(connection: Connection) -> asyncpg.Record:
    """Read, as the agent's role inside the registry database, everything that `faults_of` judges."""
    found: asyncpg.Record | None = await connection.fetchrow(PREPARATION, TEMPLATE_DATABASE)
    if found is None:
        raise EngineUnsupportedError("the server has no template0")
    return found


def require_supported(version_number: int) -> None:
    """Raise EngineUnsupportedError outside PostgreSQL 16 to 18; the number is server_version_num."""
    if not VERSION_NUMBER_MIN <= version_number < VERSION_NUMBER_UNTIL:
        raise EngineUnsupportedError("the agent supports PostgreSQL 16, 17 and 18")


def faults_of(found: asyncpg.Record) -> list[str]:
    """List every effect of `prepare` that is missing, each as a sentence without a full stop."""
    checks = {
        "the agent's role has superuser, replication or bypass-RLS rights": found["has_too_much"],
        "the agent's role may not create databases": not found["may_create_databases"],
        "the agent's role may not create roles": not found["may_create_roles"],
        "the agent's role lacks pg_signal_backend": not found["may_signal"],
        "the agent's role lacks pg_read_all_stats": not found["may_read_stats"],
        "the agent's role may not set temp_file_limit": not found["may_limit_temp_files"],
        "the agent's role does not own the registry database": not found["owns_registry"],
        "the database that tenants' are copied from is missing": not found["has_template"],
        "the agent's role may not compare its tenants' verifiers": not found["may_compare_verifiers"],
        "template0 is not encoded in UTF8": not found["is_utf8"],
        "max_prepared_transactions is not 0": found["max_prepared_transactions"] != 0,
    }
    faults = [sentence for sentence, holds in checks.items() if holds]
    return faults + [f"database {name} is open to PUBLIC" for name in found["open_databases"]]
