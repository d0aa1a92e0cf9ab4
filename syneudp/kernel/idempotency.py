"""Idempotency keys (draft-ietf-httpapi-idempotency-key-header), committed with the intent they point at."""

import hashlib
import json
from dataclasses import dataclass
from uuid import UUID

from syneudp.kernel.database import Connection, execute, row
from syneudp.kernel.errors import ProblemError


class IdempotencyMismatchError(ProblemError):
    """The same key came with another request."""

    status = 422
    code = "idempotency_mismatch"
    title = "Idempotency key used for another request"
    sentence = "This idempotency key was used before with a different request. Use a new key for a new request."


@dataclass(frozen=True, slots=True)
class Replay:
    """A key that was used before; target_id is what the first request made."""

    target_id: UUID


def request_digest(told: object) -> bytes:
    """Digest a request's meaning: SHA-256 over its JSON with sorted names."""
    canonical = json.dumps(told, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).digest()


async def claim_key(tx: Connection, *, owner_id: UUID, scope: str, key: str, digest: bytes) -> Replay | None:
    """Claim a key inside the transaction that carries out the request; None means that it is new.

    A second request with the same key waits here until the first has committed or rolled back. Raises
    IdempotencyMismatchError.
    """
    if await execute(
        tx,
        "INSERT INTO idempotency_keys (owner_id, scope, key, digest) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        owner_id,
        scope,
        key,
        digest,
    ):
        return None
    found = await row(
        tx,
        "SELECT digest, target_id FROM idempotency_keys WHERE owner_id = $1 AND scope = $2 AND key = $3",
        owner_id,
        scope,
        key,
    )
    if found is None or found["digest"] != digest:
        raise IdempotencyMismatchError
    return Replay(target_id=found["target_id"])


async def bind_key(tx: Connection, *, owner_id: UUID, scope: str, key: str, target_id: UUID) -> None:
    """Point a claimed key at what the request made, in the same transaction."""
    await execute(
        tx,
        "UPDATE idempotency_keys SET target_id = $4"
        " WHERE owner_id = $1 AND scope = $2 AND key = $3 AND target_id IS NULL",
        owner_id,
        scope,
        key,
        target_id,
    )
