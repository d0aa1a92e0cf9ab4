import asyncio
import itertools
import secrets

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syneudp import instances, wallet
from syneudp.engines.contract import Engine
from syneudp.instances import Hold
from syneudp.kernel.database import Connection, reading, rows, transact
from syneudp.ledger import AccountKind, Reason
from syneudp.wallet import LockedWallet
from tests.payments.stripe_peer import Object
from tests.payments.till import UNIT, Till, assert_books_hold, clearing, postings
from tests.web.caller import Caller
from tests.web.stand import register_agent


async def test_a_whole_refund_takes_the_money_back_once(till: Till) -> None:
    customer = await till.stand.newcomer()
    _, intent_id = await till.paid(customer)
    events, _ = await till.peer.refund(intent_id)
    assert await till.deliver([*events, *events]) == [200] * 4
    assert await till.purse(customer) == (0, 0)
    assert await postings() == [("top_up", 20 * UNIT), ("refund", -20 * UNIT)]
    assert await clearing() == 0


async def test_refunds_in_parts_take_each_part(till: Till) -> None:
    customer = await till.stand.newcomer()
    _, intent_id = await till.paid(customer)
    for amount in (300, 450):
        await till.deliver((await till.peer.refund(intent_id, amount))[0])
    assert await till.purse(customer) == (12_500_000, 0)
    assert await postings() == [("top_up", 20 * UNIT), ("refund", -3 * UNIT), ("refund", -4_500_000)]


async def test_a_refund_that_fails_gives_the_money_back(till: Till) -> None:
    customer = await till.stand.newcomer()
    _, intent_id = await till.paid(customer)
    events, refund_id = await till.peer.refund(intent_id, 500)
    await till.deliver(events)
    assert await till.purse(customer) == (15 * UNIT, 0)
    failed = await till.peer.fail_refund(intent_id, refund_id)
    assert await till.deliver([*failed, *failed, *events]) == [200] * 6
    assert await till.purse(customer) == (20 * UNIT, 0)
    assert (await postings())[-1] == ("refund_undone", 5 * UNIT)


async def test_a_refund_that_failed_before_it_was_heard_of_takes_nothing(till: Till) -> None:
    customer = await till.stand.newcomer()
    _, intent_id = await till.paid(customer)
    events, refund_id = await till.peer.refund(intent_id, 500)
    await till.deliver([*await till.peer.fail_refund(intent_id, refund_id), *events])
    assert await postings() == [("top_up", 20 * UNIT)]


async def test_a_refund_heard_of_before_the_payment_credits_and_takes_back(till: Till) -> None:
    customer = await till.stand.newcomer()
    wished = await till.wish(customer)
    paid = await till.peer.pay(wished.body["checkout_url"])
    events, _ = await till.peer.refund(paid[1]["data"]["object"]["id"], 500)
    assert await till.deliver([*events, *paid]) == [200] * 4
    assert await till.purse(customer) == (15 * UNIT, 0)


async def test_a_dispute_takes_the_money_and_a_won_one_gives_it_back(till: Till) -> None:
    customer = await till.stand.newcomer()
    _, intent_id = await till.paid(customer)
    opened, dispute_id = till.peer.dispute(intent_id, 2000)
    await till.deliver(opened)
    assert await till.purse(customer) == (0, 0)
    won = till.peer.close_dispute(dispute_id, "won")
    assert await till.deliver([*won, *won, *opened]) == [200] * 6
    assert await till.purse(customer) == (20 * UNIT, 0)
    assert [reason for reason, _ in await postings()] == ["top_up", "dispute", "dispute_won"]


async def test_a_lost_dispute_keeps_the_money_taken(till: Till) -> None:
    customer = await till.stand.newcomer()
    _, intent_id = await till.paid(customer)
    opened, dispute_id = till.peer.dispute(intent_id, 2000)
    await till.deliver([*opened, *till.peer.close_dispute(dispute_id, "lost")])
    assert await till.purse(customer) == (0, 0)


async def test_an_inquiry_takes_nothing_until_it_becomes_a_dispute(till: Till) -> None:
    customer = await till.stand.newcomer()
    _, intent_id = await till.paid(customer)
    asked, dispute_id = till.peer.dispute(intent_id, 2000, status="warning_needs_response")
    await till.deliver(asked)
    assert await till.purse(customer) == (20 * UNIT, 0)
    till.peer.disputes[dispute_id]["status"] = "needs_response"
    await till.deliver([till.peer.tell("charge.dispute.funds_withdrawn", till.peer.disputes[dispute_id])])
    assert await till.purse(customer) == (0, 0)


async def test_a_dispute_in_another_currency_takes_what_is_left_of_the_payment(till: Till) -> None:
    customer = await till.stand.newcomer()
    _, intent_id = await till.paid(customer)
    await till.deliver((await till.peer.refund(intent_id, 500))[0])
    opened, dispute_id = till.peer.dispute(intent_id, 1650)
    till.peer.disputes[dispute_id]["currency"] = "usd"
    await till.deliver(opened)
    assert await till.purse(customer) == (0, 0)
    assert (await postings())[-1] == ("dispute", -15 * UNIT)


async def test_a_refund_and_a_dispute_of_the_whole_leave_a_debt(till: Till) -> None:
    customer = await till.stand.newcomer()
    _, intent_id = await till.paid(customer)
    await till.deliver((await till.peer.refund(intent_id))[0])
    await till.deliver(till.peer.dispute(intent_id, 2000)[0])
    assert await till.purse(customer) == (0, 20 * UNIT)


async def spend(till: Till, customer: Caller, micros: int) -> None:
    async def charge(tx: Connection, locked: LockedWallet) -> None:
        await wallet.debit(
            tx,
            locked,
            reason=Reason.ADJUSTMENT,
            key=secrets.token_hex(8),
            amount_micros=micros,
            counter=AccountKind.ADJUSTMENTS,
        )

    [found] = await rows(
        reading(),
        "SELECT w.id FROM wallets w JOIN users u ON u.id = w.user_id WHERE u.email = $1",
        customer.email,
    )

    async def work(tx: Connection) -> None:
        await charge(tx, await instances.lock_wallet(tx, found["id"]))

    await transact(work)


async def test_a_wallet_that_owes_is_frozen_and_a_later_top_up_pays_first_and_thaws(till: Till) -> None:
    await register_agent("http://127.0.0.1:9", *Engine)
    customer = await till.stand.newcomer()
    _, intent_id = await till.paid(customer)
    made = (await customer.create()).body["id"]
    await spend(till, customer, 15 * UNIT)
    await till.deliver((await till.peer.refund(intent_id))[0])
    assert await till.purse(customer) == (0, 15 * UNIT)
    assert (await customer.get(f"/api/v1/instances/{made}")).body["holds"] == [Hold.FROZEN]
    await till.paid(customer, 10)
    assert await till.purse(customer) == (0, 5 * UNIT)
    assert (await customer.get(f"/api/v1/instances/{made}")).body["holds"] == [Hold.FROZEN]
    await till.paid(customer, 10)
    assert await till.purse(customer) == (5 * UNIT, 0)
    assert (await customer.get(f"/api/v1/instances/{made}")).body["holds"] == []


async def test_a_won_dispute_pays_what_it_left_owing_and_thaws(till: Till) -> None:
    await register_agent("http://127.0.0.1:9", *Engine)
    customer = await till.stand.newcomer()
    _, intent_id = await till.paid(customer)
    made = (await customer.create()).body["id"]
    await spend(till, customer, 15 * UNIT)
    opened, dispute_id = till.peer.dispute(intent_id, 2000)
    await till.deliver(opened)
    assert (await customer.get(f"/api/v1/instances/{made}")).body["holds"] == [Hold.FROZEN]
    await till.deliver(till.peer.close_dispute(dispute_id, "won"))
    assert await till.purse(customer) == (5 * UNIT, 0)
    assert (await customer.get(f"/api/v1/instances/{made}")).body["holds"] == []


async def story(till: Till, customer: Caller) -> tuple[list[Object], str]:
    wished = await till.wish(customer)
    events = await till.peer.pay(wished.body["checkout_url"])
    intent_id = str(events[1]["data"]["object"]["id"])
    refunded, _ = await till.peer.refund(intent_id, 300)
    undone, refund_id = await till.peer.refund(intent_id, 200)
    opened, dispute_id = till.peer.dispute(intent_id, 700)
    closed = till.peer.close_dispute(dispute_id, "won")
    _, lost_id = till.peer.dispute(intent_id, 400)
    failed = await till.peer.fail_refund(intent_id, refund_id)
    lost = till.peer.close_dispute(lost_id, "lost")
    return [*events, *refunded, *undone, *opened, *closed, *failed, *lost], intent_id


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.data())
async def test_whatever_the_order_and_number_of_events_the_books_end_the_same(till: Till, order: st.DataObject) -> None:
    customer = await till.stand.newcomer()
    events, _ = await story(till, customer)
    told = order.draw(st.permutations(events))
    again = order.draw(st.lists(st.sampled_from(events), max_size=6))
    assert set(await till.deliver([*told, *again])) == {200}
    assert await till.purse(customer) == (13 * UNIT, 0)
    await assert_books_hold()


async def test_events_of_one_payment_at_once_end_the_same(till: Till) -> None:
    customer = await till.stand.newcomer()
    events, _ = await story(till, customer)
    told = await asyncio.gather(*(till.deliver([event]) for event in events + events[:4]))
    assert set(itertools.chain.from_iterable(told)) == {200}
    assert await till.purse(customer) == (13 * UNIT, 0)


async def test_each_step_told_as_it_happens_ends_where_all_of_them_told_late_do(till: Till) -> None:
    customer = await till.stand.newcomer()
    _, intent_id = await till.paid(customer)
    refunded, _ = await till.peer.refund(intent_id, 300)
    await till.deliver(refunded)
    undone, refund_id = await till.peer.refund(intent_id, 200)
    await till.deliver(undone)
    opened, dispute_id = till.peer.dispute(intent_id, 700)
    await till.deliver(opened)
    assert await till.purse(customer) == (8 * UNIT, 0)
    await till.deliver(till.peer.close_dispute(dispute_id, "won"))
    await till.deliver(await till.peer.fail_refund(intent_id, refund_id))
    lost, lost_id = till.peer.dispute(intent_id, 400)
    await till.deliver([*lost, *till.peer.close_dispute(lost_id, "lost")])
    assert await till.purse(customer) == (13 * UNIT, 0)
    assert await clearing() == -13 * UNIT
