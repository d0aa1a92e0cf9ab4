import asyncio
import json
import time
from typing import Any

import pytest

from syneudp.kernel.database import reading, value
from tests.payments.stripe_peer import DECLINED_CARD, WEBHOOK_SECRET, signed
from tests.payments.till import NEXT_SECRET, UNIT, Till, postings

JSON = "application/json"
FAILING_IBAN = "DE62370400440532013001"
GOOD_IBAN = "DE89370400440532013000"


async def test_a_paid_checkout_is_credited_once_whoever_tells_it_first(till: Till) -> None:
    customer = await till.stand.newcomer()
    wished = await till.wish(customer)
    completed, succeeded = await till.peer.pay(wished.body["checkout_url"])
    assert await till.deliver([succeeded, completed, succeeded, completed]) == [200] * 4
    assert await till.purse(customer) == (20 * UNIT, 0)
    assert await postings() == [("top_up", 20 * UNIT)]
    posted = (await customer.get("/api/v1/wallet/transactions")).body["items"]
    assert [line["subject_id"] for line in posted] == [wished.body["id"]]


async def test_events_that_come_at_once_credit_once(till: Till) -> None:
    customer = await till.stand.newcomer()
    events = await till.peer.pay((await till.wish(customer)).body["checkout_url"])
    told = await asyncio.gather(*(till.send(*signed(event)) for event in events * 4))
    assert {answer.status for answer in told} == {200}
    assert await postings() == [("top_up", 20 * UNIT)]


async def test_a_declined_card_credits_nothing_and_the_checkout_can_still_be_paid(till: Till) -> None:
    customer = await till.stand.newcomer()
    url = (await till.wish(customer, key="one")).body["checkout_url"]
    assert await till.peer.pay(url, card=DECLINED_CARD) == []
    assert (await till.wish(customer, key="one")).body["status"] == "pending"
    await till.deliver(await till.peer.pay(url))
    assert await till.purse(customer) == (20 * UNIT, 0)


async def test_a_debit_is_credited_when_it_arrives_and_not_before(till: Till) -> None:
    customer = await till.stand.newcomer()
    url = (await till.wish(customer, key="one")).body["checkout_url"]
    events, intent_id = await till.peer.pay_by_debit(url, iban=GOOD_IBAN)
    assert await till.deliver(events) == [200]
    arrived = await till.peer.settle_debit(intent_id, arrives=True)
    assert await till.deliver(arrived) == [200, 200]
    assert (await till.wish(customer, key="one")).body["status"] == "credited"
    assert await postings() == [("top_up", 20 * UNIT)]


async def test_a_debit_that_bounces_is_told_as_failed(till: Till) -> None:
    customer = await till.stand.newcomer()
    url = (await till.wish(customer, key="one")).body["checkout_url"]
    events, intent_id = await till.peer.pay_by_debit(url, iban=FAILING_IBAN)
    await till.deliver(events)
    assert await till.deliver(await till.peer.settle_debit(intent_id, arrives=False)) == [200]
    assert (await till.wish(customer, key="one")).body["status"] == "failed"
    assert await postings() == []


async def test_an_amount_in_the_event_itself_counts_for_nothing(till: Till) -> None:
    customer = await till.stand.newcomer()
    completed, _ = await till.peer.pay((await till.wish(customer, 5)).body["checkout_url"])
    completed["data"]["object"] |= {"amount_total": 999_999, "currency": "jpy"}
    assert await till.deliver([completed]) == [200]
    assert await till.purse(customer) == (5 * UNIT, 0)


async def test_an_event_that_says_paid_of_what_is_not_credits_nothing(till: Till) -> None:
    customer = await till.stand.newcomer()
    await till.wish(customer)
    [session] = till.peer.sessions.values()
    event = till.peer.tell("checkout.session.completed", {**session, "status": "complete", "payment_status": "paid"})
    assert await till.deliver([event]) == [200]
    assert await till.purse(customer) == (0, 0)


async def test_what_is_not_ours_is_passed_over_without_asking(till: Till) -> None:
    foreign = [
        till.peer.tell("payment_intent.succeeded", {"id": "pi_foreign", "metadata": {}}),
        till.peer.tell("checkout.session.completed", {"id": "cs_foreign", "metadata": {"syneudp_payment": "no uuid"}}),
        till.peer.tell("invoice.paid", {"id": "in_1"}),
        till.peer.tell("charge.refunded", {"id": "ch_1", "payment_intent": None, "metadata": {}}),
    ]
    assert await till.deliver(foreign) == [200] * 4
    assert till.peer.asked == []


async def test_a_refund_of_a_payment_that_is_not_ours_is_passed_over(till: Till) -> None:
    made = await till.peer.call(
        "POST",
        "/v1/payment_methods",
        {"type": "card", "card[number]": "4242424242424242", "card[exp_month]": "1", "card[exp_year]": "2040"}
        | {"card[cvc]": "123"},
    )
    intent = await till.peer.call(
        "POST",
        "/v1/payment_intents",
        {"amount": "900", "currency": "eur", "payment_method": made["id"], "confirm": "true"},
    )
    events, _ = await till.peer.refund(intent["id"])
    assert await till.deliver(events) == [200, 200]
    assert await postings() == []


async def test_money_in_another_currency_is_left_alone(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    customer = await till.stand.newcomer()
    await till.wish(customer)
    [session] = till.peer.sessions.values()
    session["currency"] = "usd"
    assert await till.deliver(await till.peer.pay(session["url"])) == [200, 200]
    assert await postings() == []


async def test_while_stripe_does_not_answer_an_event_is_asked_for_again(till: Till) -> None:
    customer = await till.stand.newcomer()
    events = await till.peer.pay((await till.wish(customer)).body["checkout_url"])
    till.peer.down = True
    assert await till.deliver(events) == [503, 503]
    till.peer.down = False
    assert await till.deliver(events) == [200, 200]
    assert await postings() == [("top_up", 20 * UNIT)]


async def test_where_crediting_fails_the_event_is_not_dealt_with(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    customer = await till.stand.newcomer()
    events = await till.peer.pay((await till.wish(customer)).body["checkout_url"])

    async def failing(*_: object, **__: object) -> None:
        raise OSError("killed")

    with monkeypatch.context() as patched:
        patched.setattr("syneudp.wallet.payments.remember_event", failing)
        assert await till.deliver(events) == [500, 500]
    assert await postings() == []
    assert await value(reading(), "SELECT count(*) FROM payment_events") == 0
    assert await till.deliver(events) == [200, 200]
    assert await postings() == [("top_up", 20 * UNIT)]


async def test_a_payment_that_stripe_does_not_know_alarms_instead_of_passing(till: Till) -> None:
    customer = await till.stand.newcomer()
    events = await till.peer.pay((await till.wish(customer)).body["checkout_url"])
    till.peer.sessions.clear()
    assert await till.deliver(events[:1]) == [503]


async def test_a_signature_of_either_secret_is_accepted(till: Till) -> None:
    event = till.peer.tell("invoice.paid", {"id": "in_1"})
    for secret, status in ((WEBHOOK_SECRET, 200), (NEXT_SECRET, 200), ("whsec_other0123456789abcdef", 400)):
        assert (await till.send(*signed(event, secret=secret))).status == status


async def test_several_signatures_in_one_header_need_one_good_one(till: Till) -> None:
    body, header = signed(till.peer.tell("invoice.paid", {"id": "in_1"}))
    stamp, good = header.split(",")
    assert (await till.send(body, f"{stamp},v1={'0' * 64},{good},v0={'1' * 64}")).status == 200
    assert (await till.send(body, f"{stamp},v0={good.removeprefix('v1=')}")).status == 400


@pytest.mark.parametrize("header", [None, "", "t=,v1=", "v1=abc", "t=1", "t=x,v1=y", "nonsense", "t=1,v1=é"])
async def test_a_header_that_is_no_signature_is_refused(till: Till, header: str | None) -> None:
    body, _ = signed(till.peer.tell("invoice.paid", {"id": "in_1"}))
    refused = await till.send(body, header)
    assert (refused.status, refused.body["code"]) == (400, "signature_invalid")


async def test_a_body_that_was_changed_is_refused(till: Till) -> None:
    customer = await till.stand.newcomer()
    [event, _] = await till.peer.pay((await till.wish(customer)).body["checkout_url"])
    body, header = signed(event)
    for changed in (body + b" ", body.replace(b"evt_", b"evt-"), b"", body[:-1], b"\xff" + body):
        assert (await till.send(changed, header)).status == 400
    assert await postings() == []


async def test_an_old_signature_is_refused_and_a_recent_one_is_not(till: Till) -> None:
    event = till.peer.tell("invoice.paid", {"id": "in_1"})
    assert (await till.send(*signed(event, at=int(time.time()) - 400))).status == 400
    assert (await till.send(*signed(event, at=int(time.time()) - 200))).status == 200


async def test_an_event_of_the_live_mode_is_refused_where_test_money_counts(till: Till) -> None:
    refused = await till.send(*signed(till.peer.tell("invoice.paid", {"id": "in_1"}, livemode=True)))
    assert (refused.status, refused.body["code"]) == (400, "mode_mismatch")


@pytest.mark.parametrize("told", [[], {}, {"object": "event"}, {"object": "event", "id": "evt", "type": "x"}, 7])
async def test_a_signed_body_that_is_no_event_is_refused(till: Till, told: Any) -> None:
    refused = await till.send(*signed(told))
    assert (refused.status, refused.body["code"]) == (400, "malformed_request")


async def test_an_event_may_be_larger_than_other_bodies_but_not_without_end(till: Till) -> None:
    large = till.peer.tell("invoice.paid", {"id": "in_1", "text": "x" * 300_000})
    assert (await till.send(*signed(large))).status == 200
    larger = till.peer.tell("invoice.paid", {"id": "in_1", "text": "x" * 600_000})
    refused = await till.send(*signed(larger))
    assert (refused.status, refused.body["code"]) == (413, "request_too_large")
    customer = await till.stand.newcomer()
    other = await customer.call("POST", "/api/v1/wallet/top-ups", data=b"x" * 100_000, headers={"Content-Type": JSON})
    assert other.status == 413


async def test_the_answer_says_nothing_of_what_was_done(till: Till) -> None:
    told = await till.send(*signed(till.peer.tell("invoice.paid", {"id": "in_1"})))
    assert json.loads(told.text) == {"received": True}
