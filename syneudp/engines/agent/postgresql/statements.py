"""The statements that stand in files beside this one."""

from pathlib import Path
from typing import Final


def _read(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


REGISTRY_SCHEMA: Final = _read("registry_schema.sql")
READ_ROW: Final = _read("read_row.sql")
WRITE_ROW: Final = _read("write_row.sql")
TAKE_SPARE: Final = _read("take_spare.sql")
USUAL_LIMITS: Final = _read("usual_limits.sql")
SPARES: Final = _read("spares.sql")
END_SESSIONS: Final = _read("end_sessions.sql")
REPORT: Final = _read("report.sql")
FIND_SETTINGS: Final = _read("find_settings.sql")
SETTINGS_IN_USE: Final = _read("settings_in_use.sql")
SCHEMA_PRIVILEGES: Final = _read("schema_privileges.sql")
NEXT_DATABASES: Final = _read("next_databases.sql")
FOREIGN_GRANTEES: Final = _read("foreign_grantees.sql")
WATCH: Final = _read("watch.sql")
USAGE: Final = _read("usage.sql")
UNKNOWN_DATABASES: Final = _read("unknown_databases.sql")
TENANT_TEMPLATE: Final = _read("tenant_template.sql")
PREPARATION: Final = _read("preparation.sql")
END_HINDERERS: Final = _read("end_hinderers.sql")
DEPENDENT_DATABASES: Final = _read("dependent_databases.sql")
ROTATIONS_SCHEMA: Final = _read("rotations_schema.sql")
WRITE_ROTATION: Final = _read("write_rotation.sql")
END_TRESPASSERS: Final = _read("end_trespassers.sql")
VERIFIERS_SCHEMA: Final = _read("verifiers_schema.sql")
STALLED: Final = _read("stalled.sql")
