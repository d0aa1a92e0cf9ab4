"""The spares of a MySQL or MariaDB server, held against other agents by a named lock."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from syneudp.engines.agent.driver import Names, RegistryRow, Spare
from syneudp.engines.agent.mysql.claim import MySQLClaim
from syneudp.engines.agent.mysql.connections import Pool, Session
from syneudp.engines.agent.mysql.dialects import Dialect
from syneudp.engines.agent.mysql.observe import observe
from syneudp.engines.agent.mysql.statements import spare_shape
from syneudp.engines.agent.spares import shape_of
from syneudp.engines.contract import Engine
from syneudp.engines.verifiers import generate_password, verifiers_for

SHELF_LOCK_ID: Final = UUID(int=0)
SPARES: Final = (
    "SELECT database_name, username, made, shape FROM syneudpagent.databases WHERE instance_id IS NULL"
    " ORDER BY changed_at, database_name"
)
RESERVE: Final = (
    "INSERT INTO syneudpagent.databases (database_name, username, state, made, accepted_generation, applied_generation,"
    " credential_version, applied_credential_version, verifier, max_connections, temp_bytes, shape)"
    " VALUES (%(database_name)s, %(username)s, 'spare', 0, 0, 0, 0, 0, '', 1, 0, %(shape)s)"
)
MARK_READY: Final = (
    "UPDATE syneudpagent.databases SET made = 1 WHERE database_name = %(database_name)s AND instance_id IS NULL"
)
WITHDRAW: Final = (
    "UPDATE syneudpagent.databases SET made = 0"
    " WHERE database_name = %(database_name)s AND instance_id IS NULL AND made = 1"
)
FORGET: Final = (
    "DELETE FROM syneudpagent.databases WHERE database_name = %(database_name)s AND instance_id IS NULL AND made = 0"
)


@dataclass(frozen=True)
class MySQLShelf:
    """The `Shelf` of both flavours; a spare's account is locked and its password was never kept."""

    session: Session
    dialect: Dialect
    tls: bool
    pool: Pool

    async def spares(self) -> Sequence[Spare]:
        """List every spare, the oldest first."""
        found = await self.session.rows(SPARES)
        current = self._shape
        shapes = [shape_of(Names(row["database_name"], row["username"]), verifier="") for row in found]
        seen = await observe(self.session, self.dialect, shapes)
        return [
            Spare(
                names=Names(shape.database, shape.username),
                ready=bool(row["made"]),
                whole=seen[shape.instance_id].database and seen[shape.instance_id].account is not None,
                current=row["shape"] == current,
            )
            for row, shape in zip(found, shapes, strict=True)
        ]

    async def reserve(self, names: Names) -> None:
        """Write down that a spare of that name is being made."""
        await self.session.run(
            RESERVE, {"database_name": names.database, "username": names.username, "shape": self._shape}
        )

    async def make(self, names: Names) -> None:
        """Make database and user, then let the spare be claimed."""
        verifiers = await asyncio.to_thread(verifiers_for, Engine.MYSQL, generate_password())
        shape = shape_of(names, verifier=verifiers[self.dialect.scheme])
        await self._claim(shape).create(shape)
        await self.session.run(MARK_READY, {"database_name": names.database})

    async def withdraw(self, names: Names) -> bool:
        """Let a ready spare be claimed no more; False where somebody was quicker."""
        return await self.session.run(WITHDRAW, {"database_name": names.database}) == 1

    async def discard(self, names: Names) -> None:
        """Drop a withdrawn or half-made spare and forget it."""
        shape = shape_of(names, verifier="")
        await self._claim(shape).drop(shape)
        await self.session.run(FORGET, {"database_name": names.database})

    @property
    def _shape(self) -> str:
        return spare_shape(self.dialect, tls=self.tls)

    def _claim(self, shape: RegistryRow) -> MySQLClaim:
        return MySQLClaim(
            session=self.session, dialect=self.dialect, instance_id=shape.instance_id, tls=self.tls, pool=self.pool
        )
