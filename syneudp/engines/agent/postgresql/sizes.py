"""What tenants' databases take on disk."""

from collections.abc import Iterable, Mapping
from typing import Final

from syneudp.engines.agent.postgresql.connections import Connection

MEASURE: Final = (
    "SELECT datname::text, coalesce(pg_database_size(oid), 0) AS bytes FROM pg_database WHERE datname = ANY($1::name[])"
)


class Sizes:
    """Bytes a database, as they were last measured: a size costs the server a look at each of some 300 files."""

    def __init__(self) -> None:
        self._measured: Mapping[str, int] = {}

    def remember(self, measured: Mapping[str, int]) -> None:
        """Replace what was measured before by a pass over all databases."""
        self._measured = dict(measured)

    async def known_of(self, connection: Connection, databases: Iterable[str]) -> dict[str, int]:
        """Tell these databases' sizes, measured now only where they never were; one that is gone takes nothing."""
        asked = list(databases)
        new = await self.of(connection, [name for name in asked if name not in self._measured])
        self._measured = {**self._measured, **new}
        return {name: self._measured.get(name, 0) for name in asked}

    async def of(self, connection: Connection, databases: Iterable[str]) -> dict[str, int]:
        """Measure these databases now; one that is gone takes nothing."""
        asked = list(databases)
        found = await connection.fetch(MEASURE, asked) if asked else []
        return dict.fromkeys(asked, 0) | {row["datname"]: row["bytes"] for row in found}
