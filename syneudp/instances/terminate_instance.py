"""Intend the end of an instance: charging stops now, placement and password go with the confirmed tombstone."""

from dataclasses import replace
from typing import Final
from uuid import UUID

from syneudp import wallet
from syneudp.instances.change_holds import resume_covered
from syneudp.instances.intents import lock_owned, meter, write_intent
from syneudp.instances.records import InstanceRecord, lock_records
from syneudp.instances.values import Actor, EventKind, InstanceView, Removal
from syneudp.kernel.database import Connection, rows
from syneudp.wallet import AlertKind, LockedWallet

HELD_SINCE: Final = (
    "SELECT i.id FROM instances i JOIN instance_holds h ON h.instance_id = i.id AND h.hold = 'balance'"
    " WHERE i.wallet_id = $1 AND i.terminated_for IS NULL AND h.since_at <= $2 ORDER BY i.id"
)


async def terminate_instance(
    tx: Connection, locked: LockedWallet, *, owner_id: UUID, instance_id: UUID
) -> InstanceView:
    """Want an instance gone for good; does nothing when that is wanted already. Raises InstanceNotFoundError."""
    record = await lock_owned(tx, locked, owner_id=owner_id, instance_id=instance_id)
    if record.removal not in {None, Removal.REFUSAL}:
        return record.view()
    stored = await _want_gone(tx, locked, record, Removal.OWNER, kind=EventKind.TERMINATE_REQUESTED, actor=Actor.OWNER)
    return stored.view()


async def terminate_expired(
    tx: Connection, locked: LockedWallet, *, retention_seconds: int, runway_seconds: int
) -> list[UUID]:
    """Terminate what stood under the balance hold for the whole retention (seconds).

    The wallet is looked at once more: what it covers by now is resumed instead. The owner is told. Answers the ids
    wanted gone.
    """
    await resume_covered(tx, locked, runway_seconds=runway_seconds)
    held = await rows(tx, HELD_SINCE, locked.wallet.id, locked.now - retention_seconds)
    expired = await lock_records(tx, [found["id"] for found in held])
    for record in expired:
        await _want_gone(tx, locked, record, Removal.RETENTION, kind=EventKind.RETENTION_ENDED, actor=Actor.PLATFORM)
    if expired:
        gone = [record.id for record in expired]
        await wallet.raise_alert(tx, locked, AlertKind.TERMINATED, ends_at=locked.now, resource_ids=gone)
    return [record.id for record in expired]


async def _want_gone(
    tx: Connection,
    locked: LockedWallet,
    record: InstanceRecord,
    removal: Removal,
    *,
    kind: EventKind,
    actor: Actor,
) -> InstanceRecord:
    after = replace(record, removal=removal)
    await meter(tx, locked, after)
    return await write_intent(tx, record, after, now=locked.now, kind=kind, actor=actor)
