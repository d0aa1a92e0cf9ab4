"""How long data is kept that nobody pays for: when it goes, and telling its owner before and after."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from syneudp import wallet
from syneudp.kernel.database import Connection, execute, rows
from syneudp.wallet import AlertKind, LockedWallet

SECONDS_PER_DAY: Final = 86_400
WARNED_BEFORE: Final = (3 * SECONDS_PER_DAY, SECONDS_PER_DAY)
DUE: Final = (
    "SELECT DISTINCT i.wallet_id FROM instance_holds h JOIN instances i ON i.id = h.instance_id"
    " WHERE h.hold = 'balance' AND h.warned = $1 AND h.since_at <= $2 LIMIT $3"
)
HELD: Final = (
    "SELECT h.instance_id, h.since_at, h.warned, i.name, i.terminated_for IS NULL AS live FROM instance_holds h"
    " JOIN instances i ON i.id = h.instance_id WHERE i.wallet_id = $1 AND h.hold = 'balance'"
    " ORDER BY h.since_at, h.instance_id"
)
WARN: Final = (
    "UPDATE instance_holds SET warned = $2 WHERE hold = 'balance' AND instance_id = ANY ($1::uuid[]) AND warned < $2"
)


@dataclass(frozen=True, slots=True)
class KeptData:
    """The data of an instance that nobody pays for; it is deleted for good at `until_at` (epoch seconds)."""

    instance_id: UUID
    name: str
    until_at: int


async def kept_data(connection: Connection, wallet_id: UUID, *, retention_seconds: int) -> list[KeptData]:
    """List a wallet's instances under the balance hold with when their data goes, the first to go first."""
    return [
        KeptData(instance_id=found["instance_id"], name=found["name"], until_at=found["since_at"] + retention_seconds)
        for found in await rows(connection, HELD, wallet_id)
        if found["live"]
    ]


async def wallets_to_warn(connection: Connection, now: int, *, retention_seconds: int, limit: int) -> list[UUID]:
    """List the wallets with an instance whose owner is to be warned by `now` that the retention (seconds) ends."""
    due: dict[UUID, None] = {}
    for warned, before_seconds in enumerate(_warnings(retention_seconds)):
        since_at = now - retention_seconds + before_seconds
        found = await rows(connection, DUE, warned, since_at, limit)
        due.update(dict.fromkeys(each["wallet_id"] for each in found))
    return list(due)[:limit]


async def warn_of_retention(tx: Connection, locked: LockedWallet, *, retention_seconds: int) -> int:
    """Tell the owner once, three days and one day before, that data goes; answers of how many instances.

    A retention (seconds) that is no longer than a warning's lead has no such warning: the suspension told its end.
    """
    warnings = _warnings(retention_seconds)
    warned: dict[int, list[UUID]] = {}
    told: list[tuple[int, UUID]] = []
    for found in await rows(tx, HELD, locked.wallet.id):
        left = found["since_at"] + retention_seconds - locked.now
        level = sum(left <= before_seconds for before_seconds in warnings)
        if level <= found["warned"]:
            continue
        warned.setdefault(level, []).append(found["instance_id"])
        if found["live"] and left > 0:
            told.append((found["since_at"] + retention_seconds, found["instance_id"]))
    for level, instance_ids in warned.items():
        await execute(tx, WARN, instance_ids, level)
    if told:
        await wallet.raise_alert(
            tx,
            locked,
            AlertKind.RETENTION_ENDING,
            ends_at=min(told)[0],
            resource_ids=[instance_id for _, instance_id in told],
        )
    return len(told)


def _warnings(retention_seconds: int) -> list[int]:
    return [before_seconds for before_seconds in WARNED_BEFORE if before_seconds < retention_seconds]
