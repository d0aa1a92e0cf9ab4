import pytest
from playwright.async_api import Page, expect

from tests.e2e import customer
from tests.e2e.conftest import OpenPage

ASK_TO_PRINT = "window.print = () => { window.printed = (window.printed ?? 0) + 1; }"
INK = "getComputedStyle(document.querySelector('main h1')).color"

pytestmark = pytest.mark.browser


async def open_statement(page: Page) -> None:
    await customer.sign_up(page)
    await customer.top_up(page, "5")
    await customer.create(page, engine="PostgreSQL", name="orders")
    await page.goto(f"{page.url}/suspend")
    await page.get_by_role("button", name="Suspend").click()
    await page.get_by_text("You suspended it.").wait_for()
    await page.goto("/wallet")
    await page.locator("#statements-title").locator("xpath=../..").get_by_role("link").first.click()
    await page.get_by_role("heading", name="Statement of").wait_for()


async def test_a_statement_is_printed_whole_and_without_what_is_for_the_screen(open_page: OpenPage) -> None:
    page = await open_page(color_scheme="dark")
    await page.add_init_script(ASK_TO_PRINT)
    await open_statement(page)
    day = page.locator(".unfold tbody td").first
    await expect(day).to_be_hidden()
    await expect(page.locator(".print-only")).to_be_hidden()
    on_screen = await page.evaluate(INK)
    await page.get_by_role("button", name="Print").click()
    assert await page.evaluate("window.printed") == 1

    await page.emulate_media(media="print")
    await expect(day).to_be_visible()
    await expect(page.locator(".print-only")).to_contain_text("amounts in")
    for left_out in ("header.bar", "footer", ".screen-only", ".icon"):
        for each in await page.locator(left_out).all():
            await expect(each).to_be_hidden()
    await expect(page.get_by_role("button", name="Print")).to_have_count(0)
    on_paper = await page.evaluate(INK)
    assert brightness(on_paper) < 0.3 < 0.7 < brightness(on_screen), (on_paper, on_screen)
    assert (await page.pdf()).startswith(b"%PDF-")


def brightness(color: str) -> float:
    """Tell how bright a computed color is: 0 black, 1 white; raises ValueError where it is neither oklch nor rgb."""
    name, _, parts = color.rstrip(")").partition("(")
    numbers = [float(part.rstrip("%")) for part in parts.replace(",", " ").replace("/", " ").split()]
    if name == "oklch":
        return numbers[0]
    if name in ("rgb", "rgba"):
        return sum(numbers[:3]) / 3 / 255
    raise ValueError(color)
