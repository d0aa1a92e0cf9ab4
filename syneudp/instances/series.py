"""Read what an instance used over time, in as many points as a picture can show."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from syneudp.instances.metering import minutes_kept_from
from syneudp.instances.queries import instance
from syneudp.kernel.database import Connection, load_sql, rows

POINTS_MAX: Final = 400
STEPS_SECONDS: Final = (60, 300, 900, 3600, 6 * 3600, 86_400)
HOUR_STEP_SECONDS: Final = 3600
SPAN_SECONDS_MAX: Final = 396 * 86_400


@dataclass(frozen=True, slots=True)
class MetricPoint:
    """What was used in the step that begins at `at` (epoch seconds).

    Bytes and connections as average and maximum over the step's samples; transactions as a count.
    """

    at: int
    storage_bytes: int
    storage_bytes_max: int
    connections: float
    connections_max: int
    transactions: int


@dataclass(frozen=True, slots=True)
class Series:
    """Points in order within [from_at, until_at); a step without a sample has no point."""

    from_at: int
    until_at: int
    step_seconds: int
    points: tuple[MetricPoint, ...]


def step_for(from_at: int, until_at: int, *, now: int) -> int:
    """Choose the shortest step (seconds) that has data for the whole window and makes at most 400 points of it."""
    shortest = STEPS_SECONDS[0] if from_at >= minutes_kept_from(now) else HOUR_STEP_SECONDS
    fitting = (
        step for step in STEPS_SECONDS if step >= shortest and -(-until_at // step) - from_at // step <= POINTS_MAX
    )
    return next(fitting, STEPS_SECONDS[-1])


async def metrics_of(
    connection: Connection, owner_id: UUID, instance_id: UUID, *, from_at: int, until_at: int, now: int
) -> Series:
    """Read an instance's series in [from_at, until_at), begun with a whole step. Raises InstanceNotFoundError."""
    view = await instance(connection, owner_id, instance_id)
    step = step_for(from_at, until_at, now=now)
    begins_at = from_at // step * step
    found = await rows(connection, load_sql(__file__, "read_series.sql"), view.id, begins_at, until_at, step)
    points = tuple(MetricPoint(**told) for told in found)
    return Series(from_at=begins_at, until_at=until_at, step_seconds=step, points=points)
