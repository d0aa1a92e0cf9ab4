import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright

from tests.e2e.stack import Stack, running_stack

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PATIENCE_MILLISECONDS = 20_000
OpenPage = Callable[..., Awaitable[Page]]


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    with running_stack() as stack:
        yield stack


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
async def open_page(chromium: Browser, stack: Stack) -> AsyncIterator[OpenPage]:
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    async def open_one(**wanted: Any) -> Page:
        context = await chromium.new_context(**{"base_url": stack.console, "locale": "en-GB", **wanted})
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        contexts.append(context)
        page = await context.new_page()
        page.on("console", listen)
        page.on("pageerror", lambda fault: complaints.append(str(fault)))
        return page

    yield open_one
    for context in contexts:
        await context.close()
    assert complaints == []
