"""The frozen values that pages are written from.

Amounts are micro-units, instants epoch seconds, prices micro-units an hour.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from syneudp.engines.contract import Limits


class Tone(StrEnum):
    """How a state is drawn; always beside a word and a shape, so that colour alone says nothing."""

    LIVE = "live"
    WAIT = "wait"
    HALT = "halt"
    STOP = "stop"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class StatusView:
    """A state in one word and, where there is something to know or do, a sentence."""

    word: str
    tone: Tone
    reason: str = ""
    remedy: str = ""
    settled: bool = True


@dataclass(frozen=True, slots=True)
class CapView:
    """The month's spending limit: none where `monthly_micros` is None, reached or to be reached at `reached_at`.

    `halted` counts the databases that stand still because of it.
    """

    monthly_micros: int | None = None
    reached_at: int | None = None
    halted: int = 0


@dataclass(frozen=True, slots=True)
class MoneyView:
    """A wallet at `as_of`; `runway_seconds` is None while nothing costs anything, or the limit ends it before.

    `available_micros` falls by the burn, for `seconds_left` at most; `halted` counts the databases that stand still for
    lack of money. What the customer owes is `debt_micros`; above zero the wallet is frozen.
    """

    currency: str
    as_of: int
    balance_micros: int
    accrued_micros: int
    available_micros: int
    burn_micros_per_hour: int
    depletes_at: int | None
    runway_seconds: int | None
    halted: int = 0
    debt_micros: int = 0
    spent_micros: int = 0
    seconds_left: int | None = None
    cap: CapView = CapView()


@dataclass(frozen=True, slots=True)
class PriceView:
    """A price an hour that held, holds or will hold.

    `stored_bytes` of storage are in it; where those are not known, a GiB costs `storage_price` besides.
    """

    from_at: int
    until_at: int | None
    price: int
    stored_bytes: int = 0
    storage_price: int = 0
    running: bool = True


@dataclass(frozen=True, slots=True)
class PlanChoice:
    """A plan as it is offered.

    `lasts_seconds` is how long the present balance would carry it beside what runs already.
    """

    slug: str
    engine: str
    engine_name: str
    name: str
    price: int
    storage_limit_bytes: int
    limits: Limits
    storage_price: int = 0
    coming: tuple[PriceView, ...] = ()
    lasts_seconds: int | None = None
    affordable: bool = True


@dataclass(frozen=True, slots=True)
class PlanOption:
    """A plan that a database may be put on; `dearer` is what its hour costs more than the present one's, or less.

    Both are with what it stores. `too_small` says that the database holds more than the plan stores.
    """

    slug: str
    name: str
    price: int
    dearer: int
    storage_limit_bytes: int
    limits: Limits
    present: bool
    too_small: bool
    coming: tuple[PriceView, ...] = ()


@dataclass(frozen=True, slots=True)
class DatabaseRow:
    """A database in the list.

    `price` is what an hour costs while it runs, `storage_price` of that for what it stores, and `running_price` what it
    costs as it is, 0 while it costs nothing; `cost_micros` counts from the month's first second (UTC).
    """

    id: UUID
    name: str
    engine: str
    engine_name: str
    plan_name: str
    status: StatusView
    cost_micros: int
    running_price: int
    price: int
    storage_price: int
    storage_bytes: int
    storage_limit_bytes: int
    storage_measured: bool = True

    @property
    def storage_percent(self) -> int:
        """Return how much of its storage is used, in whole percent from 0 to 100."""
        return min(self.storage_bytes * 100 // max(self.storage_limit_bytes, 1), 100)


@dataclass(frozen=True, slots=True)
class ConnectionFacts:
    """Where a database is reached; never with its password."""

    host: str
    port: int
    database: str
    username: str
    tls: bool


@dataclass(frozen=True, slots=True)
class Snippet:
    """Ready-made text for one tool or language; `slug` names it in the page."""

    slug: str
    label: str
    text: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class FieldFault:
    """What is wrong with one field of a form, in a sentence."""

    name: str
    sentence: str


@dataclass(frozen=True, slots=True)
class FormView:
    """What a form holds when it is shown again: the values typed (never a password) and what is wrong with them."""

    values: dict[str, str] = field(default_factory=dict)
    faults: tuple[FieldFault, ...] = ()
    sentence: str = ""

    def fault(self, name: str) -> str:
        """Return what is wrong with a field, or nothing."""
        return next((fault.sentence for fault in self.faults if fault.name == name), "")


@dataclass(frozen=True, slots=True)
class ConnectView:
    """Everything needed to connect; `password` is set, and `uri` holds it, only in the answer that reveals it.

    `asking` is the form for the owner's own password, where they are to show who they are first.
    """

    facts: ConnectionFacts
    snippets: tuple[Snippet, ...]
    uri: str
    password: str | None = None
    asking: FormView | None = None


@dataclass(frozen=True, slots=True)
class EventView:
    """One thing that happened to a database."""

    sentence: str
    at: int
    actor: str


@dataclass(frozen=True, slots=True)
class HourView:
    """What one hour cost; `share` is its part of the dearest hour shown, in percent."""

    start_at: int
    seconds: int
    charge_micros: int
    posted: bool
    share: int


@dataclass(frozen=True, slots=True)
class StorageNotice:
    """What is to be known about a storage that fills up; `act` names the way out that the owner has at hand."""

    tone: Tone
    title: str
    text: str
    act: str = ""


@dataclass(frozen=True, slots=True)
class DatabaseView:
    """A database with everything its page shows."""

    row: DatabaseRow
    created_at: int
    ready_at: int | None
    limits: Limits
    holds: frozenset[str]
    connection: ConnectionFacts | None
    events: tuple[EventView, ...] = ()
    hours: tuple[HourView, ...] = ()
    can_suspend: bool = False
    can_resume: bool = False
    can_rotate: bool = False
    can_delete: bool = True
    gone: bool = False
    storage: StorageNotice | None = None
    past_prices: tuple[PriceView, ...] = ()
    coming_prices: tuple[PriceView, ...] = ()


@dataclass(frozen=True, slots=True)
class StepView:
    """One step of making a database; `state` is done, doing, todo or failed."""

    text: str
    state: str


@dataclass(frozen=True, slots=True)
class PostingView:
    """One movement of a wallet with the balance it left; `receipt` is the payment that has one."""

    sentence: str
    detail: str
    at: int
    amount_micros: int
    balance_after_micros: int
    receipt: UUID | None = None


@dataclass(frozen=True, slots=True)
class DayView:
    """One day (its first second, UTC) of usage; `share` is its part of the dearest day shown, in percent."""

    at: int
    databases: int
    seconds: int
    amount_micros: int
    share: int


@dataclass(frozen=True, slots=True)
class UsedDatabase:
    """What one database used in a month; without days where there are too many to show of all."""

    id: UUID
    name: str
    seconds: int
    amount_micros: int
    days: tuple[DayView, ...]
    open: bool


@dataclass(frozen=True, slots=True)
class StatementPosting:
    """A line of a statement that is not usage; `effective_at` only where it takes effect in an earlier month."""

    sentence: str
    database: str
    at: int
    effective_at: int | None
    amount_micros: int
    corrects: str
    corrects_at: int | None


@dataclass(frozen=True, slots=True)
class StatementView:
    """A month of a wallet; opening, in, out and used make the closing balance."""

    month: str
    begins_at: int
    ends_at: int
    final: bool
    posted_through_at: int
    opening_micros: int
    in_micros: int
    out_micros: int
    used_micros: int
    closing_micros: int
    databases: tuple[UsedDatabase, ...]
    days: tuple[DayView, ...]
    postings: tuple[StatementPosting, ...]


@dataclass(frozen=True, slots=True)
class BannerView:
    """What every page says at its top while it holds, and the one way out."""

    tone: Tone
    title: str
    text: str
    act: str
    href: str


@dataclass(frozen=True, slots=True)
class AlertView:
    """Something the customer was told about their money."""

    title: str
    text: str
    at: int
    tone: Tone


@dataclass(frozen=True, slots=True)
class EndpointView:
    """A webhook endpoint; `since` is when it was added, or switched off."""

    id: UUID
    url: str
    status: StatusView
    since: int


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """A message to a webhook endpoint; `next_at` is when it is tried again."""

    kind: str
    status: StatusView
    at: int
    attempts: int
    next_at: int | None


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks at the page; `email` is None for a visitor."""

    email: str | None = None
    money: MoneyView | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence about what the last request did."""

    sentence: str
    tone: Tone = Tone.LIVE
