"""What the books hold, as values: amounts in micro-units, instants in epoch seconds."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

SHARDS: Final = 256
AMOUNT_MICROS_MAX: Final = 2**62


class AccountKind(StrEnum):
    """Wallets and debts are one a customer; of the others each shard has one a currency (and provider)."""

    WALLET = "wallet"
    DEBT = "debt"
    REVENUE = "revenue"
    CLEARING = "clearing"
    CREDITS = "credits"
    REFUNDS = "refunds"
    ADJUSTMENTS = "adjustments"
    OVERRUN = "overrun"


PERSONAL_KINDS: Final = frozenset({AccountKind.WALLET, AccountKind.DEBT})


class Reason(StrEnum):
    """Why money moved; the four usage reasons together are everything a wallet paid for its resources."""

    TOP_UP = "top_up"
    CREDIT = "credit"
    REFUND = "refund"
    REFUND_UNDONE = "refund_undone"
    DISPUTE = "dispute"
    DISPUTE_WON = "dispute_won"
    ADJUSTMENT = "adjustment"
    DEBT_PAYMENT = "debt_payment"
    USAGE_HOUR = "usage_hour"
    USAGE_REST = "usage_rest"
    USAGE_DEPLETED = "usage_depleted"
    USAGE_CAPPED = "usage_capped"
    REVERSAL = "reversal"


USAGE_REASONS: Final = (Reason.USAGE_HOUR, Reason.USAGE_REST, Reason.USAGE_DEPLETED, Reason.USAGE_CAPPED)


@dataclass(frozen=True, slots=True)
class Entry:
    """One leg of a transfer; positive adds to the account. A wallet's balance is what its customer has."""

    account_id: UUID
    amount_micros: int


@dataclass(frozen=True, slots=True)
class Posting:
    """A transfer to be made, as one of many: what `post` is told of one. Instants in epoch seconds."""

    reason: Reason
    key: str
    effective_at: int
    created_at: int
    entries: tuple[Entry, ...]
    subject_id: UUID | None = None
    reverses_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Transfer:
    """A movement of money that stands in the books; `replayed` says that an earlier call had made it."""

    id: UUID
    replayed: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """A violation that the audit found: the rule that is broken, the row, and what is wrong with it."""

    rule: str
    row: str
    detail: str


@dataclass(frozen=True, slots=True)
class Seal:
    """A shard's transfers since its last seal, through an ordinal, in 32 bytes of SHA-256 that chain to the last."""

    shard: int
    number: int
    until_ordinal: int
    transfers: int
    entries: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The newest seal of each shard that has one, by shard, at an instant (epoch seconds), chained to the last one.

    `cut_off_digest` ties the newest cut-off, or is 32 zero bytes where nothing was detached.
    """

    number: int
    taken_at: int
    previous_digest: bytes
    digest: bytes
    seals: tuple[Seal, ...]
    cut_off_digest: bytes = bytes(32)


@dataclass(frozen=True, slots=True)
class CutOff:
    """Entries written before an instant (epoch seconds) were detached; the accounts' chains go on from its record."""

    number: int
    before_at: int
    accounts: int
    entries: int
    digest: bytes
