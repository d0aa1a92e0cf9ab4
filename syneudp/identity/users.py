"""Customers: remembered at the first token they show, known by the auth server's id from then on."""

from uuid import UUID

from syneudp.identity.models import UserRow
from syneudp.identity.values import User
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, execute


async def remember_user(tx: Connection, *, user_id: UUID, email: str) -> User:
    """Make the customer known, or take over a changed address; writes nothing when nothing is new.

    Safe against another transaction that sees the same customer for the first time.
    """
    known = await user_of(tx, user_id)
    if known is not None and known.email == email:
        return known
    await execute(
        tx,
        "INSERT INTO users (id, email, created_at) VALUES ($1, $2, $3) "
        "ON CONFLICT (id) DO UPDATE SET email = excluded.email",
        user_id,
        email,
        await clock.now(tx),
    )
    remembered = await user_of(tx, user_id)
    if remembered is None:
        raise RuntimeError("a user row vanished inside its transaction")
    return remembered


async def user_of(connection: Connection, user_id: UUID) -> User | None:
    """Find a customer, or None for one who has not been here yet."""
    found = await UserRow.filter(id=user_id).using_db(connection).first()
    return None if found is None else User(id=found.id, email=found.email, created_at=found.created_at)


async def users_by_email(connection: Connection, email: str) -> list[User]:
    """Find the customers who use an address, letter case aside; the auth server lets one have it at a time."""
    found = await UserRow.filter(email__iexact=email).using_db(connection).order_by("created_at", "id")
    return [User(id=each.id, email=each.email, created_at=each.created_at) for each in found]
