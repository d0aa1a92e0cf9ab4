"""Billing stands still while its own clock and the control database's differ: one of the two would charge wrongly."""

import time
from typing import Final

from syneudp.kernel.database import Connection, value
from syneudp.kernel.logging import log

APART_SECONDS_MAX: Final = 2.0
READ_DATABASE_CLOCK: Final = "SELECT extract(epoch FROM clock_timestamp())::float8"


class ClocksApartError(Exception):
    """The two clocks differ by more than billing may bear; nothing is charged until they agree."""


async def clock_difference(connection: Connection) -> float:
    """Measure by how many seconds at least the database's clock is ahead (or, negative, behind) of this machine's.

    What the question's own way there and back may account for does not count.
    """
    asked = time.time()
    told = float(await value(connection, READ_DATABASE_CLOCK))
    return min(0.0, told - asked) + max(0.0, told - time.time())


async def require_one_time(connection: Connection) -> None:
    """Raise ClocksApartError, with an alarm, where the clocks differ by more than 2 s either way."""
    difference = await clock_difference(connection)
    if abs(difference) > APART_SECONDS_MAX:
        log.error("clocks_apart", seconds=round(difference, 3))
        raise ClocksApartError("the database's clock and this machine's are more than 2 s apart")
