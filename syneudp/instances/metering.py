"""What each instance uses, kept as a series: a minute in a row for a day, then an hour in a row for thirteen months."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from syneudp.engines.contract import UsageItem
from syneudp.kernel.database import Connection, execute, load_sql, value

SECONDS_PER_MINUTE: Final = 60
SECONDS_PER_HOUR: Final = 3600
MINUTES_KEPT_SECONDS: Final = 86_400
HOURS_KEPT_SECONDS: Final = 396 * 86_400
NEWCOMER_SECONDS: Final = 120
NEWCOMER_EVERY_SECONDS: Final = 5
BATCH: Final = 20_000
FORGET_HOURS: Final = (
    "DELETE FROM usage_hours WHERE ctid = ANY(ARRAY("
    "SELECT ctid FROM usage_hours WHERE hour_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))"
)


async def claim_sampling(connection: Connection, *, host_id: UUID, now: int) -> bool:
    """Take a host to be measured; true for one process a minute and host, epoch seconds.

    A host with an instance that became ready in the last two minutes and was never measured may be taken again after
    5 s, so that its owner need not wait.
    """
    sql = load_sql(__file__, "claim_sampling.sql")
    return bool(await value(connection, sql, host_id, now, NEWCOMER_EVERY_SECONDS, NEWCOMER_SECONDS))


async def record_usage(connection: Connection, *, host_id: UUID, items: Sequence[UsageItem], now: int) -> int:
    """Write what a host's live instances use, in one statement, and answer how many rows the series gained.

    An instance gets one row a minute, whoever measures it. Transactions are those since the sample before: where the
    engine's count went down, it began again from nothing, so that all it counts is new; the first sample has none.
    """
    return await execute(
        connection,
        load_sql(__file__, "write_samples.sql"),
        host_id,
        [item.instance_id for item in items],
        [item.storage_bytes for item in items],
        [item.sessions for item in items],
        [item.transactions for item in items],
        now // SECONDS_PER_MINUTE * SECONDS_PER_MINUTE,
    )


def minutes_kept_from(now: int) -> int:
    """Tell from which instant on minutes are kept as minutes: the hour's first second, a day ago."""
    return (now - MINUTES_KEPT_SECONDS) // SECONDS_PER_HOUR * SECONDS_PER_HOUR


async def downsample(connection: Connection, *, now: int) -> int:
    """Turn minutes over a day old into hours and forget hours over thirteen months old; answers how many rows went.

    Each statement moves a bounded number of rows and leaves every sample in exactly one place, so that any number of
    processes may do this at once, and be killed at it.
    """
    moved = 0
    while (
        batch := int(await value(connection, load_sql(__file__, "downsample.sql"), minutes_kept_from(now), BATCH))
    ) > 0:
        moved += batch
    while (batch := await execute(connection, FORGET_HOURS, now - HOURS_KEPT_SECONDS, BATCH)) > 0:
        moved += batch
    return moved
