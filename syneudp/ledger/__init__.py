"""The books: accounts, transfers and entries. Nothing here knows what a wallet pays for."""

from syneudp.ledger.accounts import balance, open_account
from syneudp.ledger.audit_books import audit
from syneudp.ledger.balances import balance_at, effective_balance_at
from syneudp.ledger.cut_offs import cut_at, cut_off, detach_before
from syneudp.ledger.errors import (
    AccountUnknownError,
    BooksCutError,
    DetachRefusedError,
    IdempotencyConflictError,
    ReversalExceededError,
    TransferInvalidError,
    TransferUnknownError,
)
from syneudp.ledger.post_transfer import extend_entries, post, post_many
from syneudp.ledger.reverse import reverse, reversible
from syneudp.ledger.rules import checkpoint_digest
from syneudp.ledger.seals import checkpoint, seal, seal_of, take_checkpoint, verify
from syneudp.ledger.values import (
    SHARDS,
    USAGE_REASONS,
    AccountKind,
    Checkpoint,
    CutOff,
    Entry,
    Finding,
    Posting,
    Reason,
    Seal,
    Transfer,
)

__all__ = [
    "SHARDS",
    "USAGE_REASONS",
    "AccountKind",
    "AccountUnknownError",
    "BooksCutError",
    "Checkpoint",
    "CutOff",
    "DetachRefusedError",
    "Entry",
    "Finding",
    "IdempotencyConflictError",
    "Posting",
    "Reason",
    "ReversalExceededError",
    "Seal",
    "Transfer",
    "TransferInvalidError",
    "TransferUnknownError",
    "audit",
    "balance",
    "balance_at",
    "checkpoint",
    "checkpoint_digest",
    "cut_at",
    "cut_off",
    "detach_before",
    "effective_balance_at",
    "extend_entries",
    "open_account",
    "post",
    "post_many",
    "reverse",
    "reversible",
    "seal",
    "seal_of",
    "take_checkpoint",
    "verify",
]
