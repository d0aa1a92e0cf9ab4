"""Put an instance on a host and take it off again, in the transaction that wants it."""

from typing import Final
from uuid import UUID

from syneudp.catalog.errors import CapacityExhaustedError, HostUnknownError
from syneudp.catalog.queries import host_view
from syneudp.catalog.values import HostView
from syneudp.engines.contract import Engine
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, execute, load_sql, row, value

ATTEMPTS: Final = 5
UNREACHABLE_SECONDS: Final = 10
ASKED_WITHIN_SECONDS: Final = 120
RESIZE: Final = (
    "UPDATE hosts SET placed_bytes = placed_bytes + $2 WHERE id = $1 AND placed_bytes + $2 >= 0"
    " AND ($2 <= 0 OR capacity_bytes IS NULL OR placed_bytes + $2 <= capacity_bytes)"
)


async def place(tx: Connection, *, engine: Engine, storage_bytes: int, besides: UUID | None = None) -> HostView:
    """Reserve room for one instance on the open host with the most free share; the reservation lives or dies with `tx`.

    Holds that host's row until `tx` ends. A host that has been unreachable for UNREACHABLE_SECONDS, as long as the
    billing role still asks it, is taken only where no other has room, and never in the place of `besides`, which is
    passed over. A host that filled up while this waited for it makes it look again. Raises CapacityExhaustedError.
    """
    asked = (engine.value, storage_bytes, clock.stands_at(), UNREACHABLE_SECONDS, ASKED_WITHIN_SECONDS, besides)
    for _ in range(ATTEMPTS):
        found = await row(tx, load_sql(__file__, "place.sql"), *asked)
        if found is not None:
            return host_view(found)
        if not await value(tx, load_sql(__file__, "room.sql"), *asked):
            break
    raise CapacityExhaustedError


async def release(tx: Connection, *, host_id: UUID, storage_bytes: int) -> None:
    """Give back what `place` reserved. Raises HostUnknownError for a host that does not hold it."""
    released = await execute(
        tx,
        "UPDATE hosts SET placed_instances = placed_instances - 1, placed_bytes = placed_bytes - $2"
        " WHERE id = $1 AND placed_instances >= 1 AND placed_bytes >= $2",
        host_id,
        storage_bytes,
    )
    if not released:
        raise HostUnknownError


async def resize(tx: Connection, *, host_id: UUID, added_bytes: int) -> None:
    """Change what one instance's reservation on its host takes, by `added_bytes` of either sign.

    The host's state does not matter: nothing new is placed. Raises CapacityExhaustedError where it does not fit.
    """
    if added_bytes and not await execute(tx, RESIZE, host_id, added_bytes):
        raise CapacityExhaustedError
