"""Recompute the whole of the books at one instant: transfers, accounts, usage, hours, depletion, payments and holds."""

from syneudp import instances, ledger, wallet
from syneudp.kernel.database import Connection, execute, transact
from syneudp.ledger import Finding


async def audit_books() -> list[Finding]:
    """Name every row that breaks a rule of the books; an empty list means that all of them hold.

    Works in one REPEATABLE READ, read-only transaction without a time limit, so that what is posted meanwhile is either
    seen whole or not at all, and nobody waits for it.
    """
    return await transact(_audit)


async def _audit(tx: Connection) -> list[Finding]:
    await execute(tx, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    await execute(tx, "SET LOCAL statement_timeout = 0")
    return [*await ledger.audit(tx), *await wallet.audit(tx), *await instances.audit(tx)]
