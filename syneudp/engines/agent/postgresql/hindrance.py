"""Getting the agent's own work done although a tenant holds locks in its way."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeVar

import asyncpg

from syneudp.engines.agent.postgresql.connections import Connection, Connections, change_catalog
from syneudp.engines.agent.postgresql.names import quoted
from syneudp.engines.agent.postgresql.statements import DEPENDENT_DATABASES, END_HINDERERS
from syneudp.kernel.logging import log

Result = TypeVar("Result")

ATTEMPTS_MAX: Final = 100
ROUNDS_MAX: Final = 5


async def unhindered(
    attempt: Callable[[], Awaitable[Result]], *, connection: Connection, username: str, database: str
) -> Result:
    """Repeat an attempt until no tenant's lock stops it, ending the sessions that hold such locks.

    A tenant may write the rows of its own role and settings (`ALTER ROLE ... PASSWORD`, `GRANT ... ON DATABASE`), and
    anybody may name another's role or database in a statement; in an open transaction each is a lock for as long as
    the tenant likes. The attempt gives up within the lock timeout of `change_catalog`, so nobody waits behind it.
    Sessions without a part in it stay. Raises LockNotAvailableError after ATTEMPTS_MAX.
    """
    for _ in range(ATTEMPTS_MAX):
        try:
            return await attempt()
        except asyncpg.LockNotAvailableError:
            ended = await connection.fetch(END_HINDERERS, username, database)
            log.warning("agent_hindered", username=username, ended=sorted({row["username"] for row in ended}))
    return await attempt()


async def drop_role(
    drop: Callable[[], Awaitable[None]], *, connection: Connection, connections: Connections, username: str
) -> None:
    """Drop a role, and before that what other tenants hung on it in their own databases.

    A grant or a policy that names the role depends on it, and PostgreSQL then refuses to drop it. Only inside the
    database where it stands can it be taken back, and only by whoever granted it.
    Raises DependentObjectsStillExistError after ROUNDS_MAX.
    """
    for _ in range(ROUNDS_MAX):
        try:
            return await drop()
        except asyncpg.DependentObjectsStillExistError:
            for found in await connection.fetch(DEPENDENT_DATABASES, username):
                owner, database = found["username"], found["database_name"]
                log.warning("role_named_by_another", username=username, named_by=owner)
                async with connections.tenant(database) as inside:
                    attempt = partial(_let_go, inside, username=username, owner=owner)
                    await unhindered(attempt, connection=connection, username=owner, database=database)
    return await drop()


async def _let_go(inside: Connection, *, username: str, owner: str) -> None:
    """Take one role out of whatever another granted to it, in that one's name for no longer than this transaction."""
    lent = f"{quoted(username)}, {quoted(owner)}"
    await change_catalog(
        inside,
        f"GRANT {lent} TO CURRENT_USER WITH INHERIT TRUE, SET FALSE",
        f"DROP OWNED BY {quoted(username)}",
        f"REVOKE {lent} FROM CURRENT_USER GRANTED BY CURRENT_USER",
        locked=False,
    )
