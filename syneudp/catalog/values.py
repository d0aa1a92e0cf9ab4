"""What the catalog sells and where it puts it, as values: sizes in bytes, prices in micro-units an hour."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from syneudp.engines.contract import Engine, Limits

KEEPING_FLAVOUR: Final = "mysql"


class HostState(StrEnum):
    """Only an open host takes new instances; a quarantined one was restored and waits for the operator."""

    OPEN = "open"
    DRAINING = "draining"
    CLOSED = "closed"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class PlanView:
    """A plan with the price that holds at the instant asked for. A limit of 0 seconds or bytes is none."""

    id: UUID
    slug: str
    engine: Engine
    name: str
    max_connections: int
    temp_bytes: int
    storage_limit_bytes: int
    statement_seconds: int
    idle_transaction_seconds: int
    memory_bytes: int
    price_micros_per_hour: int
    storage_price_micros_per_gib_hour: int
    currency: str

    @property
    def limits(self) -> Limits:
        """What a database on this plan may use, as its agent is told."""
        return Limits(
            max_connections=self.max_connections,
            temp_bytes=self.temp_bytes,
            statement_seconds=self.statement_seconds,
            idle_transaction_seconds=self.idle_transaction_seconds,
            memory_bytes=self.memory_bytes,
        )


@dataclass(frozen=True, slots=True)
class PlanPrice:
    """What a plan costs from `begins_at` on (epoch seconds, a full hour), until the next of its prices begins."""

    plan_id: UUID
    slug: str
    begins_at: int
    currency: str
    price_micros_per_hour: int
    storage_price_micros_per_gib_hour: int


@dataclass(frozen=True, slots=True)
class HostView:
    """An engine host; the agent's address is for the platform alone and never reaches a customer.

    `asked_at` is when the billing role last asked whether it answers, and `unreachable_since` since when it does not,
    in epoch seconds. `engine_version` is empty until it was told.
    """

    id: UUID
    name: str
    engine: Engine
    agent_url: str
    state: HostState
    capacity_instances: int
    capacity_bytes: int | None
    placed_instances: int
    placed_bytes: int
    engine_version: str
    asked_at: int | None
    unreachable_since: int | None

    @property
    def keeps_previous_password(self) -> bool:
        """Tell whether the engine lets a user's previous password work beside a new one for a while, as MySQL does."""
        return self.engine_version.partition(" ")[0] == KEEPING_FLAVOUR

    @property
    def free_percent(self) -> int:
        """Tell what share of the host is free, in whole percent: of its places or its bytes, whichever is less."""
        shares = [(self.placed_instances, self.capacity_instances)]
        if self.capacity_bytes is not None:
            shares.append((self.placed_bytes, self.capacity_bytes))
        return min(max(capacity - placed, 0) * 100 // capacity for placed, capacity in shares)


@dataclass(frozen=True, slots=True)
class QuarantineView:
    """Why a host takes nothing new, since when (epoch seconds), and the state it goes back to."""

    host_id: UUID
    reason: str
    began_at: int
    state_before: HostState


@dataclass(frozen=True, slots=True)
class DeclaredHost:
    """A host as the operator declares it: capacity in instances, and in bytes where those are to be counted too."""

    name: str
    engine: Engine
    agent_url: str
    capacity: int
    capacity_bytes: int | None = None
