"""Have what instances store priced: in steps of 64 MiB, from the next hour on, by their latest measurement."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from syneudp import wallet
from syneudp.instances.records import lock_record
from syneudp.kernel.database import Connection, rows
from syneudp.wallet import STEP_BYTES, LockedWallet

GROWN: Final = (
    "SELECT i.id, i.wallet_id FROM instances i WHERE i.host_id = $1 AND i.terminated_for IS NULL"
    " AND i.storage_measured AND i.ready_at IS NOT NULL AND (i.storage_bytes + $2 - 1) / $2 <> coalesce("
    "(SELECT t.steps FROM storage_steps t WHERE t.resource_id = i.id ORDER BY t.begins_at DESC LIMIT 1), 0)"
    " ORDER BY i.id"
)


@dataclass(frozen=True, slots=True)
class Grown:
    """An instance that stores other steps than are priced from the next hour on, and its wallet."""

    instance_id: UUID
    wallet_id: UUID


async def grown_of(connection: Connection, *, host_id: UUID) -> list[Grown]:
    """List the instances of a host whose latest measurement takes other steps than the last that were planned."""
    return [Grown(found["id"], found["wallet_id"]) for found in await rows(connection, GROWN, host_id, STEP_BYTES)]


async def price_storage(tx: Connection, locked: LockedWallet, *, instance_id: UUID) -> bool:
    """Plan the steps that an instance stores for the next hour; False where they are planned already or it is going."""
    record = await lock_record(tx, instance_id)
    if record.removal is not None or record.ready_at is None or not record.storage_measured:
        return False
    return await wallet.plan_storage(tx, locked, resource_id=record.id, stored_bytes=record.storage_bytes)
