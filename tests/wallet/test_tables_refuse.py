from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest

from syneudp.kernel import clock
from syneudp.kernel.database import transact
from syneudp.wallet import WalletRecord
from tests.servers import ControlDatabase
from tests.wallet.customers import HOUR, UNIT, close_hour, new_customer, start, stop, tariff

REFUSED = asyncpg.InsufficientPrivilegeError
BROKEN = (asyncpg.CheckViolationError, asyncpg.UniqueViolationError, asyncpg.ForeignKeyViolationError)
SHARD = 12


@pytest.fixture
async def runtime(books: int, control: ControlDatabase) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(control.url)
    yield connection
    await connection.close()


async def customer_of(books: int) -> tuple[WalletRecord, UUID, UUID]:
    with clock.frozen(books + 10):
        customer = await new_customer(shard=SHARD, balance_micros=UNIT)
        stopped, running = uuid4(), uuid4()
        await start(customer, stopped, 3601)
        await start(customer, running, 3601)
    with clock.frozen(books + 20):
        await stop(customer, stopped)
    with clock.frozen(books + HOUR):
        await close_hour(SHARD, books // HOUR)
    return customer, stopped, running


@pytest.mark.parametrize("table", ["usage_segments", "tariff_versions", "top_ups", "hour_closes", "shards", "wallets"])
async def test_rows_are_never_removed(
    books: int, runtime: asyncpg.Connection, control: ControlDatabase, table: str
) -> None:
    await customer_of(books)
    owner = await asyncpg.connect(control.owner_url)
    try:
        for connection in (runtime, owner):
            for statement in (f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
                with pytest.raises(REFUSED):
                    await connection.execute(statement)
    finally:
        await owner.close()


async def test_what_was_written_is_not_rewritten(books: int, runtime: asyncpg.Connection) -> None:
    await customer_of(books)
    for statement in (
        "UPDATE usage_segments SET price_micros_per_hour = 1",
        "UPDATE usage_segments SET from_at = from_at + 1",
        "UPDATE usage_segments SET carry = 0",
        "UPDATE usage_segments SET running = false",
        "UPDATE tariff_versions SET price_micros_per_hour = 1",
        "UPDATE storage_steps SET steps = 1",
        "UPDATE wallets SET shard = 3",
        "UPDATE wallets SET account_id = gen_random_uuid()",
        "UPDATE top_ups SET amount_micros = 1",
        "UPDATE hour_closes SET charge_micros = 0",
        "UPDATE shards SET first_hour = 0",
        "INSERT INTO shards VALUES (1, 1, 1)",
    ):
        with pytest.raises(REFUSED):
            await runtime.execute(statement)


async def test_a_segment_closes_once_and_never_into_a_closed_hour(books: int, runtime: asyncpg.Connection) -> None:
    _, stopped, running = await customer_of(books)
    for resource, until in (
        (stopped, books + HOUR + 5),
        (stopped, None),
        (running, books + HOUR - 1),
        (running, books + 9),
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            await runtime.execute("UPDATE usage_segments SET until_at = $2 WHERE resource_id = $1", resource, until)


async def test_a_segment_that_does_not_fit_is_refused(books: int, runtime: asyncpg.Connection) -> None:
    customer, stopped, running = await customer_of(books)
    end = books + HOUR
    carry = 11
    fives = await transact(lambda tx: tariff(tx, 5))

    async def insert(
        resource: UUID,
        from_at: int,
        *,
        until_at: int | None = None,
        carry: int = 0,
        shard: int = SHARD,
        price: int = 5,
        steps: int = 0,
        priced: bool = True,
    ) -> None:
        await runtime.execute(
            "INSERT INTO usage_segments (resource_id, from_at, until_at, wallet_id, shard, price_micros_per_hour, carry,"
            " tariff_id, running, storage_steps) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, true, $9)",
            resource,
            from_at,
            until_at,
            customer.id,
            shard,
            price,
            carry,
            fives if priced else uuid4(),
            steps,
        )

    for told in (
        insert(uuid4(), end - 1),
        insert(uuid4(), end, until_at=end + 5),
        insert(uuid4(), end, carry=1),
        insert(uuid4(), end, carry=3600),
        insert(uuid4(), end, shard=SHARD + 1),
        insert(uuid4(), end, price=-1),
        insert(uuid4(), end, price=6),
        insert(uuid4(), end, steps=1),
        insert(uuid4(), end, priced=False),
        insert(uuid4(), end, price=1_000_000_001),
        insert(uuid4(), 4_102_444_801),
        insert(stopped, end, carry=carry + 1),
        insert(running, end + 5, carry=0),
    ):
        with pytest.raises(BROKEN):
            await told
    fitting = runtime.transaction()
    await fitting.start()
    await insert(stopped, end + 500, carry=carry)
    with pytest.raises(BROKEN):
        await insert(stopped, end + 400, carry=carry)
    await fitting.rollback()


async def test_a_shard_moves_on_by_one_hour_with_its_run_row(books: int, runtime: asyncpg.Connection) -> None:
    for change in ("closed_through + 1", "closed_through + 2", "closed_through - 1"):
        with pytest.raises(asyncpg.CheckViolationError):
            await runtime.execute(f"UPDATE shards SET closed_through = {change} WHERE shard = 0")
    with pytest.raises(asyncpg.CheckViolationError):
        await runtime.execute(
            "INSERT INTO hour_closes (shard, hour, wallets, segments, seconds, charge_micros, depletions, closed_at)"
            " VALUES (0, $1, 0, 0, 0, 0, 0, $2)",
            books // HOUR + 1,
            books + 9 * HOUR,
        )
