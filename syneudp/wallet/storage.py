"""What resources store, in steps of 64 MiB that change at hour boundaries only, told an hour ahead."""

from typing import Final
from uuid import UUID

from syneudp.kernel.database import Connection, execute, row, value
from syneudp.wallet import rules
from syneudp.wallet.depletion import recompute_depletion
from syneudp.wallet.values import LockedWallet

STEPS_NOW: Final = (
    "SELECT steps FROM storage_steps WHERE resource_id = $1 AND begins_at <= $2 ORDER BY begins_at DESC LIMIT 1"
)
COMING: Final = "SELECT steps FROM storage_steps WHERE resource_id = $1 AND begins_at = $2"
FORGET: Final = "DELETE FROM storage_steps WHERE resource_id = $1 AND begins_at = $2"
PLAN: Final = "INSERT INTO storage_steps (resource_id, begins_at, wallet_id, shard, steps) VALUES ($1, $2, $3, $4, $5)"


async def plan_storage(tx: Connection, locked: LockedWallet, *, resource_id: UUID, stored_bytes: int) -> bool:
    """Have what a resource stores priced from the next hour boundary on; False where nothing changes.

    Steps are rounded up. What was planned for that boundary before is replaced; once it has come, it stays.
    """
    steps = rules.steps_of(stored_bytes)
    begins_at = rules.next_boundary(locked.now)
    present = int(await value(tx, STEPS_NOW, resource_id, locked.now) or 0)
    coming = await row(tx, COMING, resource_id, begins_at)
    if steps == (present if coming is None else coming["steps"]):
        return False
    if coming is not None:
        await execute(tx, FORGET, resource_id, begins_at)
    if steps != present:
        await execute(tx, PLAN, resource_id, begins_at, locked.wallet.id, locked.wallet.shard, steps)
    await recompute_depletion(tx, locked)
    return True
