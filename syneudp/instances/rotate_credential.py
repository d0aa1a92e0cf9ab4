"""Intend a new password; the one in force stays until the agent has confirmed its successor."""

from dataclasses import replace
from uuid import UUID

from syneudp import catalog
from syneudp.engines.contract import State
from syneudp.engines.verifiers import generate_password
from syneudp.instances.credentials import store_pending
from syneudp.instances.errors import InstanceNotFoundError, PreviousPasswordNotKeptError
from syneudp.instances.intents import lock_owned, require_live, write_intent
from syneudp.instances.records import InstanceRecord, read_record
from syneudp.instances.values import Actor, EventKind, InstanceView
from syneudp.kernel.database import Connection
from syneudp.kernel.sealing import Keyring
from syneudp.wallet import LockedWallet


async def rotate_credential(
    tx: Connection,
    locked: LockedWallet,
    *,
    owner_id: UUID,
    instance_id: UUID,
    keyring: Keyring,
    keep_previous_seconds: int = 0,
) -> InstanceView:
    """Seal a new password and want it in force, its predecessor working beside it for so many seconds then.

    Raises InstanceNotFoundError, InstanceGoneError, and PreviousPasswordNotKeptError for any time above 0 where the
    engine has one password a user or the database does not run.
    """
    record = await lock_owned(tx, locked, owner_id=owner_id, instance_id=instance_id)
    require_live(record)
    if keep_previous_seconds and not await _keeps_previous_password(tx, record):
        raise PreviousPasswordNotKeptError
    version = record.credential_version + 1
    await store_pending(
        tx,
        instance_id=record.id,
        version=version,
        password=generate_password(),
        keyring=keyring,
        now=locked.now,
        keep_previous_seconds=keep_previous_seconds,
    )
    after = replace(record, credential_version=version)
    detail = f"previous password kept for {keep_previous_seconds} s" if keep_previous_seconds else ""
    stored = await write_intent(
        tx, record, after, now=locked.now, kind=EventKind.ROTATE_REQUESTED, actor=Actor.OWNER, detail=detail
    )
    return stored.view()


async def keeps_previous_password(connection: Connection, owner_id: UUID, instance_id: UUID) -> bool:
    """Tell whether a rotation may keep the previous password for a while now. Raises InstanceNotFoundError."""
    record = await read_record(connection, instance_id)
    if record is None or record.owner_id != owner_id:
        raise InstanceNotFoundError
    return await _keeps_previous_password(connection, record)


async def _keeps_previous_password(connection: Connection, record: InstanceRecord) -> bool:
    if record.wanted is not State.RUNNING or not record.ever_applied:
        return False
    return (await catalog.host(connection, record.host_id)).keeps_previous_password
