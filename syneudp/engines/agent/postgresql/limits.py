"""What a role is told about its limits when it logs in; what it may set again itself is watched as well."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from syneudp.engines.agent.driver import Names
from syneudp.engines.agent.postgresql.names import KIBIBYTE, quoted, temp_file_limit
from syneudp.engines.contract import Limits

WORK_MEMORY_MIN: Final = 64
MAINTENANCE_MEMORY_MIN: Final = 1024
MEMORY_MAX: Final = 2**31 - 1
HASH_MEMORY_MULTIPLIER: Final = 2
MEMORY_SETTINGS: Final = ("work_mem", "maintenance_work_mem", "hash_mem_multiplier", "temp_buffers")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a role has set for itself, as `name=value`: everywhere, and in its own database, where that goes first."""

    everywhere: Collection[str]
    inside: Collection[str]


def role_settings(names: Names, limits: Limits, found: Settings) -> list[str]:
    """Write the statements that bring a role's settings to its limits: none where all agree.

    Each ALTER ROLE costs the server a look at all roles that the agent administers. temp_file_limit alone is out of the
    tenant's own reach. work_mem is half of memory_bytes because a hash may take twice that.
    """
    role = f"ALTER ROLE {quoted(names.username)}"
    everywhere = _by_name(found.everywhere)
    return [
        f"{role} RESET {name}" if value is None else f"{role} SET {name} = '{value}'"
        for name, value in _wanted(limits).items()
        if everywhere.get(name) != value
    ] + [
        f"{role} IN DATABASE {quoted(names.database)} RESET {name}"
        for name in sorted(_held(limits) & _by_name(found.inside).keys())
    ]


def is_rewritten(limits: Limits, found: Settings) -> bool:
    """Tell whether a default that a limit holds is another than the limit's own."""
    wanted, everywhere, held = _wanted(limits), _by_name(found.everywhere), _held(limits)
    return any(everywhere.get(name) != wanted[name] for name in held) or bool(held & _by_name(found.inside).keys())


def _by_name(settings: Collection[str]) -> dict[str, str]:
    return dict(setting.split("=", 1) for setting in settings)


def _held(limits: Limits) -> set[str]:
    limited = {
        "temp_file_limit": True,
        "statement_timeout": bool(limits.statement_seconds),
        "idle_in_transaction_session_timeout": bool(limits.idle_transaction_seconds),
        **dict.fromkeys(MEMORY_SETTINGS, bool(limits.memory_bytes)),
    }
    return {name for name, holds in limited.items() if holds}


def _wanted(limits: Limits) -> dict[str, str | None]:
    kibibytes = min(limits.memory_bytes // KIBIBYTE, MEMORY_MAX)
    bounded = bool(limits.memory_bytes)
    return {
        "temp_file_limit": temp_file_limit(limits.temp_bytes),
        "statement_timeout": f"{limits.statement_seconds}s",
        "idle_in_transaction_session_timeout": f"{limits.idle_transaction_seconds}s",
        "work_mem": f"{max(kibibytes // HASH_MEMORY_MULTIPLIER, WORK_MEMORY_MIN)}kB" if bounded else None,
        "maintenance_work_mem": f"{max(kibibytes, MAINTENANCE_MEMORY_MIN)}kB" if bounded else None,
        "hash_mem_multiplier": None,
        "temp_buffers": None,
    }
