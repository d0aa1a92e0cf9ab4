"""One instance as its row and its holds tell it, and what follows from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from syneudp.engines.contract import Engine, Limits, State
from syneudp.instances.errors import InstanceNotFoundError
from syneudp.instances.rules import accrual_of, is_confirmed, status_of, wanted_state
from syneudp.instances.values import Accrual, ConnectionView, Hold, InstanceView, Ladder, Removal, Rung, Status
from syneudp.kernel.database import Connection, row, rows

SELECT_RECORD: Final = (
    "SELECT i.*, ARRAY(SELECT h.hold FROM instance_holds h WHERE h.instance_id = i.id ORDER BY h.hold) AS holds"
    " FROM instances i"
)


@dataclass(frozen=True, slots=True)
class InstanceRecord:
    """What is wanted of an instance and what its agent confirmed. Micro-units an hour, epoch seconds."""

    id: UUID
    owner_id: UUID
    wallet_id: UUID
    name: str
    engine: Engine
    plan_id: UUID
    plan_slug: str
    limits: Limits
    storage_limit_bytes: int
    host_id: UUID
    placed: bool
    removal: Removal | None
    holds: frozenset[Hold]
    generation: int
    state_generation: int
    credential_version: int
    applied_generation: int
    observed: State | None
    applied_credential_version: int
    connection: ConnectionView | None
    storage_bytes: int
    difference: str | None
    storage_measured: bool
    ladder: Ladder
    created_at: int
    ready_at: int | None
    last_event_at: int

    @property
    def wanted(self) -> State:
        """What the agent should bring about."""
        return wanted_state(self.removal, self.holds)

    @property
    def confirmed(self) -> bool:
        """Whether the agent has confirmed the wanted state since it was last wanted."""
        return is_confirmed(
            self.wanted,
            self.observed,
            applied_generation=self.applied_generation,
            state_generation=self.state_generation,
        )

    @property
    def metered(self) -> bool:
        """Whether it is charged as running: exactly while the instance is confirmed as running."""
        return self.wanted is State.RUNNING and self.confirmed

    @property
    def accrues(self) -> Accrual:
        """What it is to be charged for as it is wanted now."""
        return accrual_of(self.removal, self.holds, stored=self.ready_at is not None)

    @property
    def ever_applied(self) -> bool:
        """Whether the agent has confirmed anything yet."""
        return self.applied_generation > 0

    @property
    def rotating(self) -> bool:
        """Whether a new password is on its way."""
        return self.ever_applied and self.applied_credential_version != self.credential_version

    @property
    def status(self) -> Status:
        """What the customer is told."""
        return status_of(self.removal, self.wanted, confirmed=self.confirmed, ever_applied=self.ever_applied)

    def view(self) -> InstanceView:
        """Turn the record into what its owner may see."""
        return InstanceView(
            id=self.id,
            owner_id=self.owner_id,
            wallet_id=self.wallet_id,
            name=self.name,
            engine=self.engine,
            plan=self.plan_slug,
            status=self.status,
            holds=tuple(sorted(self.holds)),
            created_at=self.created_at,
            ready_at=self.ready_at,
            connection=None if self.removal else self.connection,
            plan_id=self.plan_id,
            accrues=self.accrues,
            generation=self.generation,
            storage_bytes=self.storage_bytes,
            storage_limit_bytes=self.storage_limit_bytes,
            limits=self.limits,
            rotation_pending=self.rotating and self.removal is None,
            storage_measured=self.storage_measured,
            ladder=self.ladder,
        )


async def read_record(connection: Connection, instance_id: UUID) -> InstanceRecord | None:
    """Read an instance without locking it."""
    found = await row(connection, f"{SELECT_RECORD} WHERE i.id = $1", instance_id)
    return None if found is None else record_of(found)


async def lock_record(tx: Connection, instance_id: UUID) -> InstanceRecord:
    """Lock an instance and read it afterwards, to see holds set while waiting. Raises InstanceNotFoundError."""
    locked = await lock_records(tx, [instance_id])
    if not locked:
        raise InstanceNotFoundError
    return locked[0]


async def lock_records(tx: Connection, instance_ids: Sequence[UUID]) -> list[InstanceRecord]:
    """Lock instances in the order of their ids, as every transaction does, and read them afterwards."""
    wanted = list(instance_ids)
    await rows(tx, "SELECT id FROM instances WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE", wanted)
    found = await rows(tx, f"{SELECT_RECORD} WHERE i.id = ANY($1) ORDER BY i.id", wanted)
    return [record_of(told) for told in found]


def record_of(found: dict[str, Any]) -> InstanceRecord:
    """Turn a row of SELECT_RECORD into a record."""
    connection = None
    if found["endpoint_host"] is not None:
        connection = ConnectionView(
            host=found["endpoint_host"],
            port=found["endpoint_port"],
            database=found["database_name"],
            username=found["username"],
            tls=found["endpoint_tls"],
        )
    return InstanceRecord(
        id=found["id"],
        owner_id=found["owner_id"],
        wallet_id=found["wallet_id"],
        name=found["name"],
        engine=Engine(found["engine"]),
        plan_id=found["plan_id"],
        plan_slug=found["plan_slug"],
        limits=Limits(
            max_connections=found["max_connections"],
            temp_bytes=found["temp_bytes"],
            statement_seconds=found["statement_seconds"],
            idle_transaction_seconds=found["idle_transaction_seconds"],
            memory_bytes=found["memory_bytes"],
            may_grow=found["may_grow"],
        ),
        storage_limit_bytes=found["storage_limit_bytes"],
        host_id=found["host_id"],
        placed=found["placed"],
        removal=None if found["terminated_for"] is None else Removal(found["terminated_for"]),
        holds=frozenset(Hold(hold) for hold in found["holds"]),
        generation=found["generation"],
        state_generation=found["state_generation"],
        credential_version=found["credential_version"],
        applied_generation=found["applied_generation"],
        observed=None if found["observed_state"] is None else State(found["observed_state"]),
        applied_credential_version=found["applied_credential_version"],
        connection=connection,
        storage_bytes=found["storage_bytes"],
        difference=found["difference"],
        storage_measured=found["storage_measured"],
        ladder=Ladder(
            rung=Rung(found["storage_rung"]),
            curbed=not found["may_grow"] or Hold.STORAGE in found["holds"],
            curb_at=found["storage_curb_at"],
            ceiling_bytes=found["storage_ceiling_bytes"],
            room_at=found["storage_room_at"],
        ),
        created_at=found["created_at"],
        ready_at=found["ready_at"],
        last_event_at=found["last_event_at"],
    )
