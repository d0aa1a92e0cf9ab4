"""What tenants gave themselves or each other: found and taken back, since the servers let them.

GRANT PROXY ON CURRENT_USER() TO CURRENT_USER() WITH GRANT OPTION needs no privilege on either flavour and leaves the
global GRANT OPTION behind. With it a tenant hands its own database on, and on MariaDB lifts its own limits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from syneudp.engines.agent.driver import RegistryRow
from syneudp.engines.agent.mysql import registry, statements
from syneudp.engines.agent.mysql.connections import Session
from syneudp.engines.agent.mysql.dialects import Dialect, read_query
from syneudp.engines.contract import State

GUESTS: Final = "guests.sql"
TRESPASSERS: Final = (
    "SELECT ID AS id, USER AS username FROM information_schema.PROCESSLIST"
    " WHERE USER REGEXP '^u[a-z2-7]{20}$' AND DB REGEXP '^db[a-z2-7]{20}$' AND DB <> CONCAT('db', SUBSTRING(USER, 2))"
)


@dataclass(frozen=True, slots=True)
class Trespasser:
    """One session inside a database that is not its tenant's."""

    id: int
    username: str


async def users_with_excess(session: Session, dialect: Dialect) -> Sequence[str]:
    """Name the tenants' users whose privileges or limits are not what the agent gave them, in one pass."""
    return sorted({record["username"] for record in await session.rows(dialect.excess_query)})


async def send_guests_away(session: Session, row: RegistryRow) -> bool:
    """Take back what other tenants hold on a database and answer whether any did.

    A guest is given its own database again in the next statement, and its sessions that are inside its own database
    notice nothing.
    """
    parameters = {"database": row.database, "username": row.username}
    guests = [record["username"] for record in await session.rows(read_query(GUESTS), parameters)]
    if not guests:
        return False
    for guest in await registry.read_rows_of(session, guests):
        await session.run(statements.revoke_all(guest))
        if guest.state is State.RUNNING:
            await session.run(statements.grant_all(guest))
    return True


async def end_trespassers(session: Session) -> Sequence[Trespasser]:
    """End every session that is inside a database that is not its tenant's; a session keeps what it had there."""
    found = [
        Trespasser(id=int(record["id"]), username=record["username"]) for record in await session.rows(TRESPASSERS)
    ]
    return [trespasser for trespasser in found if await session.run_unless_gone(statements.kill(trespasser.id))]
