import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest

from syneudp import ledger
from syneudp.kernel.database import Connection, reading, transact
from syneudp.ledger import (
    AccountKind,
    Entry,
    IdempotencyConflictError,
    Reason,
    ReversalExceededError,
    Transfer,
    TransferInvalidError,
    TransferUnknownError,
)
from tests.ledger.test_post_transfer import AT, open_account, open_clearing, post
from tests.servers import ControlDatabase


async def reverse(transfer: Transfer, amount_micros: int | None = None, *, key: str | None = None) -> Transfer:
    return await transact(
        lambda tx: ledger.reverse(
            tx,
            transfer_id=transfer.id,
            key=key or str(uuid4()),
            effective_at=AT,
            created_at=AT,
            amount_micros=amount_micros,
        )
    )


async def balances(*accounts: UUID) -> list[int]:
    return [await ledger.balance(reading(), account) for account in accounts]


async def test_a_transfer_is_taken_back_in_parts_and_never_beyond_it(control: ControlDatabase) -> None:
    purse, clearing = await open_account(AccountKind.WALLET), await open_clearing()
    paid = await post(Entry(purse, 100), Entry(clearing, -100))
    await reverse(paid, 30)
    await reverse(paid, 20)
    assert await balances(purse, clearing) == [50, -50]
    assert await ledger.reversible(reading(), paid.id) == 50
    with pytest.raises(ReversalExceededError):
        await reverse(paid, 51)
    await reverse(paid)
    assert await balances(purse, clearing) == [0, 0]
    with pytest.raises(ReversalExceededError):
        await reverse(paid)
    assert await ledger.audit(reading()) == []


async def test_a_reversal_may_be_taken_back_and_leaves_room_again(control: ControlDatabase) -> None:
    purse, clearing = await open_account(AccountKind.WALLET), await open_clearing()
    paid = await post(Entry(purse, 100), Entry(clearing, -100))
    back = await reverse(paid, 100)
    again = await reverse(back, 60)
    assert await ledger.reversible(reading(), paid.id) == 60
    assert await ledger.reversible(reading(), back.id) == 40
    await reverse(again, 10)
    assert await ledger.reversible(reading(), paid.id) == 50
    assert await balances(purse) == [50]
    assert await ledger.audit(reading()) == []


async def test_the_same_key_takes_back_once(control: ControlDatabase) -> None:
    purse, clearing = await open_account(AccountKind.WALLET), await open_clearing()
    paid = await post(Entry(purse, 100), Entry(clearing, -100))
    first = await reverse(paid, 100, key="back")
    again = await reverse(paid, 100, key="back")
    assert (first.id, again.replayed) == (again.id, True)
    with pytest.raises(IdempotencyConflictError):
        await reverse(paid, 99, key="back")
    assert await balances(purse) == [0]


async def test_takings_back_at_once_stay_within_the_transfer_by_the_word_of_the_database(
    control: ControlDatabase,
) -> None:
    purse, clearing = await open_account(AccountKind.WALLET), await open_clearing()
    await post(Entry(purse, 1000), Entry(clearing, -1000))
    paid = await post(Entry(purse, 100), Entry(clearing, -100))

    async def blindly(tx: Connection) -> Transfer:
        return await ledger.post(
            tx,
            reason=Reason.REVERSAL,
            key=str(uuid4()),
            effective_at=AT,
            created_at=AT,
            entries=[Entry(purse, -30), Entry(clearing, 30)],
            reverses_id=paid.id,
        )

    told = await asyncio.gather(*(transact(blindly) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(each, asyncpg.CheckViolationError) for each in told) == 2
    assert await balances(purse) == [1010]
    assert await ledger.audit(reading()) == []


async def test_one_of_three_entries_is_taken_back_whole_or_not_at_all(control: ControlDatabase) -> None:
    purse, other, clearing = await open_account(AccountKind.WALLET), await open_account(AccountKind.WALLET), None
    clearing = await open_clearing()
    paid = await post(Entry(purse, 60), Entry(other, 40), Entry(clearing, -100))
    with pytest.raises(TransferInvalidError):
        await reverse(paid, 50)
    await reverse(paid)
    assert await balances(purse, other) == [0, 0]


async def test_a_wallet_is_never_taken_below_zero_by_a_reversal(control: ControlDatabase) -> None:
    purse, clearing = await open_account(AccountKind.WALLET), await open_clearing()
    paid = await post(Entry(purse, 100), Entry(clearing, -100))
    await post(Entry(purse, -60), Entry(clearing, 60))
    with pytest.raises(asyncpg.CheckViolationError):
        await reverse(paid)
    assert await ledger.reversible(reading(), paid.id) == 100


async def test_an_unknown_transfer_and_one_of_another_shard_are_refused(control: ControlDatabase) -> None:
    with pytest.raises(TransferUnknownError):
        await reverse(Transfer(id=uuid4(), replayed=False))
    purse, clearing = await open_account(AccountKind.WALLET), await open_clearing()
    paid = await post(Entry(purse, 100), Entry(clearing, -100))
    far, its_clearing = await open_account(AccountKind.WALLET, shard=1), await open_clearing(shard=1)
    with pytest.raises(asyncpg.CheckViolationError):
        await transact(
            lambda tx: ledger.post(
                tx,
                reason=Reason.REVERSAL,
                key="elsewhere",
                effective_at=AT,
                created_at=AT,
                entries=[Entry(far, 5), Entry(its_clearing, -5)],
                reverses_id=paid.id,
            )
        )


async def test_a_debt_never_stands_above_zero(control: ControlDatabase) -> None:
    owing, clearing = await open_account(AccountKind.DEBT), await open_clearing()
    await post(Entry(owing, -5), Entry(clearing, 5))
    with pytest.raises(asyncpg.CheckViolationError):
        await post(Entry(owing, 6), Entry(clearing, -6))
    assert await balances(owing) == [-5]
