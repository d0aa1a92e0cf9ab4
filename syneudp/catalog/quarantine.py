"""A host whose engine was restored from an older backup takes nothing new until it agrees again."""

from typing import Any, Final
from uuid import UUID

from syneudp.catalog.values import HostState, QuarantineView
from syneudp.kernel.database import Connection, execute, row
from syneudp.kernel.identifiers import new_id

REASON_LENGTH_MAX: Final = 400
LOCK_HOST: Final = "SELECT state FROM hosts WHERE id = $1 FOR NO KEY UPDATE"
WRITE_STATE: Final = "UPDATE hosts SET state = $2 WHERE id = $1"
BEGIN: Final = (
    "INSERT INTO host_quarantines (id, host_id, state_before, reason, began_at) VALUES ($1, $2, $3, $4, $5)"
    " ON CONFLICT DO NOTHING"
)
END: Final = (
    "UPDATE host_quarantines SET ended_at = greatest(began_at, $2), ended_by = $3"
    " WHERE host_id = $1 AND ended_at IS NULL RETURNING state_before"
)
OPEN: Final = (
    "SELECT host_id, reason, began_at, state_before FROM host_quarantines WHERE host_id = $1 AND ended_at IS NULL"
)


async def begin_quarantine(tx: Connection, *, host_id: UUID, now: int, reason: str) -> bool:
    """Take a host out of placement from `now` on (epoch seconds); False where it is out for this already."""
    found = await row(tx, LOCK_HOST, host_id)
    if found is None or found["state"] == HostState.QUARANTINED:
        return False
    await execute(tx, END, host_id, now, "a new quarantine")
    await execute(tx, BEGIN, new_id(), host_id, found["state"], reason[:REASON_LENGTH_MAX], now)
    await execute(tx, WRITE_STATE, host_id, HostState.QUARANTINED.value)
    return True


async def end_quarantine(tx: Connection, *, host_id: UUID, now: int, by: str) -> bool:
    """Give a host the state it had before, unless an operator gave it another meanwhile; False where none was on."""
    found = await row(tx, LOCK_HOST, host_id)
    ended = await row(tx, END, host_id, now, by)
    if found is None or ended is None:
        return False
    if found["state"] == HostState.QUARANTINED:
        await execute(tx, WRITE_STATE, host_id, ended["state_before"])
    return True


async def quarantine_of(connection: Connection, host_id: UUID) -> QuarantineView | None:
    """Tell since when and why a host is in quarantine, None where it is not."""
    found: dict[str, Any] | None = await row(connection, OPEN, host_id)
    return None if found is None else QuarantineView(**{**found, "state_before": HostState(found["state_before"])})
