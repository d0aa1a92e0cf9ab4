"""What states and events are called on a page, and what a customer can do about them."""

from collections.abc import Collection, Mapping
from typing import Final

from syneudp.engines.contract import Engine
from syneudp.instances import Actor, EventKind, EventView, Hold, InstanceView, Status
from syneudp.ledger import Reason
from syneudp.web.console.views import StatusView, Tone

ENGINE_NAMES: Final[Mapping[str, str]] = {Engine.POSTGRESQL: "PostgreSQL", Engine.MYSQL: "MySQL"}
WORDS: Final[Mapping[Status, tuple[str, Tone]]] = {
    Status.PROVISIONING: ("Being made", Tone.WAIT),
    Status.RUNNING: ("Running", Tone.LIVE),
    Status.SUSPENDING: ("Suspending", Tone.WAIT),
    Status.SUSPENDED: ("Suspended", Tone.HALT),
    Status.RESUMING: ("Resuming", Tone.WAIT),
    Status.TERMINATING: ("Being deleted", Tone.WAIT),
    Status.TERMINATED: ("Deleted", Tone.GONE),
    Status.FAILED: ("Could not be made", Tone.STOP),
}
SETTLED: Final = frozenset({Status.RUNNING, Status.SUSPENDED, Status.TERMINATED, Status.FAILED})
HOLD_REASONS: Final[Mapping[Hold, tuple[str, str]]] = {
    Hold.FROZEN: (
        "Suspended because the account owes money.",
        "Your data is kept and nothing is charged. Top up at least what is owed, and it resumes by itself.",
    ),
    Hold.OPERATOR: ("The operator suspended it.", "Contact the operator."),
    Hold.BALANCE: (
        "Suspended because the wallet ran empty.",
        "Your data is kept and nothing is charged. Top up, and it resumes by itself.",
    ),
    Hold.STORAGE: (
        "Suspended because its storage is full.",
        "Its data is kept and charged as storage. Change to a larger plan, or resume it for an hour to make room.",
    ),
    Hold.CAP: (
        "Suspended because the month's spending limit is reached.",
        "Your data is kept and nothing is charged. It resumes next month, or as soon as you raise the limit.",
    ),
    Hold.OWNER: ("You suspended it.", "Your data is kept and charged as storage. Resume it whenever you like."),
}
FAILED_REASON: Final = ("The engine refused to make it. Nothing was charged.", "Delete it, then make a new one.")
EVENTS: Final[Mapping[EventKind, str]] = {
    EventKind.CREATED: "Creation asked for",
    EventKind.READY: "Ready to connect, metering began",
    EventKind.RENAMED: "Renamed",
    EventKind.PLAN_CHANGED: "Plan and price changed",
    EventKind.SUSPEND_REQUESTED: "Suspension asked for, charged for storage alone",
    EventKind.SUSPENDED: "Suspended",
    EventKind.RESUME_REQUESTED: "Resumption asked for",
    EventKind.RESUMED: "Running again, metering began",
    EventKind.BALANCE_DEPLETED: "The wallet ran empty, metering ended",
    EventKind.BALANCE_COVERED: "The wallet covers it again",
    EventKind.UNAFFORDABLE: "The wallet did not cover a start",
    EventKind.CAP_REACHED: "The month's spending limit is reached, metering ended",
    EventKind.CAP_LIFTED: "The spending limit has room for it again",
    EventKind.CAP_TOO_LOW: "The spending limit left no room for a start",
    EventKind.FROZEN: "The account owes money, metering ended",
    EventKind.THAWED: "What the account owed is paid",
    EventKind.ROTATE_REQUESTED: "New password asked for",
    EventKind.ROTATED: "New password in force",
    EventKind.PREVIOUS_KEPT: "The previous password works beside it for the time you chose",
    EventKind.TERMINATE_REQUESTED: "Deletion asked for, metering ended",
    EventKind.RETENTION_ENDED: "Unpaid for too long, to be deleted",
    EventKind.TERMINATED: "Deleted",
    EventKind.REFUSED: "The engine refused a change",
    EventKind.DRIFTED: "A difference on the engine was repaired",
    EventKind.ENGINE_BEHIND: "The engine had fallen behind and was told again",
    EventKind.ENGINE_AHEAD: "The engine was ahead and was told again",
    EventKind.STORAGE_NEAR: "Storage is 80 % full",
    EventKind.STORAGE_EASED: "Storage is below 75 % again",
    EventKind.STORAGE_FULL: "Storage is full",
    EventKind.STORAGE_CURBED: "Kept from growing, since its storage is full",
    EventKind.STORAGE_FREED: "Storage is below 95 % again, all limits on growth lifted",
    EventKind.STORAGE_ROOM: "An hour to make room began",
    EventKind.MISSING: "The engine no longer has this database, metering ended",
    EventKind.FOUND_AGAIN: "The engine knows this database again",
    EventKind.ENGINE_RESTORED: "The engine was restored from a backup and was told again",
}
ACTORS: Final[Mapping[Actor, str]] = {
    Actor.OWNER: "you",
    Actor.PLATFORM: "the platform",
    Actor.OPERATOR: "the operator",
}
REASONS: Final[Mapping[Reason, str]] = {
    Reason.TOP_UP: "Top-up",
    Reason.CREDIT: "Credit granted",
    Reason.REFUND: "Refund of a payment",
    Reason.REFUND_UNDONE: "Refund that did not go through",
    Reason.DISPUTE: "Payment disputed",
    Reason.DISPUTE_WON: "Dispute settled in your favour",
    Reason.ADJUSTMENT: "Adjustment",
    Reason.DEBT_PAYMENT: "Debt paid",
    Reason.USAGE_HOUR: "Usage, hour closed",
    Reason.USAGE_REST: "Usage until it stopped or changed plan",
    Reason.USAGE_DEPLETED: "Usage until the money ended",
    Reason.USAGE_CAPPED: "Usage until the month's spending limit",
    Reason.REVERSAL: "Correction",
}


def engine_name(engine: str) -> str:
    """Name an engine as its makers do."""
    return ENGINE_NAMES.get(engine, engine)


def status_view(instance: InstanceView) -> StatusView:
    """Say in what state a database is, why, and what helps."""
    word, tone = WORDS[instance.status]
    reason, remedy = _reason(instance)
    return StatusView(word=word, tone=tone, reason=reason, remedy=remedy, settled=instance.status in SETTLED)


def event_sentence(event: EventView) -> str:
    """Say what happened in a few words."""
    return EVENTS[event.kind]


def may_suspend(instance: InstanceView) -> bool:
    """Tell whether the owner's hold would change anything."""
    live = {Status.PROVISIONING, Status.RUNNING, Status.RESUMING}
    return instance.status in live and Hold.OWNER not in instance.holds


def may_resume(instance: InstanceView) -> bool:
    """Tell whether the owner may take their hold away and have it run."""
    own = Hold.OWNER in instance.holds or Hold.STORAGE in instance.holds
    return own and not _locked(instance.holds) and not is_going(instance)


def may_rotate(instance: InstanceView) -> bool:
    """Tell whether a new password can be asked for."""
    return instance.connection is not None and not instance.rotation_pending and not is_going(instance)


def is_going(instance: InstanceView) -> bool:
    """Tell whether a database is gone, going or was never made."""
    return instance.status in {Status.TERMINATING, Status.TERMINATED, Status.FAILED}


def _locked(holds: Collection[Hold]) -> bool:
    return any(hold in holds for hold in (Hold.OPERATOR, Hold.FROZEN))


def _reason(instance: InstanceView) -> tuple[str, str]:
    if instance.status is Status.FAILED:
        return FAILED_REASON
    if is_going(instance):
        return "", ""
    return next((told for hold, told in HOLD_REASONS.items() if hold in instance.holds), ("", ""))
