"""What the instances room hands out: frozen values, with money in micro-units and instants in epoch seconds."""

from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from syneudp.engines.client import AgentClient
from syneudp.engines.contract import Engine, Limits
from syneudp.instances.passwords import PasswordStock
from syneudp.kernel.sealing import Keyring


class Status(StrEnum):
    """What a customer is told about an instance; derived from what is wanted and what the agent confirmed."""

    PROVISIONING = "provisioning"
    RUNNING = "running"
    SUSPENDING = "suspending"
    SUSPENDED = "suspended"
    RESUMING = "resuming"
    TERMINATING = "terminating"
    TERMINATED = "terminated"
    FAILED = "failed"


class Hold(StrEnum):
    """A reason for which an instance must not run; it runs exactly while it has none."""

    OWNER = "owner"
    BALANCE = "balance"
    CAP = "cap"
    STORAGE = "storage"
    OPERATOR = "operator"
    FROZEN = "frozen"


class Accrual(StrEnum):
    """What an instance is charged for as it is wanted: running and what it stores, what it stores, or nothing."""

    RUNNING = "running"
    STORED = "stored"
    NOTHING = "nothing"


class Rung(StrEnum):
    """How far an instance's storage has filled: below 80 % of its plan's, from there on, all of it."""

    CLEAR = "clear"
    NEAR = "near"
    FULL = "full"


class Removal(StrEnum):
    """Why an instance is wanted gone: asked for, unpaid past retention, refused by the agent, or withdrawn."""

    OWNER = "owner"
    RETENTION = "retention"
    REFUSAL = "refusal"
    WITHDRAWAL = "withdrawal"


class Actor(StrEnum):
    """Who did what an event tells."""

    OWNER = "owner"
    PLATFORM = "platform"
    OPERATOR = "operator"


class EventKind(StrEnum):
    """What an event tells."""

    CREATED = "created"
    READY = "ready"
    RENAMED = "renamed"
    PLAN_CHANGED = "plan_changed"
    SUSPEND_REQUESTED = "suspend_requested"
    SUSPENDED = "suspended"
    RESUME_REQUESTED = "resume_requested"
    RESUMED = "resumed"
    BALANCE_DEPLETED = "balance_depleted"
    BALANCE_COVERED = "balance_covered"
    UNAFFORDABLE = "unaffordable"
    CAP_REACHED = "cap_reached"
    CAP_LIFTED = "cap_lifted"
    CAP_TOO_LOW = "cap_too_low"
    FROZEN = "frozen"
    THAWED = "thawed"
    ROTATE_REQUESTED = "rotate_requested"
    ROTATED = "rotated"
    PREVIOUS_KEPT = "previous_kept"
    TERMINATE_REQUESTED = "terminate_requested"
    RETENTION_ENDED = "retention_ended"
    TERMINATED = "terminated"
    REFUSED = "refused"
    DRIFTED = "drifted"
    ENGINE_BEHIND = "engine_behind"
    ENGINE_AHEAD = "engine_ahead"
    MISSING = "missing"
    STORAGE_NEAR = "storage_near"
    STORAGE_EASED = "storage_eased"
    STORAGE_FULL = "storage_full"
    STORAGE_CURBED = "storage_curbed"
    STORAGE_FREED = "storage_freed"
    STORAGE_ROOM = "storage_room"
    FOUND_AGAIN = "found_again"
    ENGINE_RESTORED = "engine_restored"


@dataclass(frozen=True, slots=True)
class ConnectionView:
    """Where a customer connects to; never a password."""

    host: str
    port: int
    database: str
    username: str
    tls: bool


@dataclass(frozen=True, slots=True)
class Ladder:
    """Where an instance stands on the storage ladder. Instants in epoch seconds.

    `curbed`: the platform keeps it from growing, by suspending it on PostgreSQL and by refusing writes that add data on
    MySQL. Full and not curbed, it will be at `curb_at`, or as soon as it uses more than `ceiling_bytes`. `room_at` is
    when its owner was last given time to make room.
    """

    rung: Rung = Rung.CLEAR
    curbed: bool = False
    curb_at: int | None = None
    ceiling_bytes: int | None = None
    room_at: int | None = None


@dataclass(frozen=True, slots=True)
class InstanceView:
    """An instance as its owner may see it. `ready_at` is the first second it could be connected to.

    `storage_bytes` says something only once `storage_measured`.
    """

    id: UUID
    owner_id: UUID
    wallet_id: UUID
    name: str
    engine: Engine
    plan: str
    status: Status
    holds: tuple[Hold, ...]
    created_at: int
    ready_at: int | None
    connection: ConnectionView | None
    plan_id: UUID
    accrues: Accrual
    generation: int
    storage_bytes: int
    storage_limit_bytes: int
    limits: Limits
    rotation_pending: bool
    storage_measured: bool = False
    ladder: Ladder = Ladder()


@dataclass(frozen=True, slots=True)
class InstancePage:
    """Some instances, newest first, and where the next page begins; None at the end."""

    items: tuple[InstanceView, ...]
    next_cursor: UUID | None


@dataclass(frozen=True, slots=True)
class EventView:
    """Something that happened to an instance."""

    id: UUID
    kind: EventKind
    actor: Actor
    happened_at: int
    detail: str


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some events, newest first, and where the next page begins; None at the end."""

    items: tuple[EventView, ...]
    next_cursor: UUID | None


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A password in the clear and the connection URI that holds it; has no repr, so that no log line shows it."""

    password: str
    uri: str


@dataclass(frozen=True, slots=True)
class PendingDelivery:
    """An instance whose desired state is due to be sent, and the host it goes to."""

    instance_id: UUID
    host_id: UUID


@dataclass(frozen=True, slots=True)
class InstanceServices:
    """What a delivery needs: the agents' client, the keys that open credentials, the runway of a start in seconds.

    `passwords` are what a creation gets.
    """

    agents: AgentClient
    keyring: Keyring
    runway_seconds: int
    passwords: PasswordStock = field(default_factory=PasswordStock)
