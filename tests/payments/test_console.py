import asyncio
import re

import aiohttp
import pytest

from entrypoints.embedded import free_port
from syneudp.kernel import clock
from syneudp.kernel.database import reading, value
from tests.payments.stripe_peer import SECRET_KEY, StripePeer
from tests.payments.till import UNIT, Till
from tests.web.console.browsing import Browser, Page
from tests.web.stand import served

FAILING_IBAN = "DE62370400440532013001"


async def begun(till: Till, amount: str = "20") -> tuple[Browser, str, str]:
    browser = await Browser(till.stand.app).sign_up()
    sent = await browser.top_up(amount)
    assert sent.status == 303
    return browser, str(sent.headers["Location"]), await last_page()


async def last_page() -> str:
    return f"/wallet/top-ups/{await value(reading(), 'SELECT id FROM payments ORDER BY id DESC LIMIT 1')}"


async def show(browser: Browser, path: str) -> Page:
    page = await browser.get(path)
    assert page.status == 200
    return page


async def test_a_top_up_leads_to_the_checkout_and_comes_back_to_a_page_that_says_what_happens(till: Till) -> None:
    browser, checkout, path = await begun(till)
    assert checkout.startswith(f"{till.peer.checkout_origin}/c/pay/")
    [session] = till.peer.sessions.values()
    assert session["success_url"].endswith(f"{path}?back=paid")
    back = await show(browser, f"{path}?back=paid")
    assert "As soon as Stripe confirms the payment" in back.words
    assert f'hx-sse:connect="{path}/stream"' in back.text
    await till.deliver(await till.peer.pay(checkout))
    paid = await show(browser, f"{path}?back=paid")
    assert "The money is in your wallet" in paid.words
    assert "hx-sse:connect" not in paid.text
    assert "+ €20.00 0000" in (await show(browser, "/wallet")).words


async def test_who_comes_back_without_paying_can_go_on_and_sees_it_in_the_wallet(till: Till) -> None:
    browser, checkout, path = await begun(till)
    left = await show(browser, f"{path}?back=left")
    assert "nothing was charged" in left.words
    assert f'href="{checkout}"' in left.text
    wallet = await show(browser, "/wallet")
    assert "Payments under way" in wallet.words
    assert f'href="{path}"' in wallet.text
    await till.deliver(await till.peer.pay(checkout))
    assert "Payments under way" not in (await show(browser, "/wallet")).words


async def test_a_failed_and_an_expired_payment_are_told_and_can_be_begun_anew(till: Till) -> None:
    browser, checkout, path = await begun(till)
    events, intent_id = await till.peer.pay_by_debit(checkout, iban=FAILING_IBAN)
    await till.deliver(events)
    assert "Your bank is sending the money" in (await show(browser, path)).words
    await till.deliver(await till.peer.settle_debit(intent_id, arrives=False))
    assert "did not go through" in (await show(browser, path)).words
    assert "Failed" in (await show(browser, "/wallet")).words
    other, checkout, path = await begun(till)
    await till.deliver(till.peer.expire(checkout))
    expired = await show(other, path)
    assert "has expired and nothing was charged" in expired.words
    assert "Go on paying" not in expired.words


async def test_the_same_form_sent_twice_leads_to_the_same_checkout(till: Till) -> None:
    browser = await Browser(till.stand.app).sign_up()
    form = {"amount": "20", "key": "one-form"}
    first, again = [await browser.post("/wallet/top-ups", form) for _ in range(2)]
    assert first.headers["Location"] == again.headers["Location"]
    await till.deliver(await till.peer.pay(first.headers["Location"]))
    assert (await browser.post("/wallet/top-ups", form)).headers["Location"] == "/wallet?done=topped-up"


@pytest.mark.parametrize("amount", ["0.10", "12.345"])
async def test_an_amount_that_cannot_be_paid_is_told_beside_its_field(till: Till, amount: str) -> None:
    browser = await Browser(till.stand.app).sign_up()
    page = await browser.top_up(amount)
    assert page.status == 422
    assert "This amount cannot be paid." in page.words
    assert f"form-action 'self' {till.peer.checkout_origin};" in page.headers["Content-Security-Policy"]


async def test_without_stripe_the_page_says_what_to_do_and_leaks_nothing(till: Till) -> None:
    browser = await Browser(till.stand.app).sign_up()
    till.peer.down = True
    page = await browser.top_up()
    assert page.status == 503
    assert "nothing was charged. Try again in a minute." in page.words
    assert SECRET_KEY not in page.text
    assert till.peer.origin.removeprefix("http://") not in page.text


async def test_a_receipt_is_linked_from_its_posting_and_asked_for_where_it_is_missing(till: Till) -> None:
    browser, checkout, path = await begun(till)
    till.peer.receipts = False
    await till.deliver(await till.peer.pay(checkout))
    assert f'href="{path}/receipt"' in (await show(browser, "/wallet")).text
    missing = await browser.get(f"{path}/receipt")
    assert missing.status == 404
    assert "no receipt for this payment yet" in missing.words
    till.peer.receipts = True
    found = await browser.get(f"{path}/receipt")
    assert re.fullmatch(r"http://receipts\.test/ch_\w+", found.headers["Location"])
    till.peer.down = True
    assert (await browser.get(f"{path}/receipt")).headers["Location"] == found.headers["Location"]


async def test_another_customers_payment_is_not_found(till: Till) -> None:
    _, checkout, path = await begun(till)
    stranger = await Browser(till.stand.app).sign_up()
    for page in (path, f"{path}/stream", f"{path}/receipt"):
        refused = await stranger.get(page)
        assert refused.status == 404
        assert checkout not in refused.text


async def test_a_checkout_past_its_time_offers_no_way_to_pay(till: Till) -> None:
    browser, _, path = await begun(till)
    now = await clock.now(reading())
    with clock.frozen(now + 6 * 3600):
        page = await show(browser, path)
    assert "has expired" in page.words
    assert "Go on paying" not in page.words


async def test_the_page_learns_of_the_payment_by_localstripes_own_signed_event(till: Till, peer: StripePeer) -> None:
    bind = f"127.0.0.1:{free_port()}"
    async with served(till.stand.app, bind) as url, aiohttp.ClientSession() as http:
        hook = {"url": f"{url}/api/v1/webhooks/stripe", "secret": "whsec_peer0123456789abcdef"}
        async with http.post(
            f"{peer.upstream}/_config/webhooks/console", json={**hook, "events": ["payment_intent.succeeded"]}
        ) as answer:
            assert answer.status == 200
        customer = await till.stand.newcomer()
        wished = await till.wish(customer)
        cookie = await till.stand.cookie_of(customer)
        path = f"{url}/wallet/top-ups/{wished.body['id']}/stream"
        async with http.get(path, headers={"Cookie": cookie}, timeout=aiohttp.ClientTimeout(total=40)) as stream:
            assert "As soon as Stripe confirms" in await _until(stream, "</section>")
            await peer.pay(wished.body["checkout_url"])
            told = await _until(stream, "event: over")
    assert "The money is in your wallet" in told
    assert await till.purse(customer) == (20 * UNIT, 0)


async def test_the_open_wallet_page_shows_what_became_of_a_payment(till: Till) -> None:
    async with served(till.stand.app, f"127.0.0.1:{free_port()}") as url, aiohttp.ClientSession() as http:
        customer = await till.stand.newcomer()
        wished = await till.wish(customer)
        headers = {"Cookie": await till.stand.cookie_of(customer)}
        async with http.get(f"{url}/wallet/stream", headers=headers) as stream:
            assert "Payments under way" in await _until(stream, "Not paid yet")
            await till.deliver(till.peer.expire(wished.body["checkout_url"]))
            assert "Expired" in await _until(stream, "Expired")


async def _until(stream: aiohttp.ClientResponse, wanted: str) -> str:
    told = ""
    async with asyncio.timeout(40):
        while wanted not in told:
            told += (await stream.content.readline()).decode()
    return told
