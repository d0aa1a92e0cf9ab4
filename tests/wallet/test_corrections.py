from uuid import UUID, uuid4

import asyncpg
import pytest

from syneudp import wallet
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, execute, reading, transact
from syneudp.ledger import AccountKind, IdempotencyConflictError, Reason, ReversalExceededError
from syneudp.wallet import AmountInvalidError, Credit, Debit, EndCause, LockedWallet, TopUp, WalletRecord
from tests.wallet.customers import (
    HOUR,
    UNIT,
    balance,
    close_hour,
    locked,
    new_customer,
    overview,
    start,
    stop,
    top_up,
    usage_posted,
)

PRICE = 36_000


async def refund(
    record: WalletRecord, amount_micros: int, *, key: str | None = None, reverses_id: UUID | None = None
) -> Debit:
    async def take(tx: Connection, held: LockedWallet) -> Debit:
        return await wallet.debit(
            tx,
            held,
            reason=Reason.REFUND,
            key=key or str(uuid4()),
            amount_micros=amount_micros,
            counter=AccountKind.CLEARING,
            provider="sandbox",
            reverses_id=reverses_id,
        )

    return await locked(record, take)


async def grant(record: WalletRecord, amount_micros: int, *, key: str | None = None) -> Credit:
    return await locked(
        record,
        lambda tx, held: wallet.credit(tx, held, key=key or str(uuid4()), amount_micros=amount_micros),
    )


async def test_a_debit_takes_what_is_there_and_books_the_rest_as_debt(books: int) -> None:
    with clock.frozen(books):
        customer = await new_customer(balance_micros=100)
        taken = await refund(customer, 130)
        assert (taken.taken_micros, taken.debt_micros, taken.replayed) == (100, 30, False)
        assert (await balance(customer), await wallet.debt(reading(), customer.id)) == (0, 30)
        assert (await overview(customer)).debt_micros == 30


async def test_what_was_used_stays_paid(books: int) -> None:
    with clock.frozen(books):
        customer = await new_customer(balance_micros=1000)
        resource = uuid4()
        await start(customer, resource, PRICE)
    with clock.frozen(books + 7):
        taken = await refund(customer, 5000)
        assert (taken.taken_micros, taken.debt_micros) == (930, 4070)
        assert (await overview(customer)).available_micros == 0
        await stop(customer, resource)
    assert (await balance(customer), await usage_posted(customer)) == (0, 70)


async def test_money_that_comes_in_pays_the_debt_first(books: int) -> None:
    with clock.frozen(books):
        customer = await new_customer()
        await refund(customer, 100)
        first = await grant(customer, 30)
        assert (first.debt_paid_micros, await balance(customer)) == (30, 0)
        told = await top_up(customer, 100)
        assert told.amount_micros == 100
        assert (await wallet.debt(reading(), customer.id), await balance(customer)) == (0, 30)
        page = await wallet.transactions(reading(), customer.id, limit=10, cursor=None)
    lines = [(line.reason, line.amount_micros, line.balance_after_micros) for line in reversed(page.items)]
    assert lines == [
        (Reason.CREDIT, 30, 30),
        (Reason.DEBT_PAYMENT, -30, 0),
        (Reason.TOP_UP, 100, 100),
        (Reason.DEBT_PAYMENT, -70, 30),
    ]


async def test_a_correction_told_again_is_the_same_one(books: int) -> None:
    with clock.frozen(books):
        customer, other = await new_customer(balance_micros=100), await new_customer(balance_micros=100)
        first = await refund(customer, 130, key="r")
        credited = await grant(customer, 50, key="c")
        again, credited_again = await refund(customer, 130, key="r"), await grant(customer, 50, key="c")
        assert (again, credited_again) == (
            Debit(first.transfer_id, 100, 30, replayed=True),
            Credit(credited.transfer_id, 50, 30, replayed=True),
        )
        for act in (
            refund(customer, 131, key="r"),
            refund(other, 130, key="r"),
            grant(customer, 130, key="r"),
            grant(customer, 51, key="c"),
            grant(other, 50, key="c"),
        ):
            with pytest.raises(IdempotencyConflictError):
                await act
    assert (await balance(customer), await balance(other)) == (20, 100)


async def test_a_top_up_is_refunded_in_parts_up_to_what_it_was(books: int) -> None:
    with clock.frozen(books):
        customer = await new_customer(balance_micros=UNIT)
        paid: TopUp = await top_up(customer, 100)
        await refund(customer, 60, reverses_id=paid.transfer_id)
        with pytest.raises(ReversalExceededError):
            await refund(customer, 41, reverses_id=paid.transfer_id)
        await refund(customer, 40, reverses_id=paid.transfer_id)
    assert await balance(customer) == UNIT


async def test_a_dispute_that_is_won_gives_the_money_back_and_pays_the_debt(books: int) -> None:
    with clock.frozen(books):
        customer = await new_customer()
        paid = await top_up(customer, 100)
        await refund(customer, 40)
        disputed = await refund(customer, 100, reverses_id=paid.transfer_id)
        assert (disputed.taken_micros, disputed.debt_micros) == (60, 40)
        won = await locked(
            customer,
            lambda tx, held: wallet.credit(
                tx,
                held,
                key="won",
                amount_micros=100,
                reason=Reason.DISPUTE,
                counter=AccountKind.CLEARING,
                provider="sandbox",
                reverses_id=disputed.transfer_id,
            ),
        )
    assert (won.debt_paid_micros, await balance(customer)) == (40, 60)


async def test_a_wallet_that_owes_covers_nothing_and_opens_no_segment(books: int) -> None:
    with clock.frozen(books):
        customer = await new_customer()
        await refund(customer, 1)

        async def lacking(tx: Connection, held: LockedWallet) -> frozenset[EndCause]:
            return await wallet.lacking(tx, held, added=[], runway_seconds=1)

        assert await locked(customer, lacking) == {EndCause.BALANCE}
        with pytest.raises(asyncpg.CheckViolationError):
            await start(customer, uuid4(), PRICE)
        await grant(customer, UNIT)
        assert not await locked(customer, lacking)
        assert await start(customer, uuid4(), PRICE)
    with clock.frozen(books + HOUR):
        await close_hour(customer.shard, books // HOUR)
    assert await balance(customer) == UNIT - 1 - PRICE


@pytest.mark.parametrize("amount", [0, -1, 10**16, True])
async def test_amounts_that_cannot_be_are_refused(books: int, amount: int) -> None:
    with clock.frozen(books):
        customer = await new_customer(balance_micros=5)
        with pytest.raises(AmountInvalidError):
            await refund(customer, amount)
        with pytest.raises(AmountInvalidError):
            await grant(customer, amount)
    assert await balance(customer) == 5


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE wallet_debts SET created_at = 0",
        "DELETE FROM wallet_debts",
        "TRUNCATE wallet_debts",
        "UPDATE transfer_reversals SET reversed_micros = 0",
        "DELETE FROM transfer_reversals",
        "INSERT INTO transfer_reversals SELECT id, 5, 0 FROM transfers",
    ],
)
async def test_what_is_owed_and_what_was_taken_back_cannot_be_rewritten(books: int, statement: str) -> None:
    with clock.frozen(books):
        customer = await new_customer()
        await refund(customer, 5)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await transact(lambda tx: execute(tx, statement))
