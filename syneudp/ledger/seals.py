"""Seals: each shard's transfers digested and chained after the fact, and checkpoints that tie the shards together.

A seal covers the transfers of a shard whose ordinals follow the last seal's. Ordinals are given while the shard's lock
is shared, and a seal is written while it is held alone: nothing below a sealed ordinal can still be on its way.
"""

from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID

from syneudp.kernel import clock
from syneudp.kernel.database import PATIENT_SECONDS, Connection, execute, load_sql, row, rows, value
from syneudp.ledger.values import Checkpoint, Finding, Seal

CHECKPOINT_LOCK: Final = 1_398_361_668
CHECKPOINT_KIND: Final = 2
READ_CHECKPOINT: Final = (
    "SELECT number, heads, cut_off_digest, previous_digest, digest, taken_at FROM checkpoints"
    " WHERE $1::bigint IS NULL OR number = $1 ORDER BY number DESC LIMIT 1"
)
READ_HEADS: Final = (
    "SELECT s.shard, s.number, s.until_ordinal, s.transfers, s.entries, s.digest"
    " FROM unnest($1::bigint[]) WITH ORDINALITY AS head (number, place)"
    " JOIN seals s ON s.shard = (head.place - 1)::smallint AND s.number = head.number ORDER BY s.shard"
)
FIND_SEAL: Final = "SELECT number FROM seals WHERE shard = $1 AND until_ordinal >= $2 ORDER BY number LIMIT 1"


async def seal(tx: Connection, shard: int) -> Seal | None:
    """Seal what a shard posted since its last seal; None where that is nothing. The shard's lock must be held alone."""
    found = await row(tx, load_sql(__file__, "seal.sql"), shard, await clock.now(tx))
    return None if found is None else Seal(**found)


async def take_checkpoint(tx: Connection) -> int | None:
    """Tie the newest seals of all shards together and answer the checkpoint's number; None where none is new."""
    await execute(tx, "SELECT pg_advisory_xact_lock($1, $2)", CHECKPOINT_LOCK, CHECKPOINT_KIND)
    number = await value(tx, load_sql(__file__, "checkpoint.sql"), await clock.now(tx))
    return None if number is None else int(number)


async def checkpoint(connection: Connection, number: int | None = None) -> Checkpoint | None:
    """Read a checkpoint, the newest unless a number is given, with the seal of each shard that has one."""
    found = await row(connection, READ_CHECKPOINT, number)
    if found is None:
        return None
    heads = await rows(connection, READ_HEADS, found["heads"])
    return Checkpoint(
        number=found["number"],
        taken_at=found["taken_at"],
        previous_digest=found["previous_digest"],
        digest=found["digest"],
        cut_off_digest=found["cut_off_digest"],
        seals=tuple(Seal(**each) for each in heads),
    )


async def verify(connection: Connection, told: Checkpoint | None = None) -> list[Finding]:
    """Recompute every seal and checkpoint, and compare with a checkpoint that was exported before, if one is given.

    Reads all transfers and entries; meant for one REPEATABLE READ transaction.
    """
    found = await rows(connection, load_sql(__file__, "audit_seals.sql"), timeout_seconds=PATIENT_SECONDS)
    findings = [Finding(rule=each["rule"], row=each["row"], detail=each["detail"]) for each in found]
    if told is not None:
        findings += _compare(told, await checkpoint(connection, told.number))
        findings += await _compare_seals(connection, told.seals)
    return findings


async def seal_of(connection: Connection, transfer_id: UUID) -> tuple[int, int] | None:
    """Tell which seal (shard and number) holds a transfer; None where it is not sealed yet or does not exist."""
    found = await row(connection, "SELECT shard, ordinal FROM transfers WHERE id = $1", transfer_id)
    if found is None:
        return None
    number = await value(connection, FIND_SEAL, found["shard"], found["ordinal"])
    return None if number is None else (int(found["shard"]), int(number))


def _compare(told: Checkpoint, kept: Checkpoint | None) -> Iterator[Finding]:
    if kept is None or (kept.digest, kept.previous_digest) != (told.digest, told.previous_digest):
        detail = "the books have none of that number" if kept is None else "the books have another of that number"
        yield Finding(rule="checkpoint_is_what_was_exported", row=f"checkpoint {told.number}", detail=detail)


async def _compare_seals(connection: Connection, told: Sequence[Seal]) -> list[Finding]:
    numbers = {each.shard: each.number for each in told}
    wanted = [numbers.get(shard, 0) for shard in range(max(numbers, default=-1) + 1)]
    kept = {each["shard"]: Seal(**each) for each in await rows(connection, READ_HEADS, wanted)}
    return [
        Finding(
            rule="seal_is_what_was_exported",
            row=f"shard {each.shard} seal {each.number}",
            detail="the books have none of that number" if each.shard not in kept else "the books have another",
        )
        for each in told
        if kept.get(each.shard) != each
    ]
