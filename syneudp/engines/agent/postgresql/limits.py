"""What a role is told about its limits when it logs in; what it may set again itself is watched as well."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from syneudp.engines.agent.driver import Names
from syneudp.engines.agent.postgresql.names import KIBIBYTE, checked, temp_file_limit
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


@dataclass(frozen=True, slots=True)
class RoleSettings:
    """What a role's settings are to be: name by name, None for the server's own, and what may stand in no database."""

    names: list[str]
    values: list[str | None]
    held: list[str]

    def statement(self, names: Names) -> str:
        """Write the statement that brings a role's settings to these."""
        told = ", ".join(_array(texts) for texts in (self.names, self.values, self.held))
        return f"SELECT registry.set_limits('{checked(names.username)}', '{checked(names.database)}', {told})"


def role_settings(limits: Limits) -> RoleSettings:
    """Tell what the settings are to be under these limits; the registry's function alters those alone that differ.

    Each ALTER ROLE costs the server a look at all roles that the agent administers. temp_file_limit alone is out of the
    tenant's own reach. work_mem is half of memory_bytes because a hash may take twice that.
    """
    wanted = _wanted(limits)
    return RoleSettings(names=list(wanted), values=list(wanted.values()), held=sorted(_held(limits)))


def is_rewritten(limits: Limits, found: Settings) -> bool:
    """Tell whether a default that a limit holds is another than the limit's own."""
    wanted, everywhere, held = _wanted(limits), _by_name(found.everywhere), _held(limits)
    return any(everywhere.get(name) != wanted[name] for name in held) or bool(held & _by_name(found.inside).keys())


def _array(texts: Sequence[str | None]) -> str:
    told = ", ".join("NULL" if text is None else f"'{text}'" for text in texts)
    return f"ARRAY[{told}]::text[]"


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
