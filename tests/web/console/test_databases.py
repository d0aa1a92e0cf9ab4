import re

from quart import Quart

from tests.web.console.browsing import Browser

SECRET = re.compile(r'id="fact-password">([^<]+)<')


async def test_an_empty_account_is_shown_the_one_next_step(browser: Browser) -> None:
    assert "Top up the wallet" in (await browser.get("/databases")).words
    await browser.top_up()
    assert "Make your first database" in (await browser.get("/databases")).words


async def test_a_price_is_told_before_the_click(browser: Browser) -> None:
    await browser.top_up()
    page = await browser.get("/databases/new")
    assert page.words.count("an hour") >= 6
    assert page.words.count("for 30 days") >= 6
    assert "Your wallet lasts" in page.words


async def test_without_money_a_database_is_refused_in_plain_words(browser: Browser, silent_agents: None) -> None:
    page = await browser.post(
        "/databases", {"engine": "postgresql", "postgresql-plan": "postgresql-small", "name": "orders"}
    )
    assert page.status == 402
    assert "Top up your wallet and try again." in page.words
    assert 'value="orders"' in page.text


async def test_a_database_is_made_shown_once_and_hidden_again(browser: Browser, agent_url: str) -> None:
    await browser.top_up()
    path = await browser.create()
    making = await browser.get(f"{path}/making")
    assert "orders is ready" in making.words
    plain = await browser.get(path)
    assert SECRET.search(plain.text) is None
    assert agent_url not in plain.text
    revealed = await browser.post(f"{path}/reveal")
    found = SECRET.search(revealed.text)
    assert found is not None
    assert revealed.headers["Cache-Control"] == "no-store"
    assert "If the password was changed in SQL, the one shown may no longer work" in revealed.words
    assert revealed.text.count(found[1]) > 8
    assert found[1] not in (await browser.get(path)).text
    piece = await browser.post(f"{path}/reveal", HX_Request="true")
    assert found[1] in piece.text
    assert "<html" not in piece.text
    assert (await browser.get(f"{path}/reveal")).headers["Location"] == path


async def test_the_same_form_sent_twice_makes_one_database(browser: Browser, agent_url: str) -> None:
    await browser.top_up()
    assert await browser.create("twice") == await browser.create("twice")


async def test_a_taken_name_is_told_beside_its_field(browser: Browser, agent_url: str) -> None:
    await browser.top_up()
    await browser.create("orders")
    page = await browser.post(
        "/databases", {"engine": "postgresql", "postgresql-plan": "postgresql-small", "name": "orders", "key": "other"}
    )
    assert page.status == 409
    assert "You already have a database with this name." in page.words


async def test_an_owner_suspends_resumes_rotates_and_deletes(browser: Browser, agent_url: str) -> None:
    await browser.top_up()
    path = await browser.create()
    assert "It is charged for its storage alone from this second on." in (await browser.get(f"{path}/suspend")).words
    suspended = await browser.follow(await browser.post(f"{path}/suspend"))
    assert "You suspended it." in suspended.words
    resumed = await browser.follow(await browser.post(f"{path}/resume"))
    assert "Running again." in resumed.words
    rotated = await browser.follow(await browser.post(f"{path}/rotate"))
    assert "the old one is refused" in rotated.words
    assert "There is no backup" in (await browser.get(f"{path}/delete", HX_Request="true")).words
    kept = await browser.post(f"{path}/delete", {"typed": "order"})
    assert (kept.status, "This is not the name" in kept.words) == (422, True)
    gone = await browser.follow(await browser.post(f"{path}/delete", {"typed": "orders"}))
    assert "The database is deleted." in gone.words
    assert "orders" not in gone.words
    after = await browser.get(path)
    assert "Deleted" in after.words
    assert "Delete this database" not in after.words


async def test_a_database_whose_engine_is_silent_is_shown_being_made(browser: Browser, silent_agents: None) -> None:
    await browser.top_up()
    path = await browser.create()
    page = await browser.follow(await browser.get(path))
    assert "Nothing is charged until the database is ready." in page.words
    assert 'http-equiv="refresh"' in page.text
    assert (await browser.post(f"{path}/reveal")).headers["Location"] == f"{path}/making"
    assert "Being made" in (await browser.get("/databases")).words


async def test_another_customers_database_is_not_there(app: Quart, browser: Browser, agent_url: str) -> None:
    await browser.top_up()
    path = await browser.create()
    stranger = await Browser(app).sign_up()
    for tail in ("", "/making", "/suspend", "/rotate", "/delete"):
        assert (await stranger.get(path + tail)).status == 404
    for act in ("reveal", "suspend", "resume", "rotate", "delete"):
        assert (await stranger.post(f"{path}/{act}", {"typed": "orders"})).status == 404


async def test_a_hostile_name_is_shown_and_never_run(browser: Browser, agent_url: str) -> None:
    await browser.top_up()
    page = await browser.post(
        "/databases",
        {"engine": "postgresql", "postgresql-plan": "postgresql-small", "name": "<script>alert(1)</script>"},
    )
    assert page.status == 422
    assert "<script>alert" not in page.text
