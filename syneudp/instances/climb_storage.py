"""Bring instances to the rung that their storage calls for: events, writes refused or a hold, and back."""

from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from syneudp.engines.contract import Engine
from syneudp.instances.intents import add_event, meter, write_intent
from syneudp.instances.records import SELECT_RECORD, InstanceRecord, lock_record, record_of
from syneudp.instances.storage_ladder import climb
from syneudp.instances.values import Actor, EventKind, Hold, Ladder
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, rows
from syneudp.wallet import LockedWallet

FILLING: Final = (
    f"{SELECT_RECORD} WHERE i.host_id = $1 AND i.terminated_for IS NULL AND i.storage_measured"
    " AND (i.storage_rung <> 'clear' OR i.storage_bytes >= i.storage_limit_bytes / 5 * 4) ORDER BY i.id"
)


@dataclass(frozen=True, slots=True)
class Filling:
    """An instance that its storage calls to another rung, and its wallet."""

    instance_id: UUID
    wallet_id: UUID


async def filling_of(connection: Connection, *, host_id: UUID, now: int) -> list[Filling]:
    """List the instances of a host whose latest measurement asks for a step on the ladder."""
    found = [record_of(told) for told in await rows(connection, FILLING, host_id)]
    return [
        Filling(instance_id=record.id, wallet_id=record.wallet_id)
        for record in found
        if _climbed(record, now=now) != (record.ladder, ())
    ]


async def climb_storage(tx: Connection, locked: LockedWallet, *, instance_id: UUID) -> bool:
    """Take the steps that an instance's latest measurement asks for; true where its agent must hear of it.

    Each step is an event. A hold ends the charge for running with this second, and what is stored is charged on; where
    it is lifted, charging for running begins again once the agent has confirmed.
    """
    record = await lock_record(tx, instance_id)
    if record.removal is not None:
        return False
    ladder, steps = _climbed(record, now=locked.now)
    if not steps:
        return False
    after = with_ladder(record, ladder)
    if after.holds != record.holds:
        await meter(tx, locked, after)
    for step in steps[:-1]:
        await add_event(
            tx, record, now=locked.now, kind=step, actor=Actor.PLATFORM, detail=_detail(record, ladder, step)
        )
    stored = await write_intent(
        tx,
        record,
        after,
        now=locked.now,
        kind=steps[-1],
        actor=Actor.PLATFORM,
        detail=_detail(record, ladder, steps[-1]),
    )
    return stored.generation != record.generation


def with_ladder(record: InstanceRecord, ladder: Ladder) -> InstanceRecord:
    """Put an instance on a rung: curbed by the `storage` hold on PostgreSQL, by `may_grow` on MySQL."""
    if record.engine is Engine.MYSQL:
        limits = record.limits.model_copy(update={"may_grow": not ladder.curbed})
        return replace(record, ladder=ladder, limits=limits)
    holds = record.holds | {Hold.STORAGE} if ladder.curbed else record.holds - {Hold.STORAGE}
    return replace(record, ladder=ladder, holds=holds)


def _climbed(record: InstanceRecord, *, now: int) -> tuple[Ladder, tuple[EventKind, ...]]:
    return climb(
        record.ladder,
        engine=record.engine,
        used_bytes=record.storage_bytes,
        limit_bytes=record.storage_limit_bytes,
        running=record.metered,
        now=now,
    )


def _detail(record: InstanceRecord, ladder: Ladder, step: EventKind) -> str:
    used = f"{record.storage_bytes} of {record.storage_limit_bytes} bytes"
    if step is EventKind.STORAGE_FULL and ladder.curb_at is not None:
        return f"{used}, suspended at {clock.rfc3339(ladder.curb_at)} unless it shrinks"
    return used
