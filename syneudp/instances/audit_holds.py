"""Check that what is charged, what was told to the agents and what is held agree, and name every row that does not."""

from syneudp.kernel.database import PATIENT_SECONDS, Connection, load_sql, rows
from syneudp.ledger import Finding


async def audit(connection: Connection) -> list[Finding]:
    """Check each instance's holds against its open segment, its confirmed state, its wallet's debt and monthly cap.

    Instances are charged as `rules.accrual_of` says. A hold for the balance is not checked against the balance: it
    stays until money comes in. Meant for the same REPEATABLE READ transaction as the wallet's own audit.
    """
    found = await rows(connection, load_sql(__file__, "audit_holds.sql"), timeout_seconds=PATIENT_SECONDS)
    return [Finding(rule=each["rule"], row=each["row"], detail=each["detail"]) for each in found]
