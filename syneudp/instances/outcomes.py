"""What an agent answered, written down only where it is still what is wanted; each in a transaction of its own."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum, auto
from typing import Final

from syneudp import catalog, wallet
from syneudp.engines.contract import Applied, DatabaseReport, State
from syneudp.instances.credentials import read_previous_seconds
from syneudp.instances.intents import add_event, hold_for_money, meter, schedule, send_again, write_intent
from syneudp.instances.lock_wallet import lock_wallet
from syneudp.instances.parcels import Sent
from syneudp.instances.records import InstanceRecord, lock_record
from syneudp.instances.rules import REFUSED_BACKOFF_SECONDS, backoff_seconds, require_transition
from syneudp.instances.runway import NO_START, first_hold
from syneudp.instances.values import Actor, ConnectionView, EventKind, Hold, Removal
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, execute, load_sql
from syneudp.kernel.identifiers import new_id
from syneudp.kernel.logging import log
from syneudp.wallet import LockedWallet

AFFORDABLE_SECONDS: Final = 1
LATE_CUT_SECONDS: Final = 5
CHANCE: Final = secrets.SystemRandom()
CONFLICT_CODE: Final = "generation_conflict"
WRITE_POSTPONED: Final = (
    "UPDATE instance_outbox SET lease_id = NULL, leased_until = NULL, due_at = $3"
    " WHERE instance_id = $1 AND lease_id = $2"
)


class Outcome(StrEnum):
    """How a delivery ended: what was sent is confirmed, something newer is to be sent now, or it is put off."""

    CONFIRMED = auto()
    SUPERSEDED = auto()
    POSTPONED = auto()


@dataclass(frozen=True, slots=True)
class Recorded:
    """How a delivery ended; `record` is the instance as a confirmation left it."""

    outcome: Outcome
    record: InstanceRecord | None = None


async def record_applied(tx: Connection, sent: Sent, applied: Applied) -> Recorded:
    """Write down a confirmation; opens the segment of what now runs, or holds what cannot pay a second.

    A confirmation of something no longer wanted changes nothing.
    """
    locked = await lock_wallet(tx, sent.wallet_id) if sent.state is State.RUNNING else None
    now = locked.now if locked else await clock.now(tx)
    before = await lock_record(tx, sent.instance_id)
    if not sent.is_still_wanted(before):
        log.info("late_outcome_ignored", instance=str(sent.instance_id), generation=sent.generation)
        return Recorded(Outcome.SUPERSEDED)
    answered = (applied.instance_id, applied.applied_generation, applied.state, applied.credential_version)
    if answered != (sent.instance_id, sent.generation, sent.state, sent.credential_version):
        log.error("agent_confirms_something_else", instance=str(sent.instance_id), generation=sent.generation)
        return Recorded(await record_unavailable(tx, sent))
    missing = await _start(tx, locked, before) if locked is not None and not before.confirmed else None
    after = _confirmed(before, applied, now=now, usable=missing is None)
    if locked is not None and missing is not None:
        await _write_applied(tx, after, now=now, told=[], ended=False)
        held = await hold_for_money(tx, after, missing, now=now, kind=NO_START[missing])
        await meter(tx, locked, held)
        return Recorded(Outcome.SUPERSEDED)
    require_transition(before.status, after.status)
    if sent.state is State.SUSPENDED and not before.confirmed and now - before.last_event_at > LATE_CUT_SECONDS:
        log.error("cut_late", instance=str(after.id), seconds=now - before.last_event_at)
    await _write_applied(tx, after, now=now, told=_told(before, after, kept=await _kept(tx, before, after)), ended=True)
    if before.placed and not after.placed:
        await catalog.release(tx, host_id=after.host_id, storage_bytes=after.storage_limit_bytes)
    return Recorded(Outcome.CONFIRMED, after)


async def record_unavailable(tx: Connection, sent: Sent) -> Outcome:
    """Put the delivery off, longer with each attempt; nothing is known about the instance."""
    now = await clock.now(tx)
    await postpone(tx, sent, due_at=now + backoff_seconds(sent.attempts, chance=CHANCE.random()))
    return Outcome.POSTPONED


async def record_refused(tx: Connection, sent: Sent, *, status: int, code: str) -> Outcome:
    """Write down a refusal for good.

    An instance that never was fails: nothing was or is charged, and its placement goes once the agent has confirmed the
    tombstone. One that holds a customer's data is never dropped for a refusal: the operator is told and it is tried
    again.
    """
    now = await clock.now(tx)
    record = await lock_record(tx, sent.instance_id)
    if not sent.is_still_wanted(record):
        return Outcome.SUPERSEDED
    log.error("agent_refused", instance=str(sent.instance_id), status=status, code=code, state=sent.state.value)
    if code == CONFLICT_CODE:
        await send_again(tx, record, now=now, kind=EventKind.ENGINE_AHEAD, detail=code)
        return Outcome.SUPERSEDED
    if not record.ever_applied and record.removal is None:
        await execute(tx, "UPDATE instances SET refused_code = $2 WHERE id = $1", record.id, code)
        after = replace(record, removal=Removal.REFUSAL)
        await write_intent(tx, record, after, now=now, kind=EventKind.REFUSED, actor=Actor.PLATFORM, detail=code)
        return Outcome.SUPERSEDED
    if sent.attempts == 1:
        await add_event(tx, record, now=now, kind=EventKind.REFUSED, actor=Actor.PLATFORM, detail=code)
    await postpone(tx, sent, due_at=now + REFUSED_BACKOFF_SECONDS)
    return Outcome.POSTPONED


async def record_stale(tx: Connection, sent: Sent, report: DatabaseReport | None) -> Outcome:
    """Act on an agent that knows a newer generation than was sent.

    Where something newer is wanted here too, that is simply on its way. Where it is not, control plane and engine
    disagree (one of them was restored from a backup): the operator is told and the wanted state goes out above the
    agent's.
    """
    now = await clock.now(tx)
    record = await lock_record(tx, sent.instance_id)
    if not sent.is_still_wanted(record):
        return Outcome.SUPERSEDED
    above = max(report.accepted_generation, report.applied_generation) if report else record.generation
    log.error("engine_ahead", instance=str(record.id), wanted=record.generation, engine=above)
    await send_again(tx, record, now=now, kind=EventKind.ENGINE_AHEAD, detail=f"generation {above}", above=above)
    return Outcome.SUPERSEDED


async def withdraw(tx: Connection, sent: Sent) -> bool:
    """Take back a creation that the agent has not begun; false where it is no longer what was sent."""
    now = await clock.now(tx)
    record = await lock_record(tx, sent.instance_id)
    if not sent.is_still_wanted(record) or record.ever_applied or record.removal is not None:
        return False
    after = replace(record, removal=Removal.WITHDRAWAL)
    await write_intent(
        tx,
        record,
        after,
        now=now,
        kind=EventKind.TERMINATE_REQUESTED,
        actor=Actor.PLATFORM,
        detail="engine unavailable",
    )
    await schedule(tx, record.id, due_at=now + backoff_seconds(1, chance=CHANCE.random()))
    return True


async def postpone(tx: Connection, sent: Sent, *, due_at: int) -> None:
    """End the lease and have the delivery tried again at `due_at` (epoch seconds), unless another leads it."""
    await execute(tx, WRITE_POSTPONED, sent.instance_id, sent.lease_id, due_at)


def _confirmed(before: InstanceRecord, applied: Applied, *, now: int, usable: bool) -> InstanceRecord:
    after = replace(
        before,
        applied_generation=applied.applied_generation,
        observed=applied.state,
        applied_credential_version=applied.credential_version,
    )
    if applied.state is State.TERMINATED:
        return replace(after, placed=False)
    connection = ConnectionView(
        host=applied.endpoint.host,
        port=applied.endpoint.port,
        database=applied.database,
        username=applied.username,
        tls=applied.endpoint.tls,
    )
    ready_at = before.ready_at
    if applied.state is State.RUNNING and usable and ready_at is None:
        ready_at = max(now, before.created_at)
    return replace(after, connection=connection, ready_at=ready_at)


async def _start(tx: Connection, locked: LockedWallet, record: InstanceRecord) -> Hold | None:
    """Charge it as running from now on, or tell what does not cover a second of that."""
    return first_hold(
        await wallet.start_segment(
            tx, locked, resource_id=record.id, tariff_id=record.plan_id, runway_seconds=AFFORDABLE_SECONDS
        )
    )


async def _kept(tx: Connection, before: InstanceRecord, after: InstanceRecord) -> int:
    if not before.rotating:
        return 0
    return await read_previous_seconds(tx, instance_id=after.id, version=after.applied_credential_version)


async def _write_applied(
    tx: Connection, after: InstanceRecord, *, now: int, told: Sequence[tuple[EventKind, str]], ended: bool
) -> None:
    """Store a confirmation with its events, settle the passwords, and end the delivery where that is all."""
    connection = after.connection
    await execute(
        tx,
        load_sql(__file__, "write_applied.sql"),
        after.id,
        after.applied_generation,
        after.observed,
        after.applied_credential_version,
        after.ready_at,
        connection.host if connection else None,
        connection.port if connection else None,
        connection.tls if connection else None,
        connection.database if connection else None,
        connection.username if connection else None,
        after.placed,
        now,
        after.generation,
        [new_id() for _ in told],
        [kind.value for kind, _ in told],
        [detail for _, detail in told],
        ended,
    )


def _told(before: InstanceRecord, after: InstanceRecord, *, kept: int) -> list[tuple[EventKind, str]]:
    told: list[tuple[EventKind, str]] = []
    if before.rotating and after.observed is not State.TERMINATED:
        told.append((EventKind.ROTATED, ""))
        if kept and after.observed is State.RUNNING:
            told.append((EventKind.PREVIOUS_KEPT, f"for {kept} s"))
    if before.confirmed:
        return told
    if after.observed is State.TERMINATED:
        told.append((EventKind.TERMINATED, ""))
    elif after.observed is State.SUSPENDED:
        told.append((EventKind.SUSPENDED, ""))
    else:
        told.append((EventKind.READY if before.ready_at is None else EventKind.RESUMED, ""))
    return told
