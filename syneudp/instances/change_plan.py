"""Put an instance on another plan of its engine: another price from this second on, other limits on its way."""

from dataclasses import replace
from typing import Final
from uuid import UUID

from syneudp import catalog, wallet
from syneudp.catalog import PlanView
from syneudp.engines.contract import State
from syneudp.instances.errors import PlanOfAnotherEngineError, PlanTooSmallError
from syneudp.instances.intents import lock_owned, require_live, write_intent
from syneudp.instances.records import InstanceRecord
from syneudp.instances.runway import pending_usage, require_runway
from syneudp.instances.values import Actor, EventKind, InstanceView
from syneudp.kernel.database import Connection, execute
from syneudp.wallet import LockedWallet, Usage

WRITE_PLAN: Final = (
    "UPDATE instances SET plan_id = $2, plan_slug = $3, max_connections = $4, temp_bytes = $5,"
    " storage_limit_bytes = $6, statement_seconds = $7, idle_transaction_seconds = $8, memory_bytes = $9 WHERE id = $1"
)


async def change_plan(
    tx: Connection,
    locked: LockedWallet,
    *,
    owner_id: UUID,
    instance_id: UUID,
    plan: PlanView,
    runway_seconds: int,
) -> InstanceView:
    """Move a live instance to another plan of its engine; does nothing where it is on that plan already.

    What runs costs the plan's price at once: this second is still charged at the old one, and a dearer plan needs the
    runway (seconds) as a start would. So does what is only stored, without the runway. The limits go out at a higher
    generation. Raises InstanceNotFoundError, InstanceGoneError, PlanOfAnotherEngineError, PlanTooSmallError,
    InsufficientBalanceError, CapReachedError, CapacityExhaustedError.
    """
    record = await lock_owned(tx, locked, owner_id=owner_id, instance_id=instance_id)
    require_live(record)
    if plan.engine is not record.engine:
        raise PlanOfAnotherEngineError
    if plan.slug == record.plan_slug:
        return record.view()
    if record.storage_bytes > plan.storage_limit_bytes:
        raise PlanTooSmallError
    await _require_runway(tx, locked, record, plan, runway_seconds=runway_seconds)
    await wallet.reprice_segment(tx, locked, resource_id=record.id, tariff_id=plan.id)
    after = _on_plan(record, plan)
    await _write_plan(tx, after, plan)
    stored = await write_intent(
        tx,
        record,
        after,
        now=locked.now,
        kind=EventKind.PLAN_CHANGED,
        actor=Actor.OWNER,
        detail=f"{record.plan_slug} to {plan.slug}",
    )
    await catalog.resize(tx, host_id=record.host_id, added_bytes=plan.storage_limit_bytes - record.storage_limit_bytes)
    return stored.view()


async def _require_runway(
    tx: Connection, locked: LockedWallet, record: InstanceRecord, plan: PlanView, *, runway_seconds: int
) -> None:
    if record.wanted is not State.RUNNING:
        return
    present, wanted = Usage(record.id, record.plan_id), Usage(record.id, plan.id)
    if await _hourly(tx, locked, wanted) <= await _hourly(tx, locked, present):
        return
    added = [usage for usage in await pending_usage(tx, locked) if usage.resource_id != record.id]
    await require_runway(tx, locked, added=[*added, wanted], runway_seconds=runway_seconds)


async def _hourly(tx: Connection, locked: LockedWallet, usage: Usage) -> int:
    return (await wallet.prices(tx, [usage], at=locked.now))[usage.resource_id].price_micros_per_hour


def _on_plan(record: InstanceRecord, plan: PlanView) -> InstanceRecord:
    return replace(
        record,
        plan_id=plan.id,
        plan_slug=plan.slug,
        limits=plan.limits.model_copy(update={"may_grow": record.limits.may_grow}),
        storage_limit_bytes=plan.storage_limit_bytes,
    )


async def _write_plan(tx: Connection, after: InstanceRecord, plan: PlanView) -> None:
    await execute(
        tx,
        WRITE_PLAN,
        after.id,
        plan.id,
        plan.slug,
        plan.max_connections,
        plan.temp_bytes,
        plan.storage_limit_bytes,
        plan.statement_seconds,
        plan.idle_transaction_seconds,
        plan.memory_bytes,
    )
