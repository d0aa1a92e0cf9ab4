"""Suspend and resume: an instance runs exactly while nothing holds it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from syneudp import wallet
from syneudp.instances.climb_storage import with_ladder
from syneudp.instances.errors import HeldError, StorageFullError
from syneudp.instances.intents import lock_owned, meter, require_live, write_intent
from syneudp.instances.records import InstanceRecord, lock_records
from syneudp.instances.runway import BALANCE_FIRST, CAP_FIRST, REFUSALS, lacking, pending_usage
from syneudp.instances.storage_ladder import give_room, room_from
from syneudp.instances.values import Actor, EventKind, Hold, InstanceView
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, rows
from syneudp.wallet import LockedWallet, Usage

CLEARED_BY_OWNER: Final = frozenset({Hold.OWNER, Hold.BALANCE, Hold.CAP})
CLEARED_BY_MONEY: Final = frozenset({Hold.BALANCE, Hold.FROZEN})
CLEARED_BY_MONTH: Final = frozenset({Hold.CAP})
HELD_FOR: Final = (
    "SELECT i.id FROM instances i WHERE i.wallet_id = $1 AND i.terminated_for IS NULL AND EXISTS ("
    "SELECT FROM instance_holds h WHERE h.instance_id = i.id AND h.hold = ANY($2)) ORDER BY i.id"
)
LIVE: Final = "SELECT id FROM instances WHERE wallet_id = $1 AND terminated_for IS NULL ORDER BY id"


async def suspend_instance(tx: Connection, locked: LockedWallet, *, owner_id: UUID, instance_id: UUID) -> InstanceView:
    """Set the owner's hold; charging for running ends with this second, and what is stored is charged on.

    Does nothing when it is set already. Raises InstanceNotFoundError, InstanceGoneError.
    """
    record = await lock_owned(tx, locked, owner_id=owner_id, instance_id=instance_id)
    require_live(record)
    if Hold.OWNER in record.holds:
        return record.view()
    after = replace(record, holds=record.holds | {Hold.OWNER})
    await meter(tx, locked, after)
    stored = await write_intent(tx, record, after, now=locked.now, kind=EventKind.SUSPEND_REQUESTED, actor=Actor.OWNER)
    return stored.view()


async def resume_instance(
    tx: Connection, locked: LockedWallet, *, owner_id: UUID, instance_id: UUID, runway_seconds: int
) -> InstanceView:
    """Clear the owner's hold, and the balance and cap holds with it where wallet and cap cover the runway (seconds).

    Where its storage is full, it may run and grow for an hour in which room can be made, once a day. Charging begins
    when the agent has confirmed. Does nothing when nothing holds the instance. Raises InstanceNotFoundError,
    InstanceGoneError, HeldError, StorageFullError, InsufficientBalanceError, CapReachedError.
    """
    record = await lock_owned(tx, locked, owner_id=owner_id, instance_id=instance_id)
    require_live(record)
    if record.holds - CLEARED_BY_OWNER - {Hold.STORAGE}:
        raise HeldError
    if not record.holds:
        return (await _with_room(tx, record, now=locked.now)).view() if record.ladder.curbed else record.view()
    missing = await _missing(tx, locked, record, runway_seconds=runway_seconds)
    if missing is not None:
        raise REFUSALS[missing]
    roomy = await _with_room(tx, record, now=locked.now) if Hold.STORAGE in record.holds else record
    after = replace(roomy, holds=frozenset())
    stored = await write_intent(tx, roomy, after, now=locked.now, kind=EventKind.RESUME_REQUESTED, actor=Actor.OWNER)
    return stored.view()


async def freeze_indebted(tx: Connection, locked: LockedWallet) -> list[UUID]:
    """Set the frozen hold on every live instance of a wallet that owes; charging ends with this second.

    Answers the ids of those that ran until now, which are due to be sent. Does nothing where nothing is owed.
    """
    if not await wallet.debt(tx, locked.wallet.id):
        return []
    live = await rows(tx, LIVE, locked.wallet.id)
    stopped: list[UUID] = []
    for record in await lock_records(tx, [found["id"] for found in live]):
        if Hold.FROZEN in record.holds:
            continue
        after = replace(record, holds=record.holds | {Hold.FROZEN})
        await meter(tx, locked, after)
        await write_intent(tx, record, after, now=locked.now, kind=EventKind.FROZEN, actor=Actor.PLATFORM)
        if not record.holds:
            stopped.append(record.id)
    return stopped


async def resume_covered(tx: Connection, locked: LockedWallet, *, runway_seconds: int) -> list[UUID]:
    """Clear the balance and the frozen hold, and only these, wherever the wallet covers the runway (seconds).

    Oldest first, and nothing while the wallet owes. Where the debt is paid and the runway is not covered, the balance
    hold takes the frozen one's place, or the cap hold where the monthly cap leaves no room. Answers the ids of those
    that may run again, which are due to be sent.
    """
    if await wallet.debt(tx, locked.wallet.id):
        return []
    return await _lift(tx, locked, CLEARED_BY_MONEY, BALANCE_FIRST, runway_seconds=runway_seconds)


async def resume_capped(tx: Connection, locked: LockedWallet, *, runway_seconds: int) -> list[UUID]:
    """Clear the cap hold, and only that one, wherever cap and wallet cover the runway (seconds), oldest first.

    Where only the balance does not cover it, the balance hold takes its place. Answers the ids of those that may run
    again, which are due to be sent.
    """
    return await _lift(tx, locked, CLEARED_BY_MONTH, CAP_FIRST, runway_seconds=runway_seconds)


async def _lift(
    tx: Connection, locked: LockedWallet, lifted: frozenset[Hold], order: Sequence[Hold], *, runway_seconds: int
) -> list[UUID]:
    held = await rows(tx, HELD_FOR, locked.wallet.id, [hold.value for hold in lifted])
    resumed: list[UUID] = []
    for record in await lock_records(tx, [found["id"] for found in held]):
        holds = record.holds - lifted
        missing = await _missing(tx, locked, record, runway_seconds=runway_seconds, order=order)
        if missing is not None and (missing in record.holds or not holds):
            holds |= {missing}
        if holds == record.holds:
            continue
        kind = _lifted(record, holds)
        after = replace(record, holds=holds)
        await meter(tx, locked, after)
        stored = await write_intent(tx, record, after, now=locked.now, kind=kind, actor=Actor.PLATFORM)
        if not stored.holds:
            resumed.append(stored.id)
    return resumed


async def _with_room(tx: Connection, record: InstanceRecord, *, now: int) -> InstanceRecord:
    ladder = give_room(record.ladder, used_bytes=record.storage_bytes, limit_bytes=record.storage_limit_bytes, now=now)
    if ladder is None:
        next_at = clock.rfc3339(room_from(record.ladder))
        raise StorageFullError(f"{StorageFullError.sentence} The next hour can begin at {next_at}.")
    return await write_intent(
        tx, record, with_ladder(record, ladder), now=now, kind=EventKind.STORAGE_ROOM, actor=Actor.OWNER
    )


def _lifted(record: InstanceRecord, holds: frozenset[Hold]) -> EventKind:
    if Hold.FROZEN in record.holds:
        return EventKind.THAWED
    if Hold.CAP in holds - record.holds:
        return EventKind.CAP_TOO_LOW
    if Hold.BALANCE in holds - record.holds:
        return EventKind.UNAFFORDABLE
    return EventKind.CAP_LIFTED if Hold.CAP in record.holds - holds else EventKind.BALANCE_COVERED


async def _missing(
    tx: Connection,
    locked: LockedWallet,
    record: InstanceRecord,
    *,
    runway_seconds: int,
    order: Sequence[Hold] = BALANCE_FIRST,
) -> Hold | None:
    pending = [usage for usage in await pending_usage(tx, locked) if usage.resource_id != record.id]
    added = [*pending, Usage(record.id, record.plan_id)]
    return await lacking(tx, locked, added=added, runway_seconds=runway_seconds, order=order)
