"""Bring a host back whose engine was restored from an older backup.

Everything wanted of its instances is sent again at a new generation, what was terminated is terminated again, and what
is gone stops being charged and waits for the operator. The host is trusted again once all of it is confirmed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum, auto
from typing import Any, Final
from uuid import UUID

from syneudp import catalog
from syneudp.catalog import HostView
from syneudp.engines.contract import DatabaseReport, State
from syneudp.instances.intents import add_event, meter, send_again, write_intent
from syneudp.instances.lock_wallet import lock_wallet
from syneudp.instances.records import InstanceRecord, lock_record
from syneudp.instances.values import Actor, EventKind, Hold
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, execute, row, rows, transact, value
from syneudp.kernel.logging import log

BY_COMPARISON: Final = "comparison"
NOTED: Final = "SELECT instance_id, found FROM instance_recoveries WHERE instance_id = ANY($1)"
WRITE_RECOVERY: Final = (
    "INSERT INTO instance_recoveries (instance_id, host_id, found, generation, held, noticed_at)"
    " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (instance_id) DO UPDATE SET host_id = excluded.host_id,"
    " found = excluded.found, generation = excluded.generation, held = excluded.held,"
    " noticed_at = excluded.noticed_at, accepted_by = NULL"
)
UNFINISHED: Final = (
    "SELECT count(*) FROM instance_recoveries r JOIN instances i ON i.id = r.instance_id WHERE r.host_id = $1"
    " AND CASE WHEN r.found = 'missing' THEN i.terminated_for IS NULL AND r.accepted_by IS NULL"
    " ELSE i.applied_generation < r.generation END"
)
FORGET_SETTLED: Final = (
    "DELETE FROM instance_recoveries r USING instances i WHERE i.id = r.instance_id AND r.host_id = $1"
    " AND (r.found <> 'missing' OR i.terminated_for IS NOT NULL)"
)
ACCEPT_MISSING: Final = (
    "UPDATE instance_recoveries SET accepted_by = $2 WHERE host_id = $1 AND found = 'missing' AND accepted_by IS NULL"
)
LISTED: Final = (
    "SELECT r.*, i.owner_id, i.applied_generation, i.terminated_for IS NOT NULL AS removed FROM instance_recoveries r"
    " JOIN instances i ON i.id = r.instance_id WHERE r.host_id = $1 AND (NOT $2 OR r.found = 'missing')"
    " ORDER BY r.instance_id LIMIT $3"
)


class Found(StrEnum):
    """What a restored engine had of an instance: all of it, an older state, a terminated one again, or nothing."""

    SAME = auto()
    BEHIND = auto()
    BACK = auto()
    MISSING = auto()


@dataclass(frozen=True, slots=True)
class RecoveryView:
    """One instance of a restored host, for the operator; `settled` once it is confirmed, accepted or removed."""

    instance_id: UUID
    owner_id: UUID
    found: Found
    generation: int
    noticed_at: int
    accepted_by: str | None
    settled: bool


async def begin_recovery(host: HostView, *, behind: int, missing: int) -> bool:
    """Quarantine a host whose engine was found older than what it had confirmed; False where it was already."""
    reason = f"the engine is older than what it confirmed: {behind} behind, {missing} missing"

    async def begin(tx: Connection) -> bool:
        if not await catalog.begin_quarantine(tx, host_id=host.id, now=await clock.now(tx), reason=reason):
            return False
        await execute(tx, FORGET_SETTLED, host.id)
        return True

    began = await transact(begin)
    if began:
        log.error("host_quarantined", host=host.name, behind=behind, missing=missing)
    return began


async def noted(connection: Connection, instance_ids: Sequence[UUID]) -> dict[UUID, Found]:
    """Tell which of the instances were met in a recovery, and as what."""
    return {told["instance_id"]: Found(told["found"]) for told in await rows(connection, NOTED, list(instance_ids))}


def is_to_be_sent(record: InstanceRecord, report: DatabaseReport) -> bool:
    """Tell whether a restored engine must hear of the instance: all but what both sides know as gone."""
    return record.wanted is not State.TERMINATED or report.state is not State.TERMINATED


async def bring_up(
    tx: Connection, *, host: HostView, wallet_id: UUID, report: DatabaseReport, recovering: bool
) -> bool:
    """Send what is wanted of an instance again, above every generation that either side knows.

    One that was missing and is there again is as before: the hold that its loss had set is lifted, and what its owner
    had suspended is charged for its storage again.
    """
    locked = await lock_wallet(tx, wallet_id)
    now = locked.now
    record = await lock_record(tx, report.instance_id)
    before = await row(tx, "SELECT found, held FROM instance_recoveries WHERE instance_id = $1", record.id)
    if before is not None and before["found"] != Found.MISSING:
        return False
    found = _found(record, report)
    if before is not None and before["held"] and record.removal is None:
        free = replace(record, holds=record.holds - {Hold.OPERATOR})
        await meter(tx, locked, free)
        record = await write_intent(tx, record, free, now=now, kind=EventKind.FOUND_AGAIN, actor=Actor.PLATFORM)
    after = await send_again(
        tx,
        record,
        now=now,
        kind=EventKind.ENGINE_RESTORED if found is Found.SAME else EventKind.ENGINE_BEHIND,
        detail=f"{report.state} at generation {report.applied_generation}",
        above=max(report.accepted_generation, report.applied_generation),
    )
    log.warning("instance_sent_to_restored_host", host=host.name, instance=str(record.id), found=found.value)
    if recovering:
        await execute(tx, WRITE_RECOVERY, record.id, host.id, found.value, after.generation, False, now)
    else:
        await execute(tx, "DELETE FROM instance_recoveries WHERE instance_id = $1", record.id)
    return True


async def note_missing(tx: Connection, *, host: HostView, wallet_id: UUID, instance_id: UUID) -> bool:
    """Write down that a host lost an instance: its charge ends with this second and an operator's hold is set."""
    locked = await lock_wallet(tx, wallet_id)
    record = await lock_record(tx, instance_id)
    if record.removal is not None or await rows(tx, NOTED, [instance_id]):
        return False
    held = Hold.OPERATOR not in record.holds
    if held:
        after = replace(record, holds=record.holds | {Hold.OPERATOR})
        await meter(tx, locked, after)
        record = await write_intent(tx, record, after, now=locked.now, kind=EventKind.MISSING, actor=Actor.PLATFORM)
    else:
        await add_event(tx, record, now=locked.now, kind=EventKind.MISSING, actor=Actor.PLATFORM)
    log.error("database_missing_on_host", host=host.name, instance=str(instance_id))
    await execute(tx, WRITE_RECOVERY, instance_id, host.id, Found.MISSING.value, record.generation, held, locked.now)
    return True


async def end_recovery(host: HostView) -> bool:
    """End the quarantine where everything that was sent again is confirmed and nothing is missing unheard of."""

    async def end(tx: Connection) -> bool:
        if await value(tx, UNFINISHED, host.id):
            return False
        await execute(tx, FORGET_SETTLED, host.id)
        return await catalog.end_quarantine(tx, host_id=host.id, now=await clock.now(tx), by=BY_COMPARISON)

    ended = await transact(end)
    if ended:
        log.warning("host_quarantine_ended", host=host.name, by=BY_COMPARISON)
    return ended


async def release_host(tx: Connection, *, host_id: UUID, operator: str) -> int:
    """End a host's quarantine by an operator's word, what is missing accepted as it is; answers how many are missing.

    The missing stay held, uncharged and listed until they are terminated or found again.
    """
    await execute(tx, FORGET_SETTLED, host_id)
    accepted = await execute(tx, ACCEPT_MISSING, host_id, operator)
    await catalog.end_quarantine(tx, host_id=host_id, now=await clock.now(tx), by=f"operator:{operator}")
    return accepted


async def recoveries_of(
    connection: Connection, host_id: UUID, *, missing_only: bool = False, limit: int = 1000
) -> list[RecoveryView]:
    """List what a restored host had of its instances, by id."""
    return [_view(told) for told in await rows(connection, LISTED, host_id, missing_only, limit)]


def _found(record: InstanceRecord, report: DatabaseReport) -> Found:
    if record.wanted is State.TERMINATED and report.state is not State.TERMINATED:
        return Found.BACK
    return Found.BEHIND if report.applied_generation < record.applied_generation else Found.SAME


def _view(told: dict[str, Any]) -> RecoveryView:
    found = Found(told["found"])
    confirmed = told["applied_generation"] >= told["generation"]
    settled = told["removed"] or told["accepted_by"] is not None if found is Found.MISSING else confirmed
    return RecoveryView(
        instance_id=told["instance_id"],
        owner_id=told["owner_id"],
        found=found,
        generation=told["generation"],
        noticed_at=told["noticed_at"],
        accepted_by=told["accepted_by"],
        settled=settled,
    )
