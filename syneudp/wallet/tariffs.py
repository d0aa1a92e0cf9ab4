"""What tariffs cost from hour boundaries on: set a price to come, and tell what a use costs."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from syneudp.kernel import clock
from syneudp.kernel.database import Connection, execute, row, rows, value
from syneudp.kernel.money import SECONDS_PER_HOUR
from syneudp.ledger import SHARDS
from syneudp.wallet.errors import TariffRefusedError
from syneudp.wallet.values import Price, Usage

SHARD_LOCKS: Final = 0x5348
LOCK_TIMEOUT_MS: Final = 100
READ: Final = (
    "SELECT price_micros_per_hour, storage_price_micros_per_gib_hour FROM tariff_versions"
    " WHERE tariff_id = $1 AND begins_at = $2"
)
LATEST: Final = (
    "SELECT greatest($1::bigint, (SELECT max(last_event_at) FROM wallets),"
    " (SELECT max(closed_through) * 3600 FROM shards))"
)
ADD: Final = (
    "INSERT INTO tariff_versions (tariff_id, begins_at, price_micros_per_hour, storage_price_micros_per_gib_hour)"
    " VALUES ($1, $2, $3, $4) ON CONFLICT (tariff_id, begins_at) DO NOTHING"
)
ASK_FOR_RECKONING: Final = (
    "INSERT INTO tariff_reckonings (tariff_id, begins_at, shard) SELECT $1, $2, shard FROM shards"
)
PRICES: Final = (
    "SELECT u.resource_id, p.price_micros_per_hour, p.storage_micros_per_hour, p.storage_steps"
    " FROM unnest($1::uuid[], $2::uuid[], $3::boolean[]) AS u (resource_id, tariff_id, running)"
    " CROSS JOIN LATERAL usage_price_at(u.tariff_id, u.resource_id, u.running, $4) p"
)


async def add_tariff_version(
    tx: Connection,
    *,
    tariff_id: UUID,
    begins_at: int,
    price_micros_per_hour: int,
    storage_price_micros_per_gib_hour: int,
) -> bool:
    """Set what a tariff costs from an hour boundary on; False where that is so already.

    A tariff's first version may begin whenever. Any other begins in the future, and holds every shard's lock alone
    until `tx` ends, so that nobody charges past its beginning without seeing it; the future begins after the latest
    instant that any wallet has seen, since a clock may have stepped back. The wallets that use the tariff are
    to be looked at afterwards. Raises TariffRefusedError.
    """
    if begins_at % SECONDS_PER_HOUR:
        raise TariffRefusedError("A price begins on the full hour, in UTC.")
    told = (price_micros_per_hour, storage_price_micros_per_gib_hour)
    later = await value(tx, "SELECT EXISTS (SELECT FROM tariff_versions WHERE tariff_id = $1)", tariff_id)
    found = await row(tx, READ, tariff_id, begins_at)
    if found is None and later:
        await _lock_shards(tx)
        found = await row(tx, READ, tariff_id, begins_at)
        if found is None and begins_at <= await value(tx, LATEST, await clock.now(tx)):
            raise TariffRefusedError("A price begins in the future; what has begun keeps its price.")
    if found is not None:
        if tuple(found.values()) != told:
            raise TariffRefusedError("Another price was set for that instant, and stays.")
        return False
    added = await execute(tx, ADD, tariff_id, begins_at, *told)
    if added and later:
        await execute(tx, ASK_FOR_RECKONING, tariff_id, begins_at)
    return bool(added)


async def prices(connection: Connection, usages: Sequence[Usage], *, at: int) -> dict[UUID, Price]:
    """Tell what each use of a resource costs an hour at an instant; one without a price then is left out."""
    found = await rows(
        connection,
        PRICES,
        [usage.resource_id for usage in usages],
        [usage.tariff_id for usage in usages],
        [usage.running for usage in usages],
        at,
    )
    return {
        each["resource_id"]: Price(
            price_micros_per_hour=each["price_micros_per_hour"],
            storage_micros_per_hour=each["storage_micros_per_hour"],
            storage_steps=each["storage_steps"],
        )
        for each in found
    }


async def _lock_shards(tx: Connection) -> None:
    before = await value(tx, "SELECT current_setting('lock_timeout')")
    await execute(tx, "SELECT set_config('lock_timeout', $1, true)", f"{LOCK_TIMEOUT_MS}ms")
    await rows(
        tx,
        "SELECT pg_advisory_xact_lock($1, s.shard) FROM generate_series(0, $2) AS s (shard)",
        SHARD_LOCKS,
        SHARDS - 1,
    )
    await execute(tx, "SELECT set_config('lock_timeout', $1, true)", str(before))
