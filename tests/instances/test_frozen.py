from uuid import uuid4

import pytest

from syneudp import instances, wallet
from syneudp.instances import HeldError, Hold, InsufficientBalanceError
from syneudp.kernel.database import Connection, reading, value
from syneudp.ledger import AccountKind, Reason
from syneudp.wallet import LockedWallet
from tests.instances.shop import LARGE_PRICE, UNIT, Customer, customer, stock


async def take(buyer: Customer, amount_micros: int) -> list[object]:
    async def dispute(tx: Connection, locked: LockedWallet) -> list[object]:
        await wallet.debit(
            tx,
            locked,
            reason=Reason.DISPUTE,
            key=str(uuid4()),
            amount_micros=amount_micros,
            counter=AccountKind.CLEARING,
            provider="sandbox",
        )
        return list(await instances.freeze_indebted(tx, locked))

    return await buyer.locked(dispute)


async def test_a_debt_freezes_every_database_and_paying_it_thaws_them(books: object) -> None:
    await stock()
    buyer = await customer(balance_micros=UNIT)
    one, two = await buyer.create("one"), await buyer.create("two")
    await buyer.suspend(two.id)
    assert await take(buyer, 2 * UNIT) == [one.id]
    assert (await buyer.see(one.id)).holds == (Hold.FROZEN,)
    assert (await buyer.see(two.id)).holds == (Hold.FROZEN, Hold.OWNER)
    assert await value(reading(), "SELECT count(*) FROM usage_segments WHERE until_at IS NULL") == 0
    assert await take(buyer, 1) == []
    with pytest.raises(HeldError):
        await buyer.resume(two.id)
    with pytest.raises(InsufficientBalanceError):
        await buyer.create("three")
    assert await buyer.top_up(UNIT) == []
    assert await buyer.top_up(LARGE_PRICE + 1) == [one.id]
    assert (await buyer.see(two.id)).holds == (Hold.OWNER,)
    assert (await buyer.events(one.id))[-2:] == ["frozen", "thawed"]


async def test_a_debt_paid_without_a_runway_leaves_the_balance_hold(books: object) -> None:
    await stock()
    buyer = await customer(balance_micros=UNIT)
    made = await buyer.create()
    await take(buyer, 2 * UNIT)
    assert await buyer.top_up(UNIT) == []
    assert (await buyer.see(made.id)).holds == (Hold.BALANCE,)
    assert await buyer.top_up(LARGE_PRICE) == [made.id]
    assert (await buyer.see(made.id)).holds == ()


async def test_a_debit_that_the_wallet_covers_freezes_nothing(books: object) -> None:
    await stock()
    buyer = await customer(balance_micros=UNIT)
    made = await buyer.create()
    assert await take(buyer, UNIT // 2) == []
    assert (await buyer.see(made.id)).holds == ()
