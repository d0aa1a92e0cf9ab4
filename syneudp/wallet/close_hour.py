"""Close an hour of a shard: every open segment is posted through the hour's end, all of it or nothing.

In one transaction: `lock_shard_for_close`, `begin_close`, a lock (which settles) of each of `uncovered_wallets`, and
`post_hour`, which also moves the shard on. Hours are epoch seconds // 3600, UTC.
"""

from typing import Any, Final
from uuid import UUID

from syneudp.kernel import clock
from syneudp.kernel.database import Connection, row, rows
from syneudp.kernel.identifiers import new_id
from syneudp.kernel.money import SECONDS_PER_HOUR
from syneudp.ledger import AccountKind, open_account
from syneudp.wallet.errors import HourOutOfOrderError
from syneudp.wallet.split_segments import split_at
from syneudp.wallet.values import CloseTotals

READ_CLOSED_THROUGH: Final = (
    f"SELECT closed_through, {clock.instant_or('$2')} AS now FROM shards WHERE shard = $1 FOR NO KEY UPDATE"
)
READ_UNCOVERED: Final = (
    "SELECT d.wallet_id FROM wallet_depletions d WHERE d.shard = $1 AND d.depletes_at < $2"
    " AND NOT EXISTS (SELECT FROM wallet_quarantines q WHERE q.wallet_id = d.wallet_id) ORDER BY d.wallet_id"
)
POST_HOUR: Final = (
    "SELECT wallets, segments, seconds, charge_micros, unopened, moved_on"
    f" FROM wallet_post_hour($1::smallint, $2, {clock.instant_or('$3')}, $4)"
)


async def begin_close(tx: Connection, shard: int, hour: int) -> bool:
    """Say whether this hour of the shard is the one to close now; False where it is closed already.

    The shard's lock must be held alone. Raises HourOutOfOrderError for an hour that is not over, or whose
    predecessor is still open.
    """
    found: Any = await row(tx, READ_CLOSED_THROUGH, shard, clock.stands_at())
    if found["closed_through"] > hour:
        return False
    if found["closed_through"] < hour or found["now"] < _end(hour):
        raise HourOutOfOrderError
    return True


async def uncovered_wallets(tx: Connection, shard: int, hour_end: int) -> list[UUID]:
    """List the wallets of a shard whose money ends before `hour_end` (epoch seconds), by id; settle each first."""
    return [found["wallet_id"] for found in await rows(tx, READ_UNCOVERED, shard, hour_end)]


async def post_hour(tx: Connection, shard: int, hour: int) -> CloseTotals:
    """Post an hour as one transfer with a leg a wallet, write the run row and move the shard on to the next hour.

    All of it is computed and written inside the database. Changes no wallet's depletion: what it takes from the
    balances is what it takes from what is owed. What costs another price from the hour's end on is split there. Raises
    HourOutOfOrderError where the hour is not the shard's next one.
    """
    posted = await _post(tx, shard, hour)
    if posted["unopened"]:
        for currency in posted["unopened"]:
            await open_account(tx, kind=AccountKind.REVENUE, shard=shard, currency=currency)
        posted = await _post(tx, shard, hour)
    if not posted["moved_on"]:
        raise HourOutOfOrderError
    await split_at(tx, shard=shard, at=_end(hour))
    return CloseTotals(
        wallets=posted["wallets"],
        segments=posted["segments"],
        seconds=posted["seconds"],
        charge_micros=posted["charge_micros"],
    )


async def shards_behind(connection: Connection, now: int) -> list[tuple[int, int]]:
    """List the shards with an hour that is over and not closed, each with its next one, longest behind first."""
    found = await rows(
        connection,
        "SELECT shard, closed_through FROM shards WHERE closed_through < $1 ORDER BY closed_through, shard",
        now // SECONDS_PER_HOUR,
    )
    return [(each["shard"], each["closed_through"]) for each in found]


async def _post(tx: Connection, shard: int, hour: int) -> Any:
    return await row(tx, POST_HOUR, shard, hour, clock.stands_at(), new_id())


def _end(hour: int) -> int:
    return (hour + 1) * SECONDS_PER_HOUR
