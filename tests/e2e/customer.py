"""What a customer does in the console, step by step, through the page alone."""

import secrets
from dataclasses import dataclass

from playwright.async_api import Page, expect

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Facts:
    host: str
    port: int
    database: str
    user: str
    password: str
    uri: str


async def sign_up(page: Page) -> str:
    email = f"{secrets.token_hex(6)}@example.org"
    await page.goto("/")
    await page.get_by_role("link", name="Create an account").click()
    await page.get_by_label("E-mail").fill(email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Create account").click()
    await expect(page.get_by_role("heading", name="Databases", exact=True)).to_be_visible()
    return email


async def top_up(page: Page, amount: str) -> None:
    await page.goto("/wallet")
    await page.get_by_label("Another amount").fill(amount)
    await page.get_by_role("button", name="Top up").click()
    await expect(page.get_by_text("The money is in your wallet")).to_be_visible()


async def ask_for(page: Page, *, engine: str, name: str) -> None:
    await page.goto("/databases/new")
    await page.get_by_role("radio", name=engine, exact=True).check()
    await page.get_by_label("Name", exact=True).fill(name)
    await page.get_by_role("button", name="Create database").click()


async def create(page: Page, *, engine: str, name: str) -> Facts:
    await ask_for(page, engine=engine, name=name)
    return await read_facts(page)


async def read_facts(page: Page) -> Facts:
    await expect(page.locator("#fact-password")).to_be_visible()
    told = {
        name: await page.locator(f"#fact-{name}").inner_text()
        for name in ("host", "database", "user", "password", "uri")
    }
    return Facts(port=int(await page.locator("#fact-port").inner_text()), **told)


async def delete(page: Page, *, name: str) -> None:
    await page.goto("/databases")
    await page.get_by_role("link", name=name, exact=True).click()
    await page.get_by_role("link", name="Delete this database").click()
    await page.get_by_label(f"Type {name} to confirm").fill(name)
    await page.get_by_role("button", name="Delete for good").click()
    await expect(page.get_by_text("The database is")).to_be_visible()
