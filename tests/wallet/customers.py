from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID, uuid4

import asyncpg

from syneudp import ledger, wallet
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, execute, reading, row, transact, value
from syneudp.ledger import SHARDS
from syneudp.wallet import CloseTotals, LockedWallet, TopUp, WalletOverview, WalletRecord, rules
from tests.servers import ControlDatabase

HOUR = 3600
UNIT = 1_000_000
Result = TypeVar("Result")


async def new_customer(*, shard: int | None = None, balance_micros: int = 0) -> WalletRecord:
    identifier = uuid4()

    async def open_for(tx: Connection) -> WalletRecord:
        if shard is not None:
            await pass_places_up_to(tx, shard)
        await execute(
            tx, "INSERT INTO users (id, email, created_at) VALUES ($1, $2, 0)", identifier, f"{identifier}@example.com"
        )
        return await wallet.open_wallet(tx, user_id=identifier, currency="EUR")

    record = await transact(open_for)
    if balance_micros:
        await top_up(record, balance_micros)
    return record


async def pass_places_up_to(tx: Connection, shard: int) -> None:
    place = await value(tx, "SELECT nextval('wallet_places')")
    passed = (shard * rules.WALLETS_IN_A_ROW - place - 1) % (SHARDS * rules.WALLETS_IN_A_ROW)
    await execute(tx, "SELECT nextval('wallet_places') FROM generate_series(1, $1::bigint)", passed)


async def locked(record: WalletRecord, work: Callable[[Connection, LockedWallet], Awaitable[Result]]) -> Result:
    async def whole(tx: Connection) -> Result:
        return await work(tx, await wallet.lock_wallet(tx, record.id))

    return await transact(whole)


async def settle(record: WalletRecord) -> LockedWallet:
    async def nothing(tx: Connection, held: LockedWallet) -> LockedWallet:
        return held

    return await locked(record, nothing)


async def top_up(
    record: WalletRecord, amount_micros: int, *, payment_id: str | None = None, provider: str = "sandbox"
) -> TopUp:
    async def credit(tx: Connection, held: LockedWallet) -> TopUp:
        return await wallet.credit_top_up(
            tx, held, provider=provider, payment_id=payment_id or str(uuid4()), amount_micros=amount_micros
        )

    return await locked(record, credit)


async def tariff(tx: Connection, price_micros_per_hour: int) -> UUID:
    identifier = UUID(int=0x7A << 96 | price_micros_per_hour)
    await wallet.add_tariff_version(
        tx,
        tariff_id=identifier,
        begins_at=0,
        price_micros_per_hour=price_micros_per_hour,
        storage_price_micros_per_gib_hour=0,
    )
    return identifier


async def start(record: WalletRecord, resource_id: UUID, price_micros_per_hour: int) -> bool:
    async def open_it(tx: Connection, held: LockedWallet) -> bool:
        return await wallet.open_segment(
            tx, held, resource_id=resource_id, tariff_id=await tariff(tx, price_micros_per_hour)
        )

    return await locked(record, open_it)


async def reprice(record: WalletRecord, resource_id: UUID, price_micros_per_hour: int) -> bool:
    async def change(tx: Connection, held: LockedWallet) -> bool:
        return await wallet.reprice_segment(
            tx, held, resource_id=resource_id, tariff_id=await tariff(tx, price_micros_per_hour)
        )

    return await locked(record, change)


async def stop(record: WalletRecord, resource_id: UUID) -> bool:
    async def close_it(tx: Connection, held: LockedWallet) -> bool:
        return await wallet.close_segment(tx, held, resource_id=resource_id)

    return await locked(record, close_it)


async def close_hour(shard: int, hour: int) -> CloseTotals | None:
    async def whole(tx: Connection) -> CloseTotals | None:
        await wallet.lock_shard_for_close(tx, shard)
        if not await wallet.begin_close(tx, shard, hour):
            return None
        for wallet_id in await wallet.uncovered_wallets(tx, shard, (hour + 1) * HOUR):
            await wallet.lock_wallet(tx, wallet_id)
        return await wallet.post_hour(tx, shard, hour)

    return await transact(whole)


async def next_hour(shard: int) -> int:
    return int(await value(reading(), "SELECT closed_through FROM shards WHERE shard = $1", shard))


async def catch_up(shard: int) -> int:
    closed = 0
    while await next_hour(shard) < await clock.now(reading()) // HOUR:
        await close_hour(shard, await next_hour(shard))
        closed += 1
    return closed


async def overview(record: WalletRecord) -> WalletOverview:
    return await wallet.overview(reading(), record.id, await clock.now(reading()))


async def balance(record: WalletRecord) -> int:
    return await ledger.balance(reading(), record.account_id)


async def usage_posted(record: WalletRecord) -> int:
    return -int(
        await value(
            reading(),
            "SELECT coalesce(sum(e.amount_micros), 0) FROM entries e JOIN transfers t ON t.id = e.transfer_id"
            " WHERE e.account_id = $1 AND t.reason LIKE 'usage%'",
            record.account_id,
        )
    )


async def seconds_ran(resource_id: UUID, until: int) -> int:
    return int(
        await value(
            reading(),
            "SELECT coalesce(sum(coalesce(until_at, $2) - from_at), 0) FROM usage_segments WHERE resource_id = $1",
            resource_id,
            until,
        )
    )


async def last_segment(resource_id: UUID) -> dict[str, int | None]:
    found = await row(
        reading(),
        "SELECT from_at, until_at, carry FROM usage_segments WHERE resource_id = $1 ORDER BY from_at DESC LIMIT 1",
        resource_id,
    )
    assert found is not None
    return found


async def begin_shards_at(control: ControlDatabase, hour: int) -> None:
    owner = await asyncpg.connect(control.owner_url)
    try:
        async with owner.transaction():
            await owner.execute("ALTER TABLE shards DISABLE TRIGGER USER")
            await owner.execute("UPDATE shards SET first_hour = $1, closed_through = $1", hour)
            await owner.execute("ALTER TABLE shards ENABLE TRIGGER USER")
    finally:
        await owner.close()


async def assert_books_hold() -> None:
    findings = await transact(ledger.audit) + await transact(wallet.audit)
    assert findings == [], "; ".join(map(str, findings))
