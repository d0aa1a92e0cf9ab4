from uuid import UUID

import pytest

from syneudp import instances, wallet
from syneudp.kernel.database import Connection, reading, transact, value
from syneudp.kernel.money import MAX_TOP_UP_MICROS
from syneudp.ledger import AccountKind, Reason
from syneudp.wallet import CAP_MICROS_MAX
from syneudp.web.console.wallet import read_amount, read_limit
from tests.web.console.browsing import Browser


@pytest.mark.parametrize(
    ("text", "micros"),
    [("5", 5_000_000), ("12.50", 12_500_000), ("12,5", 12_500_000), ("0.000001", 1), ("10000", MAX_TOP_UP_MICROS)],
)
def test_an_amount_is_read_as_people_write_it(text: str, micros: int) -> None:
    assert read_amount(text) == micros


@pytest.mark.parametrize("text", ["0", "-1", "1e3", "10000.01", "99999999", "1.2345678", "٣", "5 €", "", "0x10"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    assert read_amount(text) is None


async def test_money_arrives_and_is_posted_with_its_balance(browser: Browser) -> None:
    page = await browser.follow(await browser.top_up("12,50"))
    assert "The money is in your wallet." in page.words
    assert "+ €12.50 0000" in page.words
    assert "Nothing is running, so nothing is being spent." in page.words


async def test_the_same_form_sent_twice_credits_once(browser: Browser) -> None:
    form = {"amount": "3", "key": "one-form"}
    assert [(await browser.post("/wallet/top-ups", form)).status for _ in range(2)] == [303, 303]
    assert (await browser.get("/wallet")).words.count("Top-up") == 1
    other = await browser.post("/wallet/top-ups", {"amount": "4", "key": "one-form"})
    assert other.status == 422


@pytest.mark.parametrize("form", [{"amount": "-5"}, {"amount": "<b>"}, {"preset": "1"}, {}])
async def test_a_bad_amount_is_told_beside_its_field(browser: Browser, form: dict[str, str]) -> None:
    page = await browser.post("/wallet/top-ups", form)
    assert page.status == 422
    assert "Enter an amount above zero" in page.words
    assert "<b>" not in page.text.split('id="amount"')[1].split(">")[0]


async def test_numbers_follow_the_reader(browser: Browser) -> None:
    await browser.top_up("1234.5")
    page = await browser.get("/wallet", Accept_Language="de-DE")
    assert "1.234,50 0000 €" in page.words


async def test_a_debt_is_told_with_what_it_means_and_gone_once_paid(browser: Browser) -> None:
    await browser.top_up("5")
    found = await value(
        reading(), "SELECT w.id FROM wallets w JOIN users u ON u.id = w.user_id WHERE u.email = $1", browser.email
    )

    async def dispute(tx: Connection) -> None:
        locked = await instances.lock_wallet(tx, UUID(str(found)))
        await wallet.debit(
            tx,
            locked,
            reason=Reason.DISPUTE,
            key=f"dispute {browser.email}",
            amount_micros=7_500_000,
            counter=AccountKind.CLEARING,
            provider="sandbox",
        )

    await transact(dispute)
    page = await browser.get("/wallet")
    assert "This account owes €2.50" in page.words
    assert "A top-up pays it first." in page.words
    assert "Payment disputed" in page.words
    page = await browser.follow(await browser.top_up("4"))
    assert "This account owes" not in page.words
    assert "Debt paid" in page.words
    assert "€1.50 0000" in page.words


@pytest.mark.parametrize(("text", "micros"), [("50", 50_000_000), ("0,000001", 1), ("1000000000", CAP_MICROS_MAX)])
def test_a_limit_is_read_as_people_write_it(text: str, micros: int) -> None:
    assert read_limit(text) == micros


@pytest.mark.parametrize("text", ["0", "-1", "1000000000.01", "99999999999", "1e3", "", "none"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    assert read_limit(text) is None


async def test_a_spending_limit_is_set_changed_and_removed_beside_what_the_month_cost(browser: Browser) -> None:
    page = await browser.get("/wallet")
    assert "€0.00 spent this month. There is no limit." in page.words
    assert "Remove the limit" not in page.words
    page = await browser.follow(await browser.post("/wallet/cap", {"limit-amount": "12,5"}))
    assert "The month's spending limit is set." in page.words
    assert "€0.00 of €12.50 spent this month." in page.words
    page = await browser.follow(await browser.post("/wallet/cap", {"limit-amount": "20"}))
    assert "€0.00 of €20.00 spent this month." in page.words
    page = await browser.follow(await browser.post("/wallet/cap/remove"))
    assert "There is no spending limit any more." in page.words
    assert "There is no limit." in page.words


@pytest.mark.parametrize("typed", ["", "0", "<b>", "-4"])
async def test_a_bad_limit_is_told_beside_its_field(browser: Browser, typed: str) -> None:
    page = await browser.post("/wallet/cap", {"limit-amount": typed})
    assert page.status == 422
    assert "Enter an amount above zero and up to €1,000,000,000" in page.words
    assert "<b>" not in page.text.split('id="limit-amount"')[1].split(">")[0]


async def test_a_limit_without_room_says_so_where_a_database_is_asked_for(
    browser: Browser, silent_agents: None
) -> None:
    await browser.top_up()
    await browser.post("/wallet/cap", {"limit-amount": "0.000001"})
    form = {"engine": "postgresql", "postgresql-plan": "postgresql-small", "name": "orders", "key": "one"}
    page = await browser.post("/databases", form)
    assert page.status == 402
    assert "Your spending limit for this month" in page.words
