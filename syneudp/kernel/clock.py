"""One clock for all processes: the control database's, in whole seconds since 1970-01-01T00:00:00Z."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

from syneudp.kernel.database import Connection, value

RUNNING: Final = "floor(extract(epoch FROM clock_timestamp()))::bigint"


class _Stand:
    """Where a test holds the clock; None lets it run."""

    epoch: int | None = None


async def now(connection: Connection) -> int:
    """Read the control database's clock, in whole epoch seconds, rounded down.

    Uses clock_timestamp() and not now(), which stands still for the length of a transaction and would lag by each
    lock wait.
    """
    if _Stand.epoch is not None:
        return _Stand.epoch
    return int(await value(connection, f"SELECT {RUNNING}"))


def stands_at() -> int | None:
    """Tell where a test holds the clock, for the parameter that `instant_or` names; None lets it run."""
    return _Stand.epoch


def instant_or(parameter: str) -> str:
    """Write `now` as SQL, for a statement that needs it along with what it reads; `parameter` carries `stands_at()`."""
    return f"coalesce({parameter}::bigint, {RUNNING})"


@contextmanager
def frozen(epoch: int) -> Iterator[None]:
    """Hold this process's clock at an instant (epoch seconds) for the length of the block; tests only."""
    before = _Stand.epoch
    _Stand.epoch = epoch
    try:
        yield
    finally:
        _Stand.epoch = before


def instant(epoch: int) -> datetime:
    """Turn epoch seconds into an aware UTC datetime."""
    return datetime.fromtimestamp(epoch, tz=UTC)


def epoch(moment: datetime) -> int:
    """Turn an aware datetime into epoch seconds, rounded down. Raises ValueError for a naive one."""
    if moment.tzinfo is None:
        raise ValueError("an instant needs its time zone")
    return int(moment.timestamp() // 1)


def rfc3339(epoch_seconds: int) -> str:
    """Write epoch seconds as RFC 3339 in UTC, with a Z."""
    return instant(epoch_seconds).isoformat().replace("+00:00", "Z")
