"""Doing a thing once, however often it is asked for under the same key."""

from dataclasses import dataclass
from uuid import UUID

from syneudp.kernel.database import Connection
from syneudp.kernel.idempotency import bind_key, claim_key, request_digest
from syneudp.web.customers import Customer


@dataclass(frozen=True, slots=True)
class Once:
    """A caller's key for one act, and the digest of what was asked under it."""

    scope: str
    key: str
    digest: bytes


def once(scope: str, key: str | None, *asked: object) -> Once | None:
    """Tie a key to what is asked under it; None where the caller sent no key."""
    return None if key is None else Once(scope=scope, key=key, digest=request_digest([scope, *asked]))


async def claim(tx: Connection, customer: Customer, wanted: Once | None) -> UUID | None:
    """Claim the key inside the act's own transaction; hand out what the first request made if this is a repetition.

    Raises IdempotencyMismatchError (422) when the key came with another request before.
    """
    if wanted is None:
        return None
    replay = await claim_key(tx, owner_id=customer.user.id, scope=wanted.scope, key=wanted.key, digest=wanted.digest)
    return None if replay is None else replay.target_id


async def bind(tx: Connection, customer: Customer, wanted: Once | None, target_id: UUID) -> None:
    """Point the claimed key at what was made, in the same transaction."""
    if wanted is not None:
        await bind_key(tx, owner_id=customer.user.id, scope=wanted.scope, key=wanted.key, target_id=target_id)
