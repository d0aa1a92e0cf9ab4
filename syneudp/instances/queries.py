"""Reads of instances: frozen values out, another owner's never."""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from syneudp.instances.credentials import connection_uri, read_password
from syneudp.instances.errors import (
    EngineUnavailableError,
    InstanceGoneError,
    InstanceNotFoundError,
    NotReadyError,
    RotationPendingError,
)
from syneudp.instances.models import InstanceEvent
from syneudp.instances.records import SELECT_RECORD, InstanceRecord, read_record, record_of
from syneudp.instances.values import (
    Actor,
    EventKind,
    EventPage,
    EventView,
    InstancePage,
    InstanceView,
    PendingDelivery,
    Removal,
    Secret,
)
from syneudp.kernel.database import Connection, rows, value
from syneudp.kernel.sealing import Keyring

PAGE_LIMIT: Final = 100
LISTED: Final = (
    f"{SELECT_RECORD} WHERE i.owner_id = $1 AND ($2::uuid IS NULL OR i.id < $2)"
    " AND (i.terminated_for IS NULL OR (i.terminated_for <> 'withdrawal'"
    " AND (i.terminated_for = 'refusal' OR i.observed_state IS DISTINCT FROM 'terminated')))"
    " ORDER BY i.id DESC LIMIT $3"
)
PENDING: Final = (
    "SELECT o.instance_id, i.host_id FROM instance_outbox o JOIN instances i ON i.id = o.instance_id"
    " WHERE o.due_at <= $1 AND (o.leased_until IS NULL OR o.leased_until <= $1) ORDER BY o.due_at LIMIT $2"
)
EXPIRED: Final = (
    "SELECT DISTINCT i.wallet_id FROM instance_holds h JOIN instances i ON i.id = h.instance_id"
    " WHERE h.hold = 'balance' AND h.since_at <= $1 AND i.terminated_for IS NULL LIMIT $2"
)


async def instance(connection: Connection, owner_id: UUID, instance_id: UUID) -> InstanceView:
    """Read an instance of this owner. Raises InstanceNotFoundError; EngineUnavailableError for a withdrawn one."""
    return (await _owned(connection, owner_id, instance_id)).view()


async def instances_of(
    connection: Connection, owner_id: UUID, *, limit: int = PAGE_LIMIT, cursor: UUID | None = None
) -> InstancePage:
    """List an owner's instances, newest first, without those that are gone; the cursor is the last id seen."""
    found = await rows(connection, LISTED, owner_id, cursor, limit + 1)
    items = tuple(record_of(told).view() for told in found[:limit])
    return InstancePage(items=items, next_cursor=items[-1].id if len(found) > limit else None)


async def events_of(
    connection: Connection, owner_id: UUID, instance_id: UUID, *, limit: int = PAGE_LIMIT, cursor: UUID | None = None
) -> EventPage:
    """List what happened to an instance, newest first. Raises InstanceNotFoundError."""
    await _owned(connection, owner_id, instance_id)
    query = InstanceEvent.filter(instance_id=instance_id).using_db(connection)
    if cursor is not None:
        query = query.filter(id__lt=cursor)
    found = await query.order_by("-id").limit(limit + 1)
    items = tuple(
        EventView(
            id=event.id,
            kind=EventKind(event.kind),
            actor=Actor(event.actor),
            happened_at=event.happened_at,
            detail=event.detail,
        )
        for event in found[:limit]
    )
    return EventPage(items=items, next_cursor=items[-1].id if len(found) > limit else None)


async def reveal(tx: Connection, *, owner_id: UUID, instance_id: UUID, keyring: Keyring) -> Secret:
    """Open the password in force. Raises the refusals of this room where there is none to show."""
    record = await _owned(tx, owner_id, instance_id)
    if record.removal is not None:
        raise InstanceGoneError
    if record.connection is None:
        raise NotReadyError
    if record.rotating:
        raise RotationPendingError
    password = await read_password(
        tx, instance_id=record.id, version=record.applied_credential_version, keyring=keyring
    )
    if password is None:
        raise RotationPendingError
    return Secret(password=password, uri=connection_uri(record.engine, record.connection, password))


async def pending_deliveries(connection: Connection, now: int, limit: int) -> list[PendingDelivery]:
    """List what is due to be sent and leased by nobody, the longest due first."""
    found = await rows(connection, PENDING, now, limit)
    return [PendingDelivery(instance_id=told["instance_id"], host_id=told["host_id"]) for told in found]


async def count_pending(connection: Connection) -> int:
    """Count the instances whose desired state is not confirmed."""
    return int(await value(connection, "SELECT count(*) FROM instance_outbox"))


async def expired_wallets(connection: Connection, now: int, *, retention_seconds: int, limit: int) -> list[UUID]:
    """List wallets with an instance under the balance hold for longer than the retention (seconds)."""
    found = await rows(connection, EXPIRED, now - retention_seconds, limit)
    return [told["wallet_id"] for told in found]


async def names_of(connection: Connection, owner_id: UUID, instance_ids: Collection[UUID]) -> dict[UUID, str]:
    """Tell what this owner's instances are called now, those that are gone under the name they had last."""
    if not instance_ids:
        return {}
    found = await rows(
        connection,
        "SELECT id, name FROM instances WHERE owner_id = $1 AND id = ANY ($2::uuid[])",
        owner_id,
        list(instance_ids),
    )
    return {told["id"]: told["name"] for told in found}


async def _owned(connection: Connection, owner_id: UUID, instance_id: UUID) -> InstanceRecord:
    record = await read_record(connection, instance_id)
    if record is None or record.owner_id != owner_id:
        raise InstanceNotFoundError
    if record.removal is Removal.WITHDRAWAL:
        raise EngineUnavailableError
    return record
