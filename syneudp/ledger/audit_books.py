"""Recompute the books from their entries and name every row that breaks a rule."""

from syneudp.kernel.database import PATIENT_SECONDS, Connection, load_sql, rows
from syneudp.ledger.values import Finding

RULE_FILES = ("audit_transfers.sql", "audit_accounts.sql", "audit_reversals.sql", "audit_seals.sql")


async def audit(connection: Connection) -> list[Finding]:
    """Check transfers (entries, digest, sum per currency, reversals), accounts (sequence, balances, signs), seals.

    Reads everything; meant for one REPEATABLE READ transaction, so that what is posted meanwhile is not half seen.
    """
    return [
        Finding(rule=found["rule"], row=found["row"], detail=found["detail"])
        for name in RULE_FILES
        for found in await rows(connection, load_sql(__file__, name), timeout_seconds=PATIENT_SECONDS)
    ]
