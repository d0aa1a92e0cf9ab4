from syneudp.kernel.database import execute, reading
from tests.web.console.browsing import Browser

MEDIUM = "postgresql-medium"


async def test_the_page_tells_the_difference_before_the_click(browser: Browser, agent_url: str) -> None:
    await browser.top_up()
    path = await browser.create()
    assert "Change plan" in (await browser.get(path)).words
    page = await browser.get(f"{path}/plan")
    assert "Your plan now" in page.words
    assert "€0.013889 more an hour, €10.00 more for 30 days" in page.words
    assert "The new price counts from this second on." in page.words
    changed = await browser.follow(await browser.post(f"{path}/plan", {"plan": MEDIUM}))
    assert "The database is on its new plan." in changed.words
    assert "Medium" in changed.words
    piece = await browser.get(f"{path}/plan", HX_Request="true")
    assert "<html" not in piece.text
    assert "less an hour" in piece.words


async def test_the_page_says_why_a_plan_is_refused(browser: Browser, agent_url: str) -> None:
    await browser.top_up()
    path = await browser.create()
    for plan, status in (("mysql-small", 422), ("", 422), ("<b>", 422)):
        refused = await browser.post(f"{path}/plan", {"plan": plan})
        assert refused.status == status
        assert "<b>" not in refused.text
    await execute(reading(), "UPDATE instances SET storage_bytes = $1", 60 << 30)
    full = await browser.post(f"{path}/plan", {"plan": "postgresql-large"})
    assert (full.status, "holds more than that plan stores" in full.words) == (409, True)
    assert "Stores less than it holds" in full.words
