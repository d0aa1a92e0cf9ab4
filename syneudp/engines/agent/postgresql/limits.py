"""What a role is told about its limits when it logs in; what it may set again itself is watched as well."""

from collections.abc import Collection
from typing import Final

from syneudp.engines.agent.postgresql.names import KIBIBYTE, quoted, temp_file_limit
from syneudp.engines.contract import Limits

WORK_MEMORY_MIN: Final = 64
MAINTENANCE_MEMORY_MIN: Final = 1024
MEMORY_MAX: Final = 2**31 - 1
HASH_MEMORY_MULTIPLIER: Final = 2


def role_settings(username: str, limits: Limits, kept: Collection[str]) -> list[str]:
    """Write the statements that a role's settings lack, out of those that it has (`name=value`): none where all agree.

    Each ALTER ROLE costs the server a look at all roles that the agent administers. temp_file_limit alone is out of the
    tenant's own reach. work_mem is half of memory_bytes because a hash may take twice that.
    """
    role = f"ALTER ROLE {quoted(username)}"
    found = dict(setting.split("=", 1) for setting in kept)
    wanted = _wanted(limits)
    return [
        f"{role} RESET {name}" if value is None else f"{role} SET {name} = '{value}'"
        for name, value in wanted.items()
        if found.get(name) != value
    ]


def _wanted(limits: Limits) -> dict[str, str | None]:
    kibibytes = min(limits.memory_bytes // KIBIBYTE, MEMORY_MAX)
    bounded = bool(limits.memory_bytes)
    return {
        "temp_file_limit": temp_file_limit(limits.temp_bytes),
        "statement_timeout": f"{limits.statement_seconds}s",
        "idle_in_transaction_session_timeout": f"{limits.idle_transaction_seconds}s",
        "work_mem": f"{max(kibibytes // HASH_MEMORY_MULTIPLIER, WORK_MEMORY_MIN)}kB" if bounded else None,
        "maintenance_work_mem": f"{max(kibibytes, MAINTENANCE_MEMORY_MIN)}kB" if bounded else None,
    }
