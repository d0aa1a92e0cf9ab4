"""Start and stop paying for a resource; the wallet knows it by its id alone, and its price by its tariff."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from syneudp.kernel.database import Connection, row
from syneudp.ledger import Reason, balance
from syneudp.wallet import rules
from syneudp.wallet.debts import debt
from syneudp.wallet.depletion import recompute_depletion
from syneudp.wallet.errors import SegmentConflictError
from syneudp.wallet.segment_records import (
    SEGMENT_COLUMNS,
    close_and_post,
    insert_segments,
    open_segments,
    planned,
    segment_from,
)
from syneudp.wallet.values import LockedWallet, Segment, Usage

READ_LAST: Final = (
    f"SELECT {SEGMENT_COLUMNS}, NULL AS changes_at, NULL AS changes_price, NULL AS changes_steps"
    " FROM usage_segments WHERE resource_id = $1 ORDER BY from_at DESC LIMIT 1"
)
READ_DEPLETION: Final = "SELECT depletes_at FROM wallet_depletions WHERE wallet_id = $1"


async def open_segment(
    tx: Connection, locked: LockedWallet, *, resource_id: UUID, tariff_id: UUID, running: bool = True
) -> bool:
    """Let a resource run, or be stored only, by a tariff from `locked.now` on, or from where its last segment ended.

    Its price is the tariff's at that second, with what the resource stores. Returns False where it is used that way
    already. Whether the wallet can pay is for `covers` to say before; if it cannot, the segment ends at depletion
    without a charge. Raises SegmentConflictError where it is used otherwise, TariffUnknownError.
    """
    last = await _last_segment(tx, resource_id)
    if last is not None and last.until_at is None:
        if (last.tariff_id, last.running) != (tariff_id, running):
            raise SegmentConflictError
        return False
    begin, carry = rules.opening(last, now=locked.now)
    [segment] = await planned(tx, [Usage(resource_id, tariff_id, running)], from_at=begin)
    await insert_segments(tx, locked.wallet, [replace(segment, carry=carry)])
    await recompute_depletion(tx, locked)
    return True


async def close_segment(tx: Connection, locked: LockedWallet, *, resource_id: UUID) -> bool:
    """Stop a resource, if it runs one second after `locked.now`, bounded by depletion, and post what it still owes.

    Returns False where nothing was used, settled depletion included.
    """
    segments = await open_segments(tx, locked.wallet.id)
    segment = next((each for each in segments if each.resource_id == resource_id), None)
    if segment is None:
        return False
    depletion = await row(tx, READ_DEPLETION, locked.wallet.id)
    ends_at = rules.stopping(
        segment, now=locked.now, depletes_at=None if depletion is None else depletion["depletes_at"]
    )
    await close_and_post(
        tx,
        locked,
        [(segment, ends_at)],
        reason=Reason.USAGE_REST,
        key=f"rest:{resource_id}:{segment.from_at}",
        effective_at=ends_at,
        subject_id=resource_id,
    )
    await recompute_depletion(tx, locked)
    return True


async def reprice_segment(
    tx: Connection,
    locked: LockedWallet,
    *,
    resource_id: UUID,
    tariff_id: UUID | None = None,
    running: bool | None = None,
) -> bool:
    """Let what is used go on by another tariff, or running instead of stored only, or the other way round.

    Its segment ends as if stopped now, and the next begins in that second. What the first owes is posted, and its carry
    goes on. Returns False where nothing was used, or that way already. Whether the wallet can pay is for `covers` to
    say before.
    """
    last = await _last_segment(tx, resource_id)
    if last is None or last.until_at is not None:
        return False
    usage = Usage(
        resource_id,
        last.tariff_id if tariff_id is None else tariff_id,
        last.running if running is None else running,
    )
    if (usage.tariff_id, usage.running) == (last.tariff_id, last.running):
        return False
    await close_segment(tx, locked, resource_id=resource_id)
    return await open_segment(tx, locked, resource_id=resource_id, tariff_id=usage.tariff_id, running=usage.running)


async def covers(tx: Connection, locked: LockedWallet, *, added: Sequence[Usage], runway_seconds: int) -> bool:
    """Say whether the wallet pays for all that is used and for what is to be added, for `runway_seconds` from now on.

    Prices to come count. What is added takes the place of what the same resource uses now. The caller adds what is
    still being made. One that owes covers nothing. Raises TariffUnknownError.
    """
    if await debt(tx, locked.wallet.id):
        return False
    until_at = locked.now + runway_seconds
    replaced = {usage.resource_id for usage in added}
    used = [
        rules.charge(segment, locked.closed_through_at, locked.now if segment.resource_id in replaced else until_at)
        for segment in await open_segments(tx, locked.wallet.id)
    ]
    begun = [rules.runway_cost(segment, until_at=until_at) for segment in await planned(tx, added, from_at=locked.now)]
    return sum(used) + sum(begun) <= await balance(tx, locked.wallet.account_id)


async def _last_segment(tx: Connection, resource_id: UUID) -> Segment | None:
    found = await row(tx, READ_LAST, resource_id)
    return None if found is None else segment_from(found)
