"""Prepared XA transactions, which outlive their sessions: whose they are as far as the server tells, and their end.

performance_schema names the user of a prepared transaction while the session that prepared it lives and, on MySQL, has
begun no other one; after that no table of either server joins an XA identifier to its user. So the watch looks every
two seconds and a suspend once more before it ends the sessions, and what was seen stands in the registry.
"""

from typing import Any, Final

import pymysql
from pymysql.constants import ER

from syneudp.engines.agent.driver import RegistryRow
from syneudp.engines.agent.mysql import statements
from syneudp.engines.agent.mysql.batch import Statement
from syneudp.engines.agent.mysql.connections import Session
from syneudp.engines.agent.mysql.dialects import Dialect, read_query
from syneudp.engines.agent.mysql.statements import PreparedTransaction
from syneudp.kernel.logging import log

PRINTABLE: Final = frozenset(range(32, 128))
NOTED: Final = "SELECT format_id, global_part, branch, username FROM syneudpagent.prepared_transactions"
NOTE: Final = (
    "REPLACE INTO syneudpagent.prepared_transactions (format_id, global_part, branch, username)"
    " VALUES (%(format_id)s, UNHEX(%(global_part)s), UNHEX(%(branch)s), %(username)s)"
)
FORGET: Final = (
    "DELETE FROM syneudpagent.prepared_transactions"
    " WHERE format_id = %(format_id)s AND global_part = UNHEX(%(global_part)s) AND branch = UNHEX(%(branch)s)"
)


async def look(session: Session, dialect: Dialect) -> dict[PreparedTransaction, str | None]:
    """List what is prepared on the server, each with its user or None where no look ever met it in a session."""
    known, found = await session.batch(Statement(NOTED), Statement(dialect.prepared_transactions_query))
    noted = {_noted(record): str(record["username"]) for record in known.rows}
    listed = {_listed(record) for record in found.rows}
    for gone in noted.keys() - listed:
        await session.run(FORGET, _parameters(gone))
    if not listed:
        return {}
    spelled = {_spelling(transaction): transaction for transaction in listed}
    told = await session.rows(read_query("prepared_owners.sql"))
    living = {spelled[spelling]: str(each["username"]) for each in told if (spelling := _told(each)) in spelled}
    for transaction, username in living.items():
        if noted.get(transaction) != username:
            await session.run(NOTE, {**_parameters(transaction), "username": username})
    return {transaction: living.get(transaction, noted.get(transaction)) for transaction in listed}


async def roll_back_all_of(session: Session, dialect: Dialect, row: RegistryRow) -> set[PreparedTransaction]:
    """Undo what the tenant prepared, its sessions having ended; answer what may be a neighbour's and so stays.

    What no look ever met in a session goes too where nobody else can have left it: on MySQL where every transaction
    that lost its session holds locks in the tenant's database, on MariaDB where no other user ever prepared one.
    """
    found = await look(session, dialect)
    own = {transaction for transaction, username in found.items() if username == row.username}
    unknown = {transaction for transaction, username in found.items() if username is None}
    parameters = {"database": row.database, "username": row.username}
    if unknown and not await session.value(dialect.prepared_strangers_query, parameters):
        own, unknown = own | unknown, set()
    for transaction in own:
        await roll_back(session, transaction)
    if unknown:
        log.warning("prepared_transactions_unattributed", engine=dialect.flavour, count=len(unknown))
    return unknown


async def roll_back(session: Session, transaction: PreparedTransaction) -> None:
    """Undo one; gone by now, or still held by a session that lives, is fine."""
    try:
        await session.run(statements.roll_back_prepared(transaction))
    except pymysql.err.MySQLError as failure:
        if failure.args[0] != ER.XAER_NOTA:
            raise


def _noted(record: dict[str, Any]) -> PreparedTransaction:
    return PreparedTransaction(
        format_id=record["format_id"], global_part=bytes(record["global_part"]), branch=bytes(record["branch"])
    )


def _listed(record: dict[str, Any]) -> PreparedTransaction:
    data = record["data"]
    raw = bytes.fromhex(data.removeprefix("0x")) if isinstance(data, str) else bytes(data)
    end = record["gtrid_length"]
    return PreparedTransaction(
        format_id=record["formatID"], global_part=raw[:end], branch=raw[end : end + record["bqual_length"]]
    )


def _parameters(transaction: PreparedTransaction) -> dict[str, Any]:
    return {
        "format_id": transaction.format_id,
        "global_part": transaction.global_part.hex(),
        "branch": transaction.branch.hex(),
    }


def _spelling(transaction: PreparedTransaction) -> tuple[int, str, str]:
    return transaction.format_id, _spelled(transaction.global_part), _spelled(transaction.branch)


def _spelled(part: bytes) -> str:
    """Write a part of an identifier as performance_schema does: text where all of it is printable ASCII, else hex."""
    return part.decode("ascii") if {*part} <= PRINTABLE else f"0x{part.hex().upper()}"


def _told(record: dict[str, Any]) -> tuple[int, str, str]:
    """Read what performance_schema wrote; MariaDB leaves a NUL behind a part in hexadecimal."""
    parts = [(record[name] or "").rstrip("\0") for name in ("global_part", "branch")]
    return record["format_id"], parts[0], parts[1]
