"""What is told: written once with its event, one delivery an endpoint, and kept for a while so that it can be seen."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from syneudp.kernel import clock
from syneudp.kernel.database import Connection, execute, rows, value
from syneudp.kernel.identifiers import new_id
from syneudp.webhooks.endpoints import endpoint
from syneudp.webhooks.values import Delivery, DeliveryPage, DeliveryState, Failure

KEPT_SECONDS: Final = 30 * 86_400
PRUNED_AT_ONCE: Final = 5_000
TEST_KIND: Final = "webhook.test"
ENABLED: Final = "SELECT id FROM webhook_endpoints WHERE owner_id = $1 AND disabled_for IS NULL ORDER BY id"
INSERT: Final = "INSERT INTO webhook_messages (id, kind, body, created_at) VALUES ($1, $2, $3, $4)"
INSERT_DELIVERIES: Final = (
    "INSERT INTO webhook_deliveries (endpoint_id, message_id, due_at)"
    " SELECT each, $2, $3 FROM unnest($1::uuid[]) AS each"
)
LIST: Final = (
    "SELECT d.message_id, m.kind, d.state, d.attempts, d.status, d.failure, m.created_at, d.attempted_at,"
    " CASE WHEN d.state = 'pending' THEN d.due_at END AS next_at FROM webhook_deliveries d"
    " JOIN webhook_messages m ON m.id = d.message_id"
    " WHERE d.endpoint_id = $1 AND ($2::uuid IS NULL OR d.message_id < $2) ORDER BY d.message_id DESC LIMIT $3"
)
PRUNE: Final = (
    "WITH old AS (SELECT m.id FROM webhook_messages m WHERE m.created_at < $1 AND NOT EXISTS ("
    "SELECT FROM webhook_deliveries p WHERE p.message_id = m.id AND p.state = 'pending') LIMIT $2),"
    " gone AS (DELETE FROM webhook_deliveries d USING old WHERE d.message_id = old.id)"
    " SELECT array_agg(id) FROM old"
)


async def publish(tx: Connection, *, owner_id: UUID, kind: str, data: Mapping[str, Any], at: int) -> UUID | None:
    """Queue a message about something that happened at `at` to every enabled endpoint of an owner, in its transaction.

    Returns its id, or None where nobody wants to be told.
    """
    wanting = [found["id"] for found in await rows(tx, ENABLED, owner_id)]
    return await _queue(tx, wanting, kind=kind, data=data, at=at) if wanting else None


async def publish_test(tx: Connection, *, owner_id: UUID, endpoint_id: UUID) -> UUID:
    """Queue a message that tells nothing, to one endpoint. Raises EndpointNotFoundError."""
    await endpoint(tx, owner_id, endpoint_id)
    data = {"endpoint_id": str(endpoint_id)}
    return await _queue(tx, [endpoint_id], kind=TEST_KIND, data=data, at=await clock.now(tx))


async def deliveries_of(
    connection: Connection, owner_id: UUID, endpoint_id: UUID, *, limit: int, cursor: UUID | None = None
) -> DeliveryPage:
    """List what was sent to an endpoint in the last 30 days, newest first. Raises EndpointNotFoundError."""
    await endpoint(connection, owner_id, endpoint_id)
    found = await rows(connection, LIST, endpoint_id, cursor, limit + 1)
    items = tuple(_delivery(each) for each in found[:limit])
    return DeliveryPage(items=items, next_cursor=items[-1].message_id if len(found) > limit else None)


async def prune_messages(tx: Connection) -> int:
    """Forget the settled messages of more than 30 days ago, and answer how many."""
    before = await clock.now(tx) - KEPT_SECONDS
    old = await value(tx, PRUNE, before, PRUNED_AT_ONCE)
    if not old:
        return 0
    return await execute(tx, "DELETE FROM webhook_messages WHERE id = ANY ($1::uuid[])", old)


async def _queue(tx: Connection, endpoint_ids: Sequence[UUID], *, kind: str, data: Mapping[str, Any], at: int) -> UUID:
    message_id, now = new_id(), await clock.now(tx)
    body = json.dumps({"type": kind, "timestamp": clock.rfc3339(at), "data": data}, ensure_ascii=False)
    await execute(tx, INSERT, message_id, kind, body, now)
    await execute(tx, INSERT_DELIVERIES, list(endpoint_ids), message_id, now)
    return message_id


def _delivery(found: dict[str, Any]) -> Delivery:
    failure = found["failure"]
    return Delivery(
        **{
            **found,
            "state": DeliveryState(found["state"]),
            "failure": None if failure is None else Failure(failure),
        }
    )
