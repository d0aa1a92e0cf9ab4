import asyncio

from syneudp import wallet
from syneudp.kernel.database import Connection, execute, reading, transact, value
from syneudp.wallet import LockedWallet
from tests.servers import ControlDatabase
from tests.wallet.customers import UNIT, new_customer, settle, top_up

FREE = "SELECT id FROM wallets WHERE id = $1 FOR NO KEY UPDATE NOWAIT"
WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock' AND NOT granted"
SHARED = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock' AND granted AND objid = $1"
SHARD = 17


async def test_a_locked_wallet_shares_its_shards_lock_until_the_end(control: ControlDatabase) -> None:
    customer = await new_customer(shard=SHARD)

    async def work(tx: Connection) -> int:
        await wallet.lock_wallet(tx, customer.id)
        return int(await value(tx, SHARED, SHARD))

    assert await transact(work) == 1
    assert await value(reading(), SHARED, SHARD) == 0


async def test_a_wallet_is_locked_only_after_its_shard_and_read_after_both(control: ControlDatabase) -> None:
    customer = await new_customer(shard=SHARD, balance_micros=UNIT)
    closing, closed = asyncio.Event(), asyncio.Event()

    async def close(tx: Connection) -> None:
        await wallet.lock_shard_for_close(tx, SHARD)
        closing.set()
        await closed.wait()

    async def change(tx: Connection) -> None:
        await execute(tx, FREE, customer.id)
        await execute(tx, "UPDATE wallets SET last_event_at = last_event_at + 900 WHERE id = $1", customer.id)

    closer = asyncio.create_task(transact(close))
    await closing.wait()
    held: asyncio.Task[LockedWallet] = asyncio.create_task(settle(customer))
    while not await value(reading(), WAITING):
        await asyncio.sleep(0.01)
    began = await value(reading(), "SELECT last_event_at FROM wallets WHERE id = $1", customer.id)
    await transact(change)
    closed.set()
    await closer
    assert (await held).now == began + 900
    assert (await held).balance_micros == UNIT


async def test_a_lock_that_waited_for_another_sees_what_that_one_did(control: ControlDatabase) -> None:
    customer = await new_customer(balance_micros=UNIT)
    locking, going_on = asyncio.Event(), asyncio.Event()

    async def credit(tx: Connection) -> None:
        held = await wallet.lock_wallet(tx, customer.id)
        await wallet.credit_top_up(tx, held, provider="sandbox", payment_id="late", amount_micros=UNIT)
        locking.set()
        await going_on.wait()

    crediting = asyncio.create_task(transact(credit))
    await locking.wait()
    waiting = asyncio.create_task(settle(customer))
    while not await value(reading(), "SELECT count(*) FROM pg_locks WHERE NOT granted"):
        await asyncio.sleep(0.01)
    going_on.set()
    await crediting
    assert (await waiting).balance_micros == 2 * UNIT
    await top_up(customer, UNIT)
    assert (await settle(customer)).balance_micros == 3 * UNIT
