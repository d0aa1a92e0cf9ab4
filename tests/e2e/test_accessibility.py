from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from syneudp.web.console.pages import CONSOLE
from tests.e2e import customer
from tests.e2e.conftest import OpenPage
from tests.e2e.stack import Stack
from tests.stack.inside import Inside

AXE = CONSOLE / "assets" / "node_modules" / "axe-core" / "axe.min.js"
WIDTHS = (320, 1280)
RULES_CHECKED_MIN = 20
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}

pytestmark = pytest.mark.browser


async def violations(page: Page) -> list[str]:
    await page.evaluate(Path(AXE).read_text("utf-8"))
    found: dict[str, Any] = await page.evaluate("rules => axe.run(document, rules)", RULES)
    assert len(found["passes"]) >= RULES_CHECKED_MIN
    assert [each["id"] for each in found["incomplete"] if each["id"] == "color-contrast"] == []
    return [f"{page.url} {each['id']}: {node['html'][:160]}" for each in found["violations"] for node in each["nodes"]]


async def overflow(page: Page) -> int:
    return int(await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_every_page_is_accessible_in_both_themes_and_narrow(
    open_page: OpenPage, stack: Stack, theme: str
) -> None:
    page = await open_page(color_scheme=theme, reduced_motion="reduce")
    faults: list[str] = []

    async def look(path: str) -> None:
        if path:
            await page.goto(path)
        for width in WIDTHS:
            await page.set_viewport_size({"width": width, "height": 900})
            faults.extend(await violations(page))
            if await overflow(page) > 0:
                faults.append(f"{page.url} is wider than {width} px")

    for path in ("/", "/sign-in", "/sign-up", "/nothing-here"):
        await look(path)
    await customer.sign_up(page)
    await look("/databases")
    await customer.top_up(page, "5")
    await look("")
    await look("/databases/new")
    await customer.create(page, engine="PostgreSQL", name="orders")
    address = page.url
    await look("")
    await look("/databases")
    await look(address)
    await Inside(stack).let_sign_ins_be_long_ago()
    await page.get_by_role("button", name="Reveal password").click()
    await page.get_by_label("Your password").wait_for()
    await look("")
    await page.goto(address)
    await page.get_by_role("link", name="Delete this database").click()
    await page.get_by_label("Type orders to confirm").wait_for()
    await look("")
    await look(f"{address}/delete")
    await look(f"{address}/plan")
    await look(f"{address}/suspend")
    await page.get_by_role("button", name="Suspend").click()
    await page.get_by_text("You suspended it.").wait_for()
    await look("")
    await look("/wallet")
    await page.locator("#statements-title").locator("xpath=../..").get_by_role("link").first.click()
    await page.get_by_role("heading", name="Statement of").wait_for()
    await page.locator(".unfold > summary").first.click()
    await look("")
    await look("/alerts")
    await page.goto("/webhooks")
    await page.get_by_label("URL").fill("http://127.0.0.1:9/hook")
    await page.get_by_role("button", name="Add endpoint").click()
    await page.locator("#fact-secret").wait_for()
    await look("")
    await look("/webhooks")
    await page.get_by_role("link", name="http://127.0.0.1:9/hook").click()
    await page.get_by_role("button", name="Send a test").click()
    await page.get_by_text("webhook.test").wait_for()
    await look("")
    assert faults == []
