"""A month's spending cap and the instances it holds: set it, and begin a month with what it then leaves room for."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from syneudp import wallet
from syneudp.instances.change_holds import resume_capped
from syneudp.instances.lock_wallet import hold_ended, lock_wallet
from syneudp.kernel.database import Connection, execute, rows
from syneudp.wallet import LockedWallet, Month

HELD_BEFORE: Final = (
    "SELECT DISTINCT i.wallet_id FROM instance_holds h JOIN instances i ON i.id = h.instance_id"
    " WHERE h.hold = 'cap' AND h.since_at < $1 LIMIT $2"
)
TAKE_OLD: Final = (
    "DELETE FROM instance_holds h USING instances i WHERE i.id = h.instance_id AND i.wallet_id = $1"
    " AND h.hold = 'cap' AND h.since_at < $2 RETURNING h.instance_id, i.terminated_for IS NULL AS live"
)
RENEW: Final = (
    "INSERT INTO instance_holds (instance_id, hold, since_at) SELECT told.id, 'cap', $2"
    " FROM unnest($1::uuid[]) AS told (id)"
)


@dataclass(frozen=True, slots=True)
class CapSet:
    """What setting a cap did: the instances it stopped, and those that may run again; all are due to be sent."""

    stopped: tuple[UUID, ...] = ()
    resumed: tuple[UUID, ...] = ()


async def set_cap(tx: Connection, wallet_id: UUID, *, monthly_micros: int | None, runway_seconds: int) -> CapSet:
    """Set what a wallet may spend in a calendar month (UTC), in micro-units, or None for no cap, from this second on.

    What no longer fits under it stops at once, with the `cap` hold; what the cap held and it now leaves room for, for
    the runway (seconds), resumes. Raises CapInvalidError, WalletNotFoundError.
    """
    locked = await wallet.set_cap(tx, await lock_wallet(tx, wallet_id), monthly_micros=monthly_micros)
    if locked.depleted:
        await hold_ended(tx, [locked])
        return CapSet(stopped=locked.depleted)
    return CapSet(resumed=tuple(await resume_capped(tx, locked, runway_seconds=runway_seconds)))


async def wallets_of_past_months(connection: Connection, now: int, *, limit: int) -> list[UUID]:
    """List the wallets with an instance whose `cap` hold is of a month before that of `now`."""
    found = await rows(connection, HELD_BEFORE, Month.of(now).begins_at, limit)
    return [each["wallet_id"] for each in found]


async def begin_month(tx: Connection, locked: LockedWallet, *, runway_seconds: int) -> list[UUID]:
    """Clear the `cap` holds of past months wherever the new month's cap and the balance cover the runway (seconds).

    Where the cap has no room for it in the new month either, the hold stands for that month. Answers the ids of those
    that may run again, which are due to be sent.
    """
    resumed = await resume_capped(tx, locked, runway_seconds=runway_seconds)
    left = await rows(tx, TAKE_OLD, locked.wallet.id, Month.of(locked.now).begins_at)
    await execute(tx, RENEW, [each["instance_id"] for each in left if each["live"]], locked.now)
    return resumed
