import asyncio

import pytest

from syneudp.kernel import clock
from syneudp.kernel.database import reading, value
from syneudp.wallet import payments
from syneudp.wallet.payments import PaymentStatus
from tests.payments.till import UNIT, Till
from tests.web.caller import answered


async def test_a_top_up_opens_a_checkout_that_names_the_wallet_and_the_payment(till: Till) -> None:
    customer = await till.stand.newcomer()
    wished = await till.wish(customer, 12)
    assert wished.status == 201
    assert (wished.body["status"], wished.body["amount_micros"], wished.body["currency"]) == (
        "pending",
        12 * UNIT,
        "EUR",
    )
    [session] = till.peer.sessions.values()
    assert wished.body["checkout_url"] == session["url"]
    assert (session["amount_total"], session["currency"], session["mode"]) == (1200, "eur", "payment")
    assert session["metadata"] == session["intent_metadata"]
    assert session["metadata"]["syneudp_payment"] == wished.body["id"]
    assert session["success_url"].startswith(f"{till.stand.variables['SYNEUDP_PUBLIC_URL']}/wallet/top-ups/")
    assert await till.purse(customer) == (0, 0)


async def test_the_same_key_gives_the_same_checkout_and_later_what_became_of_it(till: Till) -> None:
    customer = await till.stand.newcomer()
    first = await till.wish(customer, key="one")
    again = await till.wish(customer, key="one")
    other = await till.wish(customer, 21, key="one")
    assert (again.status, again.body) == (201, first.body)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (other.status, other.body["code"]) == (422, "idempotency_mismatch")
    assert len(till.peer.sessions) == 1
    await till.deliver(await till.peer.pay(first.body["checkout_url"]))
    paid = await till.wish(customer, key="one")
    assert (paid.body["status"], paid.body["checkout_url"]) == ("credited", None)
    assert await till.purse(customer) == (20 * UNIT, 0)


async def test_the_same_key_of_two_customers_is_two_payments(till: Till) -> None:
    told = [await till.wish(await till.stand.newcomer(), key="one") for _ in range(2)]
    assert told[0].body["id"] != told[1].body["id"]
    assert len(till.peer.sessions) == 2


async def test_requests_at_once_under_one_key_open_one_checkout(till: Till) -> None:
    customer = await till.stand.newcomer()
    told = await asyncio.gather(*(till.wish(customer, key="one") for _ in range(6)))
    assert {each.status for each in told} == {201}
    assert len({each.body["checkout_url"] for each in told}) == 1
    assert len(till.peer.sessions) == 1


async def test_an_answer_that_was_lost_on_its_way_is_had_again_without_a_second_checkout(till: Till) -> None:
    customer = await till.stand.newcomer()
    till.peer.lose_next_answer = True
    wished = await till.wish(customer, key="one")
    assert (wished.status, wished.body["status"]) == (201, "pending")
    assert till.peer.asked.count("POST /v1/checkout/sessions") == 2
    assert len(till.peer.sessions) == 1


async def test_after_an_outage_the_same_key_goes_on(till: Till) -> None:
    customer = await till.stand.newcomer()
    till.peer.down = True
    refused = await till.wish(customer, key="one")
    assert (refused.status, refused.body["code"]) == (503, "payments_unavailable")
    assert "sk_test" not in refused.text
    assert till.peer.origin.removeprefix("http://") not in refused.text
    till.peer.down = False
    wished = await till.wish(customer, key="one")
    assert (wished.status, wished.body["status"]) == (201, "pending")
    assert await value(reading(), "SELECT count(*) FROM payments") == 1


async def test_a_crash_between_the_call_and_its_record_leaves_one_checkout(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = await till.stand.newcomer()

    async def killed(*_: object, **__: object) -> None:
        raise OSError("killed")

    with monkeypatch.context() as patched:
        patched.setattr("syneudp.web.top_ups.payments.record_checkout", killed)
        assert (await till.wish(customer, key="one")).status == 500
    [session] = till.peer.sessions.values()
    assert await value(reading(), "SELECT status FROM payments WHERE checkout_id IS NULL") == "pending"
    again = await till.wish(customer, key="one")
    assert again.body["checkout_url"] == session["url"]
    assert len(till.peer.sessions) == 1


async def test_money_paid_at_a_checkout_that_was_never_recorded_is_credited(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = await till.stand.newcomer()

    async def killed(*_: object, **__: object) -> None:
        raise OSError("killed")

    with monkeypatch.context() as patched:
        patched.setattr("syneudp.web.top_ups.payments.record_checkout", killed)
        await till.wish(customer)
    [session] = till.peer.sessions.values()
    assert await till.deliver(await till.peer.pay(session["url"])) == [200, 200]
    assert await till.purse(customer) == (20 * UNIT, 0)


async def test_an_expired_checkout_is_told_as_such_and_a_new_key_begins_anew(till: Till) -> None:
    customer = await till.stand.newcomer()
    wished = await till.wish(customer, key="one")
    assert await till.deliver(till.peer.expire(wished.body["checkout_url"])) == [200]
    again = await till.wish(customer, key="one")
    assert (again.status, again.body["status"], again.body["checkout_url"]) == (201, "expired", None)
    assert (await till.wish(customer, key="two")).body["status"] == "pending"
    assert await till.purse(customer) == (0, 0)


async def test_a_checkout_past_its_time_is_not_offered_again(till: Till) -> None:
    customer = await till.stand.newcomer()
    wished = await till.wish(customer, key="one")
    payment = await payments.payment_of(reading(), wished.body["id"])
    with clock.frozen(payment.expires_at):
        again = await till.wish(customer, key="one")
    assert (again.body["status"], again.body["checkout_url"]) == ("expired", None)


async def test_an_amount_without_a_coin_is_refused_before_anything_is_written(till: Till) -> None:
    customer = await till.stand.newcomer()
    refused = await customer.post("/api/v1/wallet/top-ups", {"amount_micros": UNIT + 1}, key="one")
    assert (refused.status, refused.body["code"]) == (422, "amount_not_payable")
    assert "multiples of 10000 micro-units" in refused.body["detail"]
    assert await value(reading(), "SELECT count(*) FROM payments") == 0


async def test_an_amount_that_stripe_finds_too_small_is_refused_the_same_way_again(till: Till) -> None:
    customer = await till.stand.newcomer()
    for _ in range(2):
        refused = await customer.post("/api/v1/wallet/top-ups", {"amount_micros": 10_000}, key="one")
        assert (refused.status, refused.body["code"]) == (422, "amount_not_payable")
    assert till.peer.asked.count("POST /v1/checkout/sessions") == 1
    assert await payments.due_payments(reading(), 2**40, 10) == []
    assert await value(reading(), "SELECT status FROM payments") == PaymentStatus.FAILED


async def test_a_top_up_needs_its_key(till: Till) -> None:
    customer = await till.stand.newcomer()
    refused = await customer.post("/api/v1/wallet/top-ups", {"amount_micros": UNIT})
    assert (refused.status, refused.body["code"]) == (400, "idempotency_key_required")
    assert till.peer.sessions == {}


async def test_only_the_wallets_page_may_lead_to_the_checkout(till: Till) -> None:
    cookie = await till.stand.cookie_of(await till.stand.newcomer())
    policies = {
        path: (await answered(till.stand.app, "GET", path, headers={"Cookie": cookie})).headers[
            "Content-Security-Policy"
        ]
        for path in ("/wallet", "/databases")
    }
    assert f"form-action 'self' {till.peer.checkout_origin};" in policies["/wallet"]
    assert "form-action 'self';" in policies["/databases"]
