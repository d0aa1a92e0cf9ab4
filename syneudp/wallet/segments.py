"""Start and stop paying for a resource; the wallet knows it by its id alone, and its price by its tariff."""

from dataclasses import replace
from typing import Final
from uuid import UUID

from syneudp.kernel.database import Connection, row
from syneudp.ledger import Reason
from syneudp.wallet import rules
from syneudp.wallet.coverage import lacking_of
from syneudp.wallet.depletion import keep_end, recompute_depletion
from syneudp.wallet.errors import SegmentConflictError
from syneudp.wallet.segment_records import (
    SEGMENT_COLUMNS,
    close_and_post,
    insert_segments,
    open_segments,
    planned,
    segment_from,
)
from syneudp.wallet.standings import standing
from syneudp.wallet.values import EndCause, LockedWallet, Segment, Usage

READ_LAST: Final = (
    f"SELECT {SEGMENT_COLUMNS}, NULL AS changes_at, NULL AS changes_price, NULL AS changes_steps"
    " FROM usage_segments WHERE resource_id = $1 ORDER BY from_at DESC LIMIT 1"
)
READ_DEPLETION: Final = "SELECT depletes_at FROM wallet_depletions WHERE wallet_id = $1"


async def open_segment(
    tx: Connection, locked: LockedWallet, *, resource_id: UUID, tariff_id: UUID, running: bool = True
) -> bool:
    """Let a resource run, or be stored only, by a tariff from `locked.now` on, or from where its last segment ended.

    Its price is the tariff's at that second, with what the resource stores; one that runs goes on as stored only, or
    the other way round, as `reprice_segment` says. Returns False where it is used that way already. Whether the wallet
    can pay is for `lacking` to say before; if it cannot, the segment ends at depletion without a charge. Raises
    SegmentConflictError where it is used by another tariff, TariffUnknownError.
    """
    last = await _last_segment(tx, resource_id)
    usage = Usage(resource_id, tariff_id, running)
    if last is None or last.until_at is not None:
        await _open(tx, locked, last, usage)
        return True
    if last.tariff_id != tariff_id:
        raise SegmentConflictError
    return await _go_on(tx, locked, last, usage)


async def start_segment(
    tx: Connection, locked: LockedWallet, *, resource_id: UUID, tariff_id: UUID, runway_seconds: int
) -> frozenset[EndCause]:
    """Let a resource run from `locked.now` on where all is covered for `runway_seconds`; tells what does not cover it.

    As `lacking` and then `open_segment`, reading where the wallet stands once. Raises what these raise.
    """
    stands = await standing(tx, locked.wallet.id)
    usage = Usage(resource_id, tariff_id)
    [wanted] = await planned(tx, [usage], from_at=locked.now)
    missing = lacking_of(stands, [wanted], now=locked.now, runway_seconds=runway_seconds)
    if missing:
        return missing
    last = await _last_segment(tx, resource_id)
    if last is not None:
        await open_segment(tx, locked, resource_id=resource_id, tariff_id=tariff_id)
        return missing
    await insert_segments(tx, locked.wallet, [wanted])
    await keep_end(tx, locked, replace(stands, segments=(*stands.segments, wanted)).computed_end())
    return missing


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
    goes on. Returns False where nothing was used, or that way already. Whether the wallet can pay is for `lacking` to
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
    return await _go_on(tx, locked, last, usage)


async def _go_on(tx: Connection, locked: LockedWallet, last: Segment, usage: Usage) -> bool:
    if (usage.tariff_id, usage.running) == (last.tariff_id, last.running):
        return False
    await close_segment(tx, locked, resource_id=usage.resource_id)
    await _open(tx, locked, await _last_segment(tx, usage.resource_id), usage)
    return True


async def _open(tx: Connection, locked: LockedWallet, last: Segment | None, usage: Usage) -> None:
    begin, carry = rules.opening(last, now=locked.now)
    [segment] = await planned(tx, [usage], from_at=begin)
    await insert_segments(tx, locked.wallet, [replace(segment, carry=carry)])
    await recompute_depletion(tx, locked)


async def _last_segment(tx: Connection, resource_id: UUID) -> Segment | None:
    found = await row(tx, READ_LAST, resource_id)
    return None if found is None else segment_from(found)
