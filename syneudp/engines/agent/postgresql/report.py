"""Registry and engine compared."""

from typing import Final
from uuid import UUID

import asyncpg

from syneudp.engines.agent.driver import Drift, limits_of
from syneudp.engines.agent.postgresql.limits import Settings, is_rewritten
from syneudp.engines.contract import DatabaseReport, State

TENANT_PRIVILEGES: Final = frozenset({"CONNECT", "CREATE", "TEMPORARY"})


def report_of(found: asyncpg.Record, *, storage_bytes: int, schema_differs: bool) -> DatabaseReport:
    """Lay out one row of report.sql, with its size and what a look into the database found, for the wire."""
    return DatabaseReport(
        instance_id=UUID(int=found["instance_id"].int),
        database=found["database_name"],
        username=found["username"],
        state=State(found["state"]),
        accepted_generation=found["accepted_generation"],
        applied_generation=found["applied_generation"],
        credential_version=found["credential_version"],
        storage_bytes=storage_bytes,
        sessions=found["sessions"],
        drift=[drift.value for drift in drift_of(found, schema_differs=schema_differs)],
    )


def drift_of(found: asyncpg.Record, *, schema_differs: bool) -> list[Drift]:
    """List how the engine differs from what was accepted; nothing while that is not applied yet."""
    if found["accepted_generation"] != found["applied_generation"]:
        return []
    if found["state"] == State.TERMINATED:
        left = {Drift.DATABASE_LEFT: found["has_database_left"], Drift.USER_LEFT: found["has_user"]}
        return [drift for drift, holds in left.items() if holds]
    missing = {Drift.DATABASE_MISSING: not found["has_database"], Drift.USER_MISSING: not found["has_user"]}
    if any(missing.values()):
        return [drift for drift, holds in missing.items() if holds]
    suspended = found["state"] == State.SUSPENDED
    differs = {
        Drift.LOGIN_OPEN: suspended and found["may_log_in"],
        Drift.LOGIN_CLOSED: not suspended and not found["may_log_in"],
        Drift.SESSIONS_LEFT: suspended and found["sessions"] > 0,
        Drift.LIMITS: found["connection_limit"] != found["max_connections"]
        or is_rewritten(limits_of(dict(found)), Settings(found["everywhere"], found["inside"])),
        Drift.PRIVILEGES: schema_differs
        or found["has_powers"]
        or not found["is_ours"]
        or found["open_to_others"]
        or set(found["tenant_privileges"]) != TENANT_PRIVILEGES,
        Drift.VERIFIER: not found["keeps_verifier"],
    }
    return [drift for drift, holds in differs.items() if holds]
