"""Put a creation on another host when its own turned out to be away before it could hear of it."""

from typing import Final

from syneudp import catalog
from syneudp.catalog import CapacityExhaustedError
from syneudp.instances.parcels import Sent
from syneudp.instances.records import lock_record
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, execute, value
from syneudp.kernel.logging import log

LOCK_FIRST_ATTEMPT: Final = (
    "SELECT true FROM instance_outbox WHERE instance_id = $1 AND lease_id = $2 AND attempts = 1 FOR NO KEY UPDATE"
)
SEND_NOW: Final = "UPDATE instance_outbox SET lease_id = NULL, leased_until = NULL, due_at = $2 WHERE instance_id = $1"


async def move_creation(tx: Connection, sent: Sent) -> bool:
    """Move a creation whose very first attempt never reached its agent to another host; False where it stays.

    Only then is it certain that no host has or will have it: anything that may have been sent keeps its placement until
    its host has confirmed the database or the tombstone. It moves once at most.
    """
    if (sent.generation, sent.attempts) != (1, 1):
        return False
    record = await lock_record(tx, sent.instance_id)
    if not sent.is_still_wanted(record) or record.ever_applied or record.removal is not None:
        return False
    if not await value(tx, LOCK_FIRST_ATTEMPT, sent.instance_id, sent.lease_id):
        return False
    try:
        host = await catalog.place(
            tx, engine=record.engine, storage_bytes=record.storage_limit_bytes, besides=record.host_id
        )
    except CapacityExhaustedError:
        return False
    await execute(tx, "UPDATE instances SET host_id = $2 WHERE id = $1", record.id, host.id)
    await execute(tx, SEND_NOW, record.id, await clock.now(tx))
    await catalog.release(tx, host_id=record.host_id, storage_bytes=record.storage_limit_bytes)
    log.warning("creation_moved", instance=str(record.id), host=host.name)
    return True
