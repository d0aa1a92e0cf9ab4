"""Segments as they stand in their table: read the open ones, split and close some, and post what they still owe."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any, Final
from uuid import UUID

from syneudp.kernel.database import Connection, execute, load_sql, rows
from syneudp.ledger import AccountKind, Entry, Reason, open_account, post
from syneudp.wallet import rules
from syneudp.wallet.errors import SegmentConflictError, TariffUnknownError
from syneudp.wallet.values import Change, LockedWallet, Segment, Usage, WalletRecord

SEGMENT_COLUMNS: Final = (
    "resource_id, from_at, until_at, price_micros_per_hour, carry, tariff_id, running, storage_steps"
)
FIELDS: Final = tuple(SEGMENT_COLUMNS.split(", "))
CLOSE: Final = (
    "UPDATE usage_segments s SET until_at = told.until_at"
    " FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS told (resource_id, from_at, until_at)"
    " WHERE s.resource_id = told.resource_id AND s.from_at = told.from_at AND s.until_at IS NULL"
)
OPEN: Final = (
    "INSERT INTO usage_segments"
    " (resource_id, from_at, wallet_id, shard, tariff_id, running, storage_steps, price_micros_per_hour, carry)"
    " SELECT told.resource_id, told.from_at, $1, $2, told.tariff_id, told.running, told.steps, told.price, told.carry"
    " FROM unnest($3::uuid[], $4::bigint[], $5::uuid[], $6::boolean[], $7::integer[], $8::bigint[], $9::smallint[])"
    " AS told (resource_id, from_at, tariff_id, running, steps, price, carry)"
)


async def open_segments(connection: Connection, wallet_id: UUID) -> list[Segment]:
    """Read the open segments of a wallet with the changes they will meet, by resource."""
    return [
        segment_from(found) for found in await rows(connection, load_sql(__file__, "open_segments.sql"), [wallet_id])
    ]


async def planned(connection: Connection, usages: Sequence[Usage], *, from_at: int) -> list[Segment]:
    """Make open segments, without a carry, of what is to be used from an instant on, with the changes they will meet.

    Raises TariffUnknownError for a tariff without a price at that instant.
    """
    found = await rows(
        connection,
        load_sql(__file__, "planned_usage.sql"),
        [usage.resource_id for usage in usages],
        [usage.tariff_id for usage in usages],
        [usage.running for usage in usages],
        from_at,
    )
    if len(found) != len(usages):
        raise TariffUnknownError
    return [segment_from(each) for each in found]


def segment_from(found: dict[str, Any]) -> Segment:
    """Turn a row into a value; a boundary at which neither price nor steps change is none."""
    segment = Segment(**{field: found[field] for field in FIELDS})
    told = zip(found["changes_at"] or (), found["changes_price"] or (), found["changes_steps"] or (), strict=True)
    coming: list[Change] = []
    before = (segment.price_micros_per_hour, segment.storage_steps)
    for at, price, steps in told:
        if (price, steps) != before:
            coming.append(Change(at, price, steps))
        before = (price, steps)
    return replace(segment, coming=() if segment.until_at is not None else tuple(coming))


async def insert_segments(tx: Connection, wallet: WalletRecord, segments: Sequence[Segment]) -> None:
    """Open segments as they are told."""
    await execute(
        tx,
        OPEN,
        wallet.id,
        wallet.shard,
        [segment.resource_id for segment in segments],
        [segment.from_at for segment in segments],
        [segment.tariff_id for segment in segments],
        [segment.running for segment in segments],
        [segment.storage_steps for segment in segments],
        [segment.price_micros_per_hour for segment in segments],
        [segment.carry for segment in segments],
    )


async def split_and_post(
    tx: Connection, locked: LockedWallet, segments: Sequence[Segment], *, key: str, effective_at: int
) -> int:
    """Split open segments at every change up to `locked.now` and post what the closed pieces still owe.

    Answers the charge in micro-units.
    """
    chains = [rules.split(segment, before=locked.now + 1) for segment in segments]
    return await _write_and_post(
        tx, locked, chains, reason=Reason.USAGE_REST, key=key, effective_at=effective_at, subject_id=None
    )


async def close_and_post(
    tx: Connection,
    locked: LockedWallet,
    ends: Sequence[tuple[Segment, int]],
    *,
    reason: Reason,
    key: str,
    effective_at: int,
    subject_id: UUID | None = None,
) -> int:
    """Close open segments, each at its second, and post their unposted rest at once; returns the charge in micro-units.

    One that met changes before its end is split at them. Raises SegmentConflictError if one is no longer open.
    """
    chains = []
    for segment, until_at in ends:
        *pieces, last = rules.split(segment, before=until_at)
        chains.append([*pieces, replace(last, until_at=until_at, coming=())])
    return await _write_and_post(
        tx, locked, chains, reason=reason, key=key, effective_at=effective_at, subject_id=subject_id
    )


async def _write_and_post(
    tx: Connection,
    locked: LockedWallet,
    chains: Sequence[Sequence[Segment]],
    *,
    reason: Reason,
    key: str,
    effective_at: int,
    subject_id: UUID | None,
) -> int:
    for turn, told in enumerate(zip_longest(*chains)):
        pieces = [piece for piece in told if piece is not None]
        if turn:
            await insert_segments(tx, locked.wallet, pieces)
        await close_segments(tx, [piece for piece in pieces if piece.until_at is not None])
    closed = [piece for chain in chains for piece in chain if piece.until_at is not None]
    rest = sum(rules.charge(piece, locked.closed_through_at, piece.until_at or 0) for piece in closed)
    if rest:
        wallet = locked.wallet
        revenue = await open_account(tx, kind=AccountKind.REVENUE, shard=wallet.shard, currency=wallet.currency)
        await post(
            tx,
            reason=reason,
            key=key,
            effective_at=effective_at,
            created_at=locked.now,
            entries=[Entry(wallet.account_id, -rest), Entry(revenue, rest)],
            subject_id=subject_id,
        )
    return rest


async def close_segments(tx: Connection, segments: Sequence[Segment]) -> None:
    """Write the ends of open segments, of whatever wallets. Raises SegmentConflictError if one is no longer open."""
    if not segments:
        return
    closed = await execute(
        tx,
        CLOSE,
        [segment.resource_id for segment in segments],
        [segment.from_at for segment in segments],
        [segment.until_at for segment in segments],
    )
    if closed != len(segments):
        raise SegmentConflictError
