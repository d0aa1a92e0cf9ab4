import asyncio

import pytest

from syneudp.kernel import clock
from syneudp.kernel.money import MAX_TOP_UP_MICROS
from syneudp.ledger import IdempotencyConflictError
from syneudp.wallet import AmountInvalidError
from tests.wallet.customers import UNIT, balance, new_customer, top_up


async def test_a_payment_told_twice_is_credited_once(books: int) -> None:
    with clock.frozen(books):
        customer = await new_customer()
        first = await top_up(customer, UNIT, payment_id="pay-1")
        again = await top_up(customer, UNIT, payment_id="pay-1")
    assert (first.replayed, again.replayed) == (False, True)
    assert (first.id, first.transfer_id) == (again.id, again.transfer_id)
    assert await balance(customer) == UNIT


async def test_a_payment_told_ten_times_at_once_is_credited_once(books: int) -> None:
    with clock.frozen(books):
        customer = await new_customer()
        told = await asyncio.gather(*(top_up(customer, UNIT, payment_id="pay-2") for _ in range(10)))
    assert sum(not each.replayed for each in told) == 1
    assert await balance(customer) == UNIT


async def test_a_payment_never_counts_for_another_wallet_or_amount(books: int) -> None:
    with clock.frozen(books):
        customer, other = await new_customer(shard=1), await new_customer(shard=2)
        await top_up(customer, UNIT, payment_id="pay-3")
        with pytest.raises(IdempotencyConflictError):
            await top_up(customer, UNIT + 1, payment_id="pay-3")
        with pytest.raises(IdempotencyConflictError):
            await top_up(other, UNIT, payment_id="pay-3")
    assert (await balance(customer), await balance(other)) == (UNIT, 0)


async def test_the_same_payment_raced_to_two_wallets_is_credited_to_one(books: int) -> None:
    with clock.frozen(books):
        customers = [await new_customer(shard=shard) for shard in (1, 1, 2, 3)]
        told = await asyncio.gather(
            *(top_up(each, UNIT, payment_id="pay-4") for each in customers), return_exceptions=True
        )
    assert sum(isinstance(each, IdempotencyConflictError) for each in told) == 3
    assert sum([await balance(each) for each in customers]) == UNIT


async def test_the_same_payment_id_of_another_provider_is_another_payment(books: int) -> None:
    with clock.frozen(books):
        customer = await new_customer()
        await top_up(customer, 1, payment_id="pay-5")
        await top_up(customer, 2, payment_id="pay-5", provider="stripe")
    assert await balance(customer) == 3


@pytest.mark.parametrize("amount", [0, -1, -UNIT, MAX_TOP_UP_MICROS + 1, 2**63, 2**100])
async def test_amounts_that_cannot_be_are_refused_and_leave_nothing(books: int, amount: int) -> None:
    with clock.frozen(books):
        customer = await new_customer()
        with pytest.raises(AmountInvalidError):
            await top_up(customer, amount)
    assert await balance(customer) == 0


async def test_the_largest_payment_is_taken(books: int) -> None:
    with clock.frozen(books):
        customer = await new_customer(balance_micros=MAX_TOP_UP_MICROS)
    assert await balance(customer) == MAX_TOP_UP_MICROS
