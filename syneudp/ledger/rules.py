"""Pure decisions of the books: what a transfer must be, and what a checkpoint says in one line of bytes."""

import hashlib
from collections.abc import Sequence

from syneudp.ledger.errors import TransferInvalidError
from syneudp.ledger.values import AMOUNT_MICROS_MAX, SHARDS, Checkpoint, Entry


def check_entries(entries: Sequence[Entry]) -> None:
    """Refuse entries that cannot be one transfer: fewer than two, a zero, one out of range, or a sum that is not zero.

    Raises TransferInvalidError. The currency is the database's to check.
    """
    if len(entries) < len(("from", "to")):
        raise TransferInvalidError("a transfer has two or more entries")
    total = 0
    for entry in entries:
        amount = entry.amount_micros
        if type(amount) is not int:
            raise TransferInvalidError("amounts are integers")
        if amount == 0 or abs(amount) > AMOUNT_MICROS_MAX:
            raise TransferInvalidError("an entry is zero or out of range")
        total += amount
    if total:
        raise TransferInvalidError("the entries do not sum to zero")


def checkpoint_digest(told: Checkpoint) -> bytes:
    """Digest a checkpoint: SHA-256 over the one before it, its number, the cut-off, and each shard's seal.

    Numbers count 8 bytes.
    Shards without a seal count as number 0 and 32 zero bytes. The database computes the same.
    """
    heads = {each.shard: each for each in told.seals}
    pieces = [told.previous_digest, told.number.to_bytes(8), told.cut_off_digest]
    for shard in range(SHARDS):
        head = heads.get(shard)
        pieces += [(head.number if head else 0).to_bytes(8), head.digest if head else bytes(32)]
    return hashlib.sha256(b"".join(pieces)).digest()
