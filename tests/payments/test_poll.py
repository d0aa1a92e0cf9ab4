import pytest

from syneudp.billing.end_retention import end_retention
from syneudp.billing.poll_payments import poll_payments
from syneudp.kernel import clock
from syneudp.kernel.database import reading, value
from syneudp.wallet import payments
from syneudp.wallet.payments import PaymentsUnavailableError
from tests.payments.till import UNIT, Till, postings

MINUTE = 60
HOUR = 3600
RUNWAY = HOUR


async def poll(till: Till) -> int:
    woken: list[None] = []
    moved = await poll_payments(till.stand.services.payments, runway_seconds=RUNWAY, moved=lambda: woken.append(None))
    assert bool(woken) is bool(moved)
    return moved


async def test_a_payment_whose_event_was_lost_is_credited_by_asking(till: Till) -> None:
    now = await clock.now(reading())
    customer = await till.stand.newcomer()
    await till.peer.pay((await till.wish(customer)).body["checkout_url"])
    with clock.frozen(now + 2 * MINUTE):
        assert await poll(till) == 0
    with clock.frozen(now + 5 * MINUTE):
        assert await poll(till) == 1
        assert await poll(till) == 0
    assert await till.purse(customer) == (20 * UNIT, 0)


async def test_an_open_payment_is_asked_about_ever_more_seldom_and_once_when_it_expires(till: Till) -> None:
    now = await clock.now(reading())
    with clock.frozen(now):
        url = (await till.wish(await till.stand.newcomer(), key="one")).body["checkout_url"]
    asked = []
    for minute in range(3, 7 * 60):
        with clock.frozen(now + minute * MINUTE):
            before = len(till.peer.asked)
            if minute == 6 * 60:
                till.peer.expire(url)
            await poll(till)
            asked += [minute] * any("checkout" in each for each in till.peer.asked[before:])
    assert asked[:4] == [3, 8, 18, 38]
    assert asked[-1] in {361, 362}
    assert len(asked) <= 10
    assert await value(reading(), "SELECT status FROM payments") == "expired"


async def test_a_refund_whose_event_was_lost_is_taken_by_asking_for_events(till: Till) -> None:
    now = await clock.now(reading())
    with clock.frozen(now):
        await poll(till)
    customer = await till.stand.newcomer()
    _, intent_id = await till.paid(customer)
    await till.peer.refund(intent_id, 500)
    with clock.frozen(now + 2 * MINUTE):
        assert await poll(till) == 0
    with clock.frozen(now + 10 * MINUTE):
        assert await poll(till) == 1
    assert await till.purse(customer) == (15 * UNIT, 0)
    with clock.frozen(now + 20 * MINUTE):
        assert await poll(till) == 0
    assert await postings() == [("top_up", 20 * UNIT), ("refund", -5 * UNIT)]


async def test_events_that_cannot_be_received_are_asked_for_again(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    now = await clock.now(reading())
    with clock.frozen(now):
        await poll(till)
    customer = await till.stand.newcomer()
    _, intent_id = await till.paid(customer)
    await till.peer.refund(intent_id, 500)

    async def failing(*_: object, **__: object) -> None:
        raise OSError("killed")

    with monkeypatch.context() as patched, clock.frozen(now + 10 * MINUTE):
        patched.setattr("syneudp.wallet.payments.remember_event", failing)
        assert await poll(till) == 0
    assert await till.purse(customer) == (20 * UNIT, 0)
    with clock.frozen(now + 16 * MINUTE):
        assert await poll(till) == 1
    assert await till.purse(customer) == (15 * UNIT, 0)


async def test_while_stripe_does_not_answer_nothing_is_lost(till: Till) -> None:
    now = await clock.now(reading())
    customer = await till.stand.newcomer()
    await till.peer.pay((await till.wish(customer)).body["checkout_url"])
    till.peer.down = True
    with clock.frozen(now + 5 * MINUTE), pytest.raises(PaymentsUnavailableError):
        await poll(till)
    till.peer.down = False
    with clock.frozen(now + 15 * MINUTE):
        assert await poll(till) == 1
    assert await till.purse(customer) == (20 * UNIT, 0)


async def test_a_wish_that_never_got_its_checkout_lapses(till: Till) -> None:
    now = await clock.now(reading())
    till.peer.down = True
    assert (await till.wish(await till.stand.newcomer())).status == 503
    till.peer.down = False
    with clock.frozen(now + 6 * HOUR + 2 * MINUTE):
        await poll(till)
    assert await value(reading(), "SELECT status FROM payments") == "expired"
    assert not any("GET /v1/checkout" in each for each in till.peer.asked)


async def test_old_events_are_forgotten_and_recent_ones_kept(till: Till) -> None:
    now = await clock.now(reading())
    with clock.frozen(now):
        await poll(till)
    await till.paid(await till.stand.newcomer())
    assert await value(reading(), "SELECT count(*) FROM payment_events") == 2
    with clock.frozen(now + 30 * 86_400):
        await poll(till)
    assert await value(reading(), "SELECT count(*) FROM payment_events") == 2
    with clock.frozen(now + 41 * 86_400):
        await poll(till)
    assert await value(reading(), "SELECT count(*) FROM payment_events") == 0


async def test_before_data_is_dropped_open_payments_are_asked_about(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = await till.stand.newcomer()
    wished = await till.wish(customer)
    await till.peer.pay(wished.body["checkout_url"])
    payment = await payments.payment_of(reading(), wished.body["id"])
    ended: list[object] = []

    async def expired(*_: object, **__: object) -> list[object]:
        return [payment.wallet_id]

    async def terminate(*_: object, **__: object) -> list[object]:
        ended.append((await till.purse(customer))[0])
        return []

    monkeypatch.setattr("syneudp.instances.expired_wallets", expired)
    monkeypatch.setattr("syneudp.instances.terminate_expired", terminate)
    provider = till.stand.services.payments
    till.peer.down = True
    await end_retention(provider=provider, retention_seconds=1, runway_seconds=RUNWAY)
    assert ended == []
    till.peer.down = False
    await end_retention(provider=provider, retention_seconds=1, runway_seconds=RUNWAY)
    assert ended == [20 * UNIT]
