import re

import pytest
from playwright.async_api import expect

from tests.e2e import customer
from tests.e2e.conftest import OpenPage

GERMAN = re.compile(r"^\d+,\d{6}\u00a0€$")
SPEAK_OFTEN = """() => new Promise((done) => {
  let spoken = 0;
  new MutationObserver(() => { spoken += 1; }).observe(document.getElementById("spoken"), { childList: true });
  let turn = 0;
  const talk = setInterval(() => {
    turn += 1;
    document.querySelector("[data-speak]").textContent = `news ${turn}`;
    document.dispatchEvent(new CustomEvent("htmx:after:swap"));
    if (turn === 20) {
      clearInterval(talk);
      setTimeout(() => done(spoken), 200);
    }
  }, 100);
})"""

pytestmark = pytest.mark.browser


async def test_the_cost_ticks_as_the_reader_writes_numbers_and_moves_nothing(open_page: OpenPage) -> None:
    page = await open_page(locale="de-DE")
    await customer.sign_up(page)
    await customer.top_up(page, "5")
    await customer.create(page, engine="PostgreSQL", name="tick")
    await page.goto("/databases")
    cost = page.locator(".database-row .ticker")
    first, box = await cost.inner_text(), await cost.bounding_box()
    assert GERMAN.match(first), first
    await expect(cost).not_to_have_text(first)
    assert GERMAN.match(await cost.inner_text())
    assert await cost.bounding_box() == box


async def test_a_live_region_speaks_at_most_once_in_ten_seconds(open_page: OpenPage) -> None:
    page = await open_page()
    await customer.sign_up(page)
    await customer.top_up(page, "5")
    assert await page.evaluate(SPEAK_OFTEN) <= 1


async def test_a_fact_is_copied_with_one_click(open_page: OpenPage) -> None:
    page = await open_page(permissions=["clipboard-read", "clipboard-write"])
    await customer.sign_up(page)
    await customer.top_up(page, "5")
    made = await customer.create(page, engine="PostgreSQL", name="copied")
    await page.get_by_role("button", name="Copy URI").click()
    await expect(page.get_by_text("Copied").first).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == made.uri
    await page.get_by_role("radio", name="Python", exact=True).check()
    await page.get_by_role("button", name="Copy Python snippet").click()
    assert made.password in await page.evaluate("navigator.clipboard.readText()")
