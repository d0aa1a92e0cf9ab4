"""The audit trail: rows that are added and, by the database's own word, never changed."""

from typing import Final
from uuid import UUID

from syneudp.identity.rules import bounded_line
from syneudp.identity.values import ADDRESS_LENGTH_MAX, REASON_LENGTH_MAX, USER_AGENT_LENGTH_MAX, Act
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, execute
from syneudp.kernel.identifiers import new_id

ADD: Final = (
    "INSERT INTO audit_events (id, user_id, actor, act, subject, address, user_agent, reason, happened_at)"
    f" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, {clock.instant_or('$9')})"
)


async def record_audit(
    tx: Connection,
    *,
    user_id: UUID | None,
    actor: str,
    act: Act,
    subject: str,
    address: str,
    user_agent: str,
    reason: str = "",
) -> None:
    """Record who did what to what, from where; `user_id` is the customer it concerns, `actor` whoever did it.

    Operators give a reason. Address, user agent and reason are cut to 64, 400 and 400 characters, and what cannot be
    stored in them is replaced.
    """
    await execute(
        tx,
        ADD,
        new_id(),
        user_id,
        actor,
        act.value,
        subject,
        bounded_line(address, ADDRESS_LENGTH_MAX),
        bounded_line(user_agent, USER_AGENT_LENGTH_MAX),
        bounded_line(reason, REASON_LENGTH_MAX),
        clock.stands_at(),
    )
