"""Decisions about instances, without input or output: names, status, what to send and when to send it again."""

import unicodedata
from collections.abc import Collection, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from syneudp.engines.contract import State
from syneudp.instances.errors import IllegalTransitionError, NameInvalidError
from syneudp.instances.values import Accrual, Hold, Removal, Status
from syneudp.kernel.errors import FieldError

NAME_LENGTH_MAX: Final = 63
RAW_NAME_LENGTH_MAX: Final = 256
NAME_PUNCTUATION: Final = " -_."
NAME_CATEGORIES: Final = ("L", "M", "Nd")

FIRST_BACKOFF_SECONDS: Final = 1
BACKOFF_SECONDS_MAX: Final = 15
REFUSED_BACKOFF_SECONDS: Final = 300

TRANSITIONS: Final[Mapping[Status, frozenset[Status]]] = MappingProxyType(
    {
        Status.PROVISIONING: frozenset(
            {
                Status.RUNNING,
                Status.SUSPENDING,
                Status.FAILED,
                Status.TERMINATING,
            }
        ),
        Status.RUNNING: frozenset({Status.SUSPENDING, Status.TERMINATING}),
        Status.SUSPENDING: frozenset(
            {
                Status.SUSPENDED,
                Status.PROVISIONING,
                Status.RESUMING,
                Status.FAILED,
                Status.TERMINATING,
            }
        ),
        Status.SUSPENDED: frozenset({Status.RESUMING, Status.TERMINATING}),
        Status.RESUMING: frozenset({Status.RUNNING, Status.SUSPENDING, Status.TERMINATING}),
        Status.FAILED: frozenset({Status.TERMINATING, Status.TERMINATED}),
        Status.TERMINATING: frozenset({Status.TERMINATED}),
        Status.TERMINATED: frozenset(),
    }
)


STORED_UNDER: Final = frozenset({Hold.OWNER, Hold.STORAGE})


class Verb(StrEnum):
    """The agent's call that carries a desired state; all of them are faces of one apply."""

    CREATE = "create"
    SUSPEND = "suspend"
    RESUME = "resume"
    ROTATE = "rotate"
    TERMINATE = "terminate"


def clean_name(raw: str) -> str:
    """Bring a customer's name for an instance to its one form: trimmed, NFC.

    Letters, digits, space, dash, underscore and dot, 1 to 63 of them, the first a letter or digit. Raises
    NameInvalidError.
    """
    name = unicodedata.normalize("NFC", raw[: RAW_NAME_LENGTH_MAX + 1]).strip(" ")
    allowed = all(character in NAME_PUNCTUATION or _counts(character) for character in name)
    if len(raw) > RAW_NAME_LENGTH_MAX or not 1 <= len(name) <= NAME_LENGTH_MAX or not allowed or not name[0].isalnum():
        raise NameInvalidError(errors=[FieldError("/name", NameInvalidError.sentence)])
    return name


def _counts(character: str) -> bool:
    return unicodedata.category(character).startswith(NAME_CATEGORIES)


def wanted_state(removal: Removal | None, holds: Collection[Hold]) -> State:
    """Tell what the agent should bring about: gone once removed, suspended under any hold, else running."""
    if removal is not None:
        return State.TERMINATED
    return State.SUSPENDED if holds else State.RUNNING


def accrual_of(removal: Removal | None, holds: Collection[Hold], *, stored: bool) -> Accrual:
    """Tell what an instance is charged for as it is wanted; `stored` says that it holds data.

    One that its owner suspended, or that was for its storage, keeps its data at the owner's cost. Where the money has
    ended or may not be spent (balance, cap, frozen), and where the platform stopped it (operator), nothing accrues.
    """
    if removal is not None or (holds and not stored):
        return Accrual.NOTHING
    if not holds:
        return Accrual.RUNNING
    return Accrual.STORED if STORED_UNDER.issuperset(holds) else Accrual.NOTHING


def is_confirmed(wanted: State, observed: State | None, *, applied_generation: int, state_generation: int) -> bool:
    """Tell whether the agent has confirmed the wanted state since it was last wanted.

    A confirmed running instance is charged as running, and no other instance is.
    """
    return observed is wanted and applied_generation >= state_generation


def status_of(removal: Removal | None, wanted: State, *, confirmed: bool, ever_applied: bool) -> Status:
    """Derive what the customer is told from what is wanted and what was confirmed."""
    if removal is Removal.REFUSAL:
        return Status.FAILED
    if wanted is State.TERMINATED:
        return Status.TERMINATED if confirmed else Status.TERMINATING
    if wanted is State.SUSPENDED:
        return Status.SUSPENDED if confirmed else Status.SUSPENDING
    if confirmed:
        return Status.RUNNING
    return Status.RESUMING if ever_applied else Status.PROVISIONING


def require_transition(before: Status, after: Status) -> None:
    """Raise IllegalTransitionError unless the table allows the step; staying is always allowed."""
    if after is not before and after not in TRANSITIONS[before]:
        raise IllegalTransitionError(f"{before} does not lead to {after}")


def verb_for(wanted: State, *, ever_applied: bool, rotating: bool) -> Verb:
    """Choose the call that carries the desired state.

    The state decides before the password does, so that a suspend which overtakes a lost rotate brings the new
    password along.
    """
    if wanted is State.TERMINATED:
        return Verb.TERMINATE
    if not ever_applied:
        return Verb.CREATE
    if wanted is State.SUSPENDED:
        return Verb.SUSPEND
    return Verb.ROTATE if rotating else Verb.RESUME


def backoff_seconds(attempts: int, *, chance: float) -> int:
    """Tell how long to wait after so many failed attempts: doubling, capped, spread by a chance in [0, 1)."""
    ceiling = min(BACKOFF_SECONDS_MAX, FIRST_BACKOFF_SECONDS * 2 ** min(attempts, 10))
    return 1 + int(chance * ceiling)
