"""Move what customers used into the past, so that a running stack has many hours to close with charges in them."""

from collections.abc import Sequence
from pathlib import Path

from tests.stack.inside import Inside

HOURS_OPEN = (
    "SELECT coalesce(sum(floor(extract(epoch FROM clock_timestamp()))::bigint / 3600 - closed_through), 0)::bigint AS hours"
    " FROM shards WHERE shard = ANY ($1::smallint[])"
)


async def move_into_the_past(inside: Inside, shards: Sequence[int], *, hours: int) -> None:
    script = Path(__file__).with_suffix(".sql").read_text("utf-8")
    listed = "'{" + ",".join(str(shard) for shard in shards) + "}'"
    connection = await inside.control()
    try:
        async with connection.transaction():
            await connection.execute(script.replace(":hours", str(hours)).replace(":shards", listed))
    finally:
        await connection.close()


async def hours_open(inside: Inside, shards: Sequence[int]) -> int:
    [found] = await inside.ask(HOURS_OPEN, list(shards))
    return int(found["hours"])
