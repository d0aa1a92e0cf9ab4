import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, async_playwright

from tests.e2e.conftest import ARGUMENTS, PATIENCE_MILLISECONDS
from tests.payments.stripe_peer import StripePeer
from tests.payments.till import UNIT, Till
from tests.web.stand import served

pytestmark = pytest.mark.browser


@pytest.fixture
async def tab() -> AsyncIterator[Page]:
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        page = await browser.new_page(locale="en-GB")
        page.set_default_timeout(PATIENCE_MILLISECONDS)
        yield page
        await browser.close()


@pytest.fixture
def peer_with_pages(peer: StripePeer) -> StripePeer:
    peer.checkout_origin = peer.origin.replace("127.0.0.1", "localhost")
    return peer


async def test_a_browser_is_led_to_the_checkout_and_back_and_sees_the_money_arrive(
    peer_with_pages: StripePeer, till: Till, tab: Page
) -> None:
    complaints: list[str] = []
    tab.on("console", lambda told: complaints.append(told.text) if "Content Security Policy" in told.text else None)
    customer = await till.stand.newcomer()
    name, _, cookie = (await till.stand.cookie_of(customer)).partition("=")
    bind = till.stand.variables["SYNEUDP_BIND"]
    async with served(till.stand.app, bind) as url:
        await tab.context.add_cookies([{"name": name, "value": cookie, "url": url, "sameSite": "Lax"}])
        await tab.goto(f"{url}/wallet")
        await tab.get_by_label("Another amount").fill("12.50")
        await tab.get_by_role("button", name="Top up").click()
        await tab.wait_for_url(f"{peer_with_pages.checkout_origin}/c/pay/*")
        await tab.get_by_role("link", name="Back").click()
        await tab.get_by_text("You came back before paying").wait_for()
        await tab.get_by_role("link", name="Go on paying").click()
        checkout = tab.url
        await tab.get_by_role("link", name="Done").click()
        await tab.get_by_text("As soon as Stripe confirms the payment").wait_for()
        assert await till.deliver(await peer_with_pages.pay(checkout)) == [200, 200]
        await tab.get_by_text("The money is in your wallet").wait_for()
        await tab.get_by_role("link", name="Your wallet").click()
        await tab.get_by_role("link", name="Receipt").wait_for()
    assert await till.purse(customer) == (12 * UNIT + UNIT // 2, 0)
    assert complaints == []


async def test_a_page_other_than_the_wallets_leads_no_form_elsewhere(
    peer_with_pages: StripePeer, till: Till, tab: Page
) -> None:
    cookie = await till.stand.cookie_of(await till.stand.newcomer())
    async with served(till.stand.app, till.stand.variables["SYNEUDP_BIND"]) as url:
        name, _, value = cookie.partition("=")
        await tab.context.add_cookies([{"name": name, "value": value, "url": url, "sameSite": "Lax"}])
        await tab.goto(f"{url}/databases")
        async with tab.expect_console_message(lambda told: "form-action" in told.text):
            await tab.evaluate(
                "target => { const form = document.createElement('form'); form.action = target;"
                " document.body.append(form); form.submit(); }",
                f"{peer_with_pages.checkout_origin}/c/pay/other",
            )
        assert tab.url == f"{url}/databases"
