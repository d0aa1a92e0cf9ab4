"""Write a checkpoint of the books where they cannot reach it, and verify the books against one written before."""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from syneudp import ledger
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, execute, reading, transact
from syneudp.ledger import Checkpoint, CutOff, Finding, Seal

FORMAT: Final = 1
DIGEST_BYTES: Final = 32
NOT_A_CHECKPOINT: Final = "That file holds no checkpoint of the books as `ledger export` writes it."
CHANGED: Final = "That file was changed after it was written: its lines do not give its own digest."
NONE_YET: Final = "There is no checkpoint yet; the first one is taken when an hour is closed."


class CheckpointRefusedError(Exception):
    """A checkpoint that is not there or cannot be one; says why in one sentence."""


async def export_checkpoint() -> list[str]:
    """Write the newest checkpoint as JSON lines: itself, then each shard's seal. Raises CheckpointRefusedError."""
    return await newest_lines(reading())


async def newest_lines(connection: Connection) -> list[str]:
    """Write the newest checkpoint and the newest cut-off that a connection sees. Raises CheckpointRefusedError."""
    found = await ledger.checkpoint(connection)
    if found is None:
        raise CheckpointRefusedError(NONE_YET)
    return list(checkpoint_lines(found, await ledger.cut_off(connection)))


async def verify_books(told: Checkpoint | None) -> list[Finding]:
    """Recompute every seal and checkpoint, and compare with one exported before, if it is given.

    Works in one REPEATABLE READ, read-only transaction without a time limit.
    """
    return await transact(partial(_verify, told=told))


def checkpoint_lines(told: Checkpoint, cut_off: CutOff | None = None) -> Iterator[str]:
    """Write a checkpoint, and the cut-off that it ties, as JSON lines, digests in hexadecimal."""
    head = {
        "kind": "checkpoint",
        "format": FORMAT,
        "number": told.number,
        "taken_at": clock.rfc3339(told.taken_at),
        "seals": len(told.seals),
        "cut_off_digest": told.cut_off_digest.hex(),
        "previous_digest": told.previous_digest.hex(),
        "digest": told.digest.hex(),
    }
    yield json.dumps(head)
    if cut_off is not None and cut_off.digest == told.cut_off_digest:
        yield json.dumps(
            {
                "kind": "cut_off",
                "number": cut_off.number,
                "before": clock.rfc3339(cut_off.before_at),
                "accounts": cut_off.accounts,
                "entries": cut_off.entries,
                "digest": cut_off.digest.hex(),
            }
        )
    for each in told.seals:
        yield json.dumps(
            {
                "kind": "seal",
                "shard": each.shard,
                "number": each.number,
                "until_ordinal": each.until_ordinal,
                "transfers": each.transfers,
                "entries": each.entries,
                "digest": each.digest.hex(),
            }
        )


def read_checkpoint(text: str) -> Checkpoint:
    """Read what `checkpoint_lines` wrote and check it against its own digest. Raises CheckpointRefusedError."""
    try:
        head, *others = [json.loads(line) for line in text.splitlines() if line.strip()]
        seals = [each for each in others if each["kind"] != "cut_off"]
        told = Checkpoint(
            number=_number(head, "number"),
            taken_at=0,
            previous_digest=_digest(head, "previous_digest"),
            digest=_digest(head, "digest"),
            seals=tuple(_seal(each) for each in seals),
            cut_off_digest=_digest(head, "cut_off_digest"),
        )
        right = (head["kind"], head["format"], head["seals"]) == ("checkpoint", FORMAT, len(seals))
    except (ValueError, TypeError, LookupError):
        raise CheckpointRefusedError(NOT_A_CHECKPOINT) from None
    if not right:
        raise CheckpointRefusedError(NOT_A_CHECKPOINT)
    if ledger.checkpoint_digest(told) != told.digest:
        raise CheckpointRefusedError(CHANGED)
    return told


async def _verify(tx: Connection, *, told: Checkpoint | None) -> list[Finding]:
    await execute(tx, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    await execute(tx, "SET LOCAL statement_timeout = 0")
    return await ledger.verify(tx, told)


def _seal(told: Mapping[str, Any]) -> Seal:
    if told["kind"] != "seal":
        raise ValueError
    return Seal(
        shard=_number(told, "shard"),
        number=_number(told, "number"),
        until_ordinal=_number(told, "until_ordinal"),
        transfers=_number(told, "transfers"),
        entries=_number(told, "entries"),
        digest=_digest(told, "digest"),
    )


def _number(told: Mapping[str, Any], name: str) -> int:
    found = told[name]
    if type(found) is not int or not 0 <= found < 2**63:
        raise ValueError
    return found


def _digest(told: Mapping[str, Any], name: str) -> bytes:
    found = bytes.fromhex(told[name])
    if len(found) != DIGEST_BYTES:
        raise ValueError
    return found
