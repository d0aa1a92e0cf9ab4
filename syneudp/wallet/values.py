"""What a customer has and pays for, as values: amounts in micro-units, instants in epoch seconds, prices an hour."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from syneudp.ledger import Reason
from syneudp.wallet.months import Month


@dataclass(frozen=True, slots=True)
class WalletRecord:
    """A wallet; none of this ever changes. The shard (0..255) says which lock and which books it lives under."""

    id: UUID
    user_id: UUID
    account_id: UUID
    shard: int
    currency: str


class EndCause(StrEnum):
    """For what a wallet's segments end: the money, or the most that it may spend in a month."""

    BALANCE = "balance"
    CAP = "cap"


@dataclass(frozen=True, slots=True)
class UsageEnd:
    """The last second through which a wallet's segments run, and for what they end then."""

    at: int
    why: EndCause


@dataclass(frozen=True, slots=True)
class Cap:
    """The most that a wallet may spend in a calendar month (UTC), in micro-units, as it was set at an instant."""

    monthly_micros: int
    set_at: int


@dataclass(frozen=True, slots=True)
class LockedWallet:
    """Proof that a transaction holds the shard's and the wallet's lock and has settled depletion up to `now`.

    `balance_micros` is the posted balance right after settling; verbs that move money do not change this value.
    `depleted` lists the resources whose segments the settling closed, and `ended` says when and for what.
    `closed_through_at` is where the wallet's posted hours end: where its shard is closed through, or earlier while the
    wallet is set aside. `cap` is None where the customer set none.
    """

    wallet: WalletRecord
    now: int
    closed_through_at: int
    balance_micros: int
    depleted: tuple[UUID, ...]
    ended: UsageEnd | None = None
    cap: Cap | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """From `at` on, an hour's boundary, an open segment's resource costs another price or stores other steps."""

    at: int
    price_micros_per_hour: int
    storage_steps: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A resource was used in [from_at, until_at), open while until_at is None; carry is in 1/3600 micro-units, 0..3599.

    The price is that of its tariff, where the resource runs, and of what it stores in steps of 64 MiB. `coming` lists
    the changes of an open one, in order: where it is to be split, if it was not yet.
    """

    resource_id: UUID
    from_at: int
    until_at: int | None
    price_micros_per_hour: int
    carry: int
    tariff_id: UUID
    running: bool = True
    storage_steps: int = 0
    coming: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Spending:
    """What closed segments cost in a month: `settled_micros` for those that ended by an instant of it, then the `late`.

    Open segments come besides.
    """

    month: Month
    settled_micros: int
    late: tuple[Segment, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """How a resource is used, for which a tariff says the price: it runs and is stored, or it is only stored."""

    resource_id: UUID
    tariff_id: UUID
    running: bool = True


@dataclass(frozen=True, slots=True)
class Price:
    """What a use of a resource costs an hour: `storage_micros_per_hour` of it for what it stores."""

    price_micros_per_hour: int
    storage_micros_per_hour: int
    storage_steps: int


@dataclass(frozen=True, slots=True)
class PricePeriod:
    """A resource cost one price in [from_at, until_at), still does while until_at is None, or will do from then on."""

    from_at: int
    until_at: int | None
    price_micros_per_hour: int
    storage_steps: int
    running: bool


@dataclass(frozen=True, slots=True)
class Reckoning:
    """A price to come that the wallets of a shard were not all looked at for; their depletion may be computed anew."""

    tariff_id: UUID
    begins_at: int
    shard: int


@dataclass(frozen=True, slots=True)
class TopUp:
    """Money that came in; `replayed` says that this payment had been credited before."""

    id: UUID
    amount_micros: int
    transfer_id: UUID
    replayed: bool


@dataclass(frozen=True, slots=True)
class TopUpView:
    """Money that came in through a provider's payment, and how much of it was not taken back since."""

    id: UUID
    provider: str
    payment_id: str
    amount_micros: int
    refundable_micros: int
    transfer_id: UUID
    created_at: int


@dataclass(frozen=True, slots=True)
class Credit:
    """Money granted: what was credited, and how much of what the wallet then had went to its debt at once."""

    transfer_id: UUID
    amount_micros: int
    debt_paid_micros: int
    replayed: bool


@dataclass(frozen=True, slots=True)
class Debit:
    """Money taken back: so much from the wallet and the rest booked as its debt."""

    transfer_id: UUID
    taken_micros: int
    debt_micros: int
    replayed: bool


@dataclass(frozen=True, slots=True)
class WalletOverview:
    """The wallet at an instant: available is balance less accrued; depletes_at is None where nothing runs it down.

    `debt_micros` is what the customer owes: above zero the wallet is frozen, and what comes in pays it first.
    `monthly_cap_micros` is None where none is set. `cap_reached_at` is when it ends what runs, before the money does,
    or when it did in the month that goes on.
    """

    currency: str
    balance_micros: int
    accrued_micros: int
    available_micros: int
    burn_micros_per_hour: int
    depletes_at: int | None
    debt_micros: int = 0
    monthly_cap_micros: int | None = None
    spent_this_month_micros: int = 0
    cap_reached_at: int | None = None


@dataclass(frozen=True, slots=True)
class TransactionView:
    """One posting on the wallet; `id` is its transfer, `subject_id` the resource or top-up it is about, if any."""

    id: UUID
    sequence: int
    reason: Reason
    amount_micros: int
    balance_after_micros: int
    effective_at: int
    created_at: int
    subject_id: UUID | None


@dataclass(frozen=True, slots=True)
class TransactionPage:
    """Postings, newest first; next_cursor is the sequence to go on before."""

    items: tuple[TransactionView, ...]
    next_cursor: int | None


@dataclass(frozen=True, slots=True)
class HourUsage:
    """What one resource used in one hour (or the asked part of it); posted once all of it is in the books."""

    period_start: int
    seconds: int
    charge_micros: int
    posted: bool


@dataclass(frozen=True, slots=True)
class CloseTotals:
    """What closing an hour of a shard charged."""

    wallets: int
    segments: int
    seconds: int
    charge_micros: int


@dataclass(frozen=True, slots=True)
class StatementMonth:
    """A month that has a statement; `final` says that it never changes any more."""

    month: Month
    final: bool


@dataclass(frozen=True, slots=True)
class UsageLine:
    """What one resource used on one day (its first second, UTC) of a statement; the amount is never above zero."""

    resource_id: UUID
    day_at: int
    seconds: int
    amount_micros: int


@dataclass(frozen=True, slots=True)
class Corrected:
    """The earlier posting that a correction takes back."""

    id: UUID
    reason: Reason
    effective_at: int
    subject_id: UUID | None


@dataclass(frozen=True, slots=True)
class PostingLine:
    """A posting of a statement that is not usage; it counts in the month of `posted_at`, whenever it takes effect."""

    id: UUID
    reason: Reason
    amount_micros: int
    posted_at: int
    effective_at: int
    subject_id: UUID | None
    corrects: Corrected | None


@dataclass(frozen=True, slots=True)
class Statement:
    """A wallet's month: opening balance and lines make the closing balance. Final: it never changes any more.

    Usage is in it up to `posted_through_at`, which is the month's end once it is final.
    """

    month: Month
    currency: str
    final: bool
    posted_through_at: int
    opening_micros: int
    closing_micros: int
    usage: tuple[UsageLine, ...]
    postings: tuple[PostingLine, ...]

    @property
    def used_micros(self) -> int:
        """What the usage lines sum to, zero or below."""
        return sum(line.amount_micros for line in self.usage)

    @property
    def moved_micros(self) -> int:
        """What all lines sum to."""
        return self.used_micros + sum(line.amount_micros for line in self.postings)


class AlertKind(StrEnum):
    """What a customer is told about their money, each once an episode."""

    RUNWAY_72_HOURS = "runway_72h"
    RUNWAY_24_HOURS = "runway_24h"
    RUNWAY_1_HOUR = "runway_1h"
    SUSPENDED = "suspended"
    RETENTION_ENDING = "retention_ending"
    TERMINATED = "terminated"
    CAP_REACHED = "cap_reached"


@dataclass(frozen=True, slots=True)
class Alert:
    """What a customer was told, with the numbers of `raised_at`.

    `ends_at` is when the money ends or ended, or when data is or was deleted; `resource_ids` what stops, stopped, or
    goes with it.
    """

    id: UUID
    wallet_id: UUID
    kind: AlertKind
    raised_at: int
    balance_micros: int
    available_micros: int
    burn_micros_per_hour: int
    ends_at: int | None
    resource_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Announcement:
    """An alert on its way out, with whose it is."""

    alert: Alert
    user_id: UUID
    currency: str


@dataclass(frozen=True, slots=True)
class AlertPage:
    """Alerts, newest first; next_cursor is the id to go on before."""

    items: tuple[Alert, ...]
    next_cursor: UUID | None
