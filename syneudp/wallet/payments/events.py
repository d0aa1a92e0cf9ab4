"""Which of a provider's events are dealt with, and how far they were read by asking; bookkeeping around the credit."""

from typing import Final

from syneudp.kernel.database import Connection, execute, value

EVENTS_KEPT_SECONDS: Final = 40 * 86_400
KNOWN: Final = "SELECT EXISTS (SELECT FROM payment_events WHERE provider = $1 AND event_id = $2)"
REMEMBER: Final = (
    "INSERT INTO payment_events (provider, event_id, received_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
)
FORGET: Final = (
    "DELETE FROM payment_events WHERE (provider, event_id) IN ("
    "SELECT provider, event_id FROM payment_events WHERE received_at < $1 LIMIT 10000)"
)
THROUGH: Final = "SELECT through_at FROM payment_polls WHERE provider = $1"
MOVE_THROUGH: Final = (
    "INSERT INTO payment_polls (provider, through_at) VALUES ($1, $2) ON CONFLICT (provider) DO UPDATE"
    " SET through_at = excluded.through_at WHERE payment_polls.through_at < excluded.through_at"
)


async def is_dealt_with(connection: Connection, provider: str, event_id: str) -> bool:
    """Tell whether the effects of an event are committed, or it has none."""
    return bool(await value(connection, KNOWN, provider, event_id))


async def remember_event(tx: Connection, provider: str, event_id: str, *, now: int) -> None:
    """Remember an event in the transaction that has its effects, so that neither is there without the other."""
    await execute(tx, REMEMBER, provider, event_id, now)


async def forget_events(tx: Connection, *, now: int) -> int:
    """Forget events so old that no provider tells them again; returns how many."""
    return await execute(tx, FORGET, now - EVENTS_KEPT_SECONDS)


async def read_through(connection: Connection, provider: str) -> int | None:
    """Tell up to when events were read by asking, in epoch seconds; None before the first time."""
    found = await value(connection, THROUGH, provider)
    return None if found is None else int(found)


async def move_through(tx: Connection, provider: str, at: int) -> None:
    """Write down that all events up to an instant (epoch seconds) were read."""
    await execute(tx, MOVE_THROUGH, provider, at)
