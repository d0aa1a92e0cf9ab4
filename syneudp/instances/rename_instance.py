"""Give an instance another name; the agent never hears of names."""

from dataclasses import replace
from uuid import UUID

from syneudp.instances.create_instance import require_free_name
from syneudp.instances.intents import lock_owned, require_live, write_intent
from syneudp.instances.rules import clean_name
from syneudp.instances.values import Actor, EventKind, InstanceView
from syneudp.kernel.database import Connection
from syneudp.wallet import LockedWallet


async def rename_instance(
    tx: Connection, locked: LockedWallet, *, owner_id: UUID, instance_id: UUID, name: str
) -> InstanceView:
    """Rename a live instance. Raises InstanceNotFoundError, InstanceGoneError, NameInvalidError, NameTakenError."""
    record = await lock_owned(tx, locked, owner_id=owner_id, instance_id=instance_id)
    require_live(record)
    cleaned = clean_name(name)
    if cleaned == record.name:
        return record.view()
    await require_free_name(tx, owner_id=owner_id, name=cleaned, instance_id=record.id)
    after = replace(record, name=cleaned)
    stored = await write_intent(tx, record, after, now=locked.now, kind=EventKind.RENAMED, actor=Actor.OWNER)
    return stored.view()
