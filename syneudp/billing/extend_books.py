"""Make room in the books for the months to come, so that no entry lands in the partition for the rest."""

from syneudp import ledger
from syneudp.kernel.database import transact
from syneudp.kernel.logging import log


async def extend_books() -> int:
    """Make the monthly partitions of entries that are missing in the year ahead and answer how many were made."""
    made = await transact(ledger.extend_entries)
    if made:
        log.info("books_extended", months=made)
    return made
