"""How an intent is written down: what is wanted, a higher generation, an event, the outbox row, all at once."""

from dataclasses import replace
from typing import Final
from uuid import UUID

from syneudp import wallet
from syneudp.instances.errors import InstanceGoneError, InstanceNotFoundError
from syneudp.instances.records import InstanceRecord, lock_record
from syneudp.instances.rules import require_transition
from syneudp.instances.values import Accrual, Actor, EventKind, Hold
from syneudp.kernel.database import Connection, execute
from syneudp.kernel.identifiers import new_id
from syneudp.wallet import LockedWallet

HAND_OVER_SECONDS: Final = 2

WRITE_INTENT: Final = (
    "UPDATE instances SET name = $2, terminated_for = $3, generation = $4, state_generation = $5,"
    " credential_version = $6, last_event_at = greatest(last_event_at, $7) WHERE id = $1"
)
WRITE_LADDER: Final = (
    "UPDATE instances SET storage_rung = $2, storage_curb_at = $3, storage_ceiling_bytes = $4, storage_room_at = $5,"
    " may_grow = $6 WHERE id = $1"
)
ADD_EVENT: Final = (
    "INSERT INTO instance_events (id, instance_id, kind, actor, generation, happened_at, detail)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7)"
)
WRITE_OUTBOX: Final = (
    "INSERT INTO instance_outbox (instance_id, due_at) VALUES ($1, $2)"
    " ON CONFLICT (instance_id) DO UPDATE"
    " SET due_at = excluded.due_at, attempts = 0, lease_id = NULL, leased_until = NULL"
)


async def lock_owned(tx: Connection, locked: LockedWallet, *, owner_id: UUID, instance_id: UUID) -> InstanceRecord:
    """Lock an instance of this owner and wallet. Raises InstanceNotFoundError for anything else."""
    record = await lock_record(tx, instance_id)
    if record.owner_id != owner_id or record.wallet_id != locked.wallet.id:
        raise InstanceNotFoundError
    return record


def require_live(record: InstanceRecord) -> None:
    """Raise InstanceGoneError for an instance that failed or is wanted gone."""
    if record.removal is not None:
        raise InstanceGoneError


def raised(before: InstanceRecord, after: InstanceRecord) -> InstanceRecord:
    """Give what is wanted the next generation where it differs in anything that the agent must hear of."""
    state_changed = after.wanted is not before.wanted
    if state_changed or (after.credential_version, after.limits) != (before.credential_version, before.limits):
        after = replace(after, generation=before.generation + 1)
    return replace(after, state_generation=after.generation) if state_changed else after


async def write_intent(
    tx: Connection,
    before: InstanceRecord,
    after: InstanceRecord,
    *,
    now: int,
    kind: EventKind,
    actor: Actor,
    detail: str = "",
) -> InstanceRecord:
    """Store what is wanted from `now` on (epoch seconds) and answer it with its generation.

    The generation rises, and the outbox gets its row, only where something changed that the agent must hear of. What
    the owner asked for is left to the caller for HAND_OVER_SECONDS before the reconciler takes it; the platform's own
    is due at once.
    """
    after = raised(before, after)
    require_transition(before.status, after.status)
    await execute(
        tx,
        WRITE_INTENT,
        after.id,
        after.name,
        after.removal,
        after.generation,
        after.state_generation,
        after.credential_version,
        now,
    )
    if (after.ladder, after.limits.may_grow) != (before.ladder, before.limits.may_grow):
        await _write_ladder(tx, after)
    for hold in after.holds - before.holds:
        await execute(
            tx, "INSERT INTO instance_holds (instance_id, hold, since_at) VALUES ($1, $2, $3)", after.id, hold, now
        )
    if before.holds - after.holds:
        await execute(
            tx,
            "DELETE FROM instance_holds WHERE instance_id = $1 AND hold = ANY($2)",
            after.id,
            list(before.holds - after.holds),
        )
    await add_event(tx, after, now=now, kind=kind, actor=actor, detail=detail)
    if after.generation != before.generation:
        await schedule(tx, after.id, due_at=now + (HAND_OVER_SECONDS if actor is Actor.OWNER else 0))
    return after


async def _write_ladder(tx: Connection, after: InstanceRecord) -> None:
    ladder = after.ladder
    await execute(
        tx,
        WRITE_LADDER,
        after.id,
        ladder.rung,
        ladder.curb_at,
        ladder.ceiling_bytes,
        ladder.room_at,
        after.limits.may_grow,
    )


async def send_again(
    tx: Connection, record: InstanceRecord, *, now: int, kind: EventKind | None, detail: str, above: int = 0
) -> InstanceRecord:
    """Have the wanted state sent once more at a generation above the present one and `above`; nothing else changes.

    Without a kind no event tells it: what it repairs was told before.
    """
    generation = max(record.generation, above) + 1
    after = replace(record, generation=generation)
    await execute(
        tx,
        "UPDATE instances SET generation = $2, last_event_at = greatest(last_event_at, $3) WHERE id = $1",
        record.id,
        generation,
        now,
    )
    if kind is not None:
        await add_event(tx, after, now=now, kind=kind, actor=Actor.PLATFORM, detail=detail)
    await schedule(tx, record.id, due_at=now)
    return after


async def schedule(tx: Connection, instance_id: UUID, *, due_at: int) -> None:
    """Have the desired state sent at `due_at` (epoch seconds); ends another's lease on what was wanted before."""
    await execute(tx, WRITE_OUTBOX, instance_id, due_at)


async def add_event(
    tx: Connection, record: InstanceRecord, *, now: int, kind: EventKind, actor: Actor, detail: str = ""
) -> None:
    """Add to an instance's history."""
    await execute(tx, ADD_EVENT, new_id(), record.id, kind.value, actor.value, record.generation, now, detail)


async def hold_for_money(
    tx: Connection, record: InstanceRecord, hold: Hold, *, now: int, kind: EventKind
) -> InstanceRecord:
    """Keep an instance from running until its wallet covers it, or its cap leaves room for it, again."""
    after = replace(record, holds=record.holds | {hold})
    return await write_intent(tx, record, after, now=now, kind=kind, actor=Actor.PLATFORM)


async def meter(tx: Connection, locked: LockedWallet, record: InstanceRecord) -> None:
    """Have the instance charged for what it accrues as it is wanted: usage ends with the intent to stop.

    What is wanted running is charged as such once its agent has confirmed it; until then it goes on as it was.
    """
    if record.accrues is Accrual.NOTHING:
        await wallet.close_segment(tx, locked, resource_id=record.id)
    elif record.accrues is Accrual.STORED or record.metered:
        await wallet.open_segment(tx, locked, resource_id=record.id, tariff_id=record.plan_id, running=record.metered)
