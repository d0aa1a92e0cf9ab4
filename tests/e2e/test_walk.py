import aiomysql
import asyncpg
import pytest
from playwright.async_api import expect

from tests.e2e import clients, customer
from tests.e2e.conftest import OpenPage
from tests.e2e.stack import Stack
from tests.stack.inside import Inside

FOR_A_MINUTE = "0.00024"
DEPLETION_MILLISECONDS = 150_000

pytestmark = pytest.mark.browser


async def test_from_a_new_account_to_the_end_of_the_money_and_back(open_page: OpenPage, stack: Stack) -> None:
    page = await open_page()
    await customer.sign_up(page)
    await expect(page.get_by_role("heading", name="Start with your wallet")).to_be_visible()
    await customer.top_up(page, FOR_A_MINUTE)

    orders = await customer.create(page, engine="PostgreSQL", name="orders")
    shop = await customer.create(page, engine="MySQL", name="shop")
    assert stack.console in page.url
    assert orders.password not in page.url + shop.password

    postgresql = await clients.postgresql(orders)
    mysql = await clients.mysql(shop)
    await postgresql.execute("CREATE TABLE kept (word text); INSERT INTO kept VALUES ('here')")
    await clients.ask_mysql(mysql, "CREATE TABLE kept (word varchar(10) PRIMARY KEY)")
    await clients.ask_mysql(mysql, "INSERT INTO kept VALUES ('here')")
    await mysql.commit()

    await page.goto("/databases")
    cost = page.locator(".database-row", has_text="orders").locator(".ticker")
    before = await cost.inner_text()
    await expect(cost).not_to_have_text(before)
    await expect(page.locator("#live").get_by_text("Running", exact=True)).to_have_count(2)

    await expect(page.get_by_text("The wallet is empty", exact=True)).to_be_visible(timeout=DEPLETION_MILLISECONDS)
    await expect(page.locator(".badge", has_text="Suspended")).to_have_count(2)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)):
        await postgresql.fetchval("SELECT 1")
    with pytest.raises((aiomysql.Error, OSError, RuntimeError)):
        await clients.ask_mysql(mysql, "SELECT 1")
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await clients.postgresql(orders)
    with pytest.raises(aiomysql.OperationalError):
        await clients.mysql(shop)
    await page.get_by_role("link", name="orders", exact=True).click()
    await expect(page.get_by_text("Suspended because the wallet ran empty.")).to_be_visible()

    await customer.top_up(page, "5")
    await page.goto("/databases")
    await expect(page.locator(".badge", has_text="Running")).to_have_count(2)
    again = await clients.postgresql(orders)
    assert await again.fetchval("SELECT word FROM kept") == "here"
    await again.close()
    once_more = await clients.mysql(shop)
    assert await clients.ask_mysql(once_more, "SELECT word FROM kept") == "here"
    once_more.close()

    await customer.delete(page, name="orders")
    await customer.delete(page, name="shop")
    await expect(page.get_by_role("heading", name="Make your first database")).to_be_visible()
    with pytest.raises(asyncpg.PostgresError):
        await clients.postgresql(orders)

    audit = stack.audit()
    assert audit.returncode == 0, audit.stdout + audit.stderr
    logs = stack.logs()
    assert orders.password not in logs
    assert shop.password not in logs


async def test_a_password_is_revealed_replaced_and_hidden(open_page: OpenPage) -> None:
    page = await open_page()
    await customer.sign_up(page)
    await customer.top_up(page, "5")
    made = await customer.create(page, engine="PostgreSQL", name="vault")
    address = page.url
    assert not address.endswith("/reveal")
    await page.reload()
    await expect(page.get_by_role("button", name="Reveal password")).to_be_visible()
    assert made.password not in await page.content()
    await page.get_by_role("button", name="Reveal password").click()
    assert (await customer.read_facts(page)).password == made.password
    assert page.url == address

    await page.get_by_role("link", name="New password").click()
    await page.get_by_role("dialog").get_by_role("button", name="Set a new password").click()
    await expect(page.get_by_text("the old one is refused")).to_be_visible()
    await page.get_by_role("button", name="Reveal password").click()
    replaced = await customer.read_facts(page)
    assert replaced.password != made.password
    with pytest.raises(asyncpg.PostgresError):
        await clients.postgresql(made)
    await (await clients.postgresql(replaced)).close()


@pytest.mark.parametrize("java_script_enabled", [True, False])
async def test_who_signed_in_long_ago_shows_who_they_are_before_a_password(
    open_page: OpenPage, stack: Stack, *, java_script_enabled: bool
) -> None:
    page = await open_page(java_script_enabled=java_script_enabled)
    await customer.sign_up(page)
    await customer.top_up(page, "5")
    await customer.ask_for(page, engine="PostgreSQL", name="guarded")
    if not java_script_enabled:
        await page.get_by_role("button", name="Show password and connect").click()
    made = await customer.read_facts(page)
    await page.goto(page.url.removesuffix("/reveal"))
    address = page.url
    await Inside(stack).let_sign_ins_be_long_ago()
    await page.get_by_role("button", name="Reveal password").click()
    asked = page.get_by_label("Your password")
    await expect(asked).to_be_focused()
    await expect(page.locator("#fact-password")).to_have_count(0)
    await asked.fill("not it at all")
    await page.get_by_role("button", name="Show password").click()
    await expect(page.get_by_text("This is not the password you sign in with.")).to_be_visible()
    assert made.password not in await page.content()
    await asked.fill(customer.PASSWORD)
    await page.keyboard.press("Enter")
    assert await customer.read_facts(page) == made
    await page.goto(address)
    await page.get_by_role("button", name="Reveal password").click()
    assert await customer.read_facts(page) == made


async def test_a_live_page_follows_what_happens_elsewhere(open_page: OpenPage) -> None:
    page = await open_page()
    await customer.sign_up(page)
    await customer.top_up(page, "5")
    await customer.create(page, engine="PostgreSQL", name="mirror")
    address = page.url
    other = await page.context.new_page()
    await other.goto("/databases")
    await page.goto(address)
    await page.get_by_role("link", name="Suspend").click()
    await page.get_by_role("dialog").get_by_role("button", name="Suspend").click()
    await expect(page.get_by_text("You suspended it.")).to_be_visible()
    await expect(other.locator(".badge", has_text="Suspended")).to_be_visible()
    await page.get_by_role("button", name="Resume").click()
    await expect(page.get_by_text("Running again.")).to_be_visible()
    await expect(other.locator(".badge", has_text="Running")).to_be_visible()


async def test_everything_that_matters_works_without_script(open_page: OpenPage) -> None:
    page = await open_page(java_script_enabled=False)
    await customer.sign_up(page)
    await customer.top_up(page, "5")
    await customer.ask_for(page, engine="MySQL", name="plain")
    await page.get_by_role("button", name="Show password and connect").click()
    facts = await customer.read_facts(page)
    connection = await clients.mysql(facts)
    assert await clients.ask_mysql(connection, "SELECT 1") == 1
    connection.close()
    await customer.delete(page, name="plain")


async def test_the_keyboard_alone_reaches_the_first_database(open_page: OpenPage) -> None:
    page = await open_page()
    await customer.sign_up(page)
    await customer.top_up(page, "5")
    await page.goto("/databases/new")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    await page.get_by_role("radio", name="PostgreSQL", exact=True).focus()
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("radio", name="MySQL", exact=True)).to_be_checked()
    await page.keyboard.press("ArrowLeft")
    await page.get_by_label("Name", exact=True).focus()
    await page.keyboard.type("typed")
    await page.keyboard.press("Enter")
    await customer.read_facts(page)
    await page.get_by_role("link", name="Delete this database").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Type typed to confirm")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()
