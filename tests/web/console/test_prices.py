from syneudp import instances
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, execute, reading, transact
from tests.web.console.browsing import Browser

HOUR = 3600
PLAN = "postgresql-small"


async def dearer_later() -> int:
    begins_at = (await clock.now(reading()) // HOUR + 2) * HOUR

    async def set_price(tx: Connection) -> None:
        await instances.set_price(
            tx,
            slug=PLAN,
            begins_at=begins_at,
            price_micros_per_hour=20_000,
            storage_price_micros_per_gib_hour=None,
        )

    await transact(set_price)
    return begins_at


async def test_a_coming_price_is_told_wherever_a_plan_is_chosen(browser: Browser, agent_url: str) -> None:
    begins_at = await dearer_later()
    await browser.top_up()
    path = await browser.create()
    for address in ("/", "/databases/new", f"{path}/plan", path):
        page = await browser.get(address)
        assert "€0.02 an hour" in page.words, address
        assert f'<time datetime="{clock.rfc3339(begins_at)}"' in page.text, address
    assert "and €0.000137 an hour for each GiB stored" in (await browser.get("/databases/new")).words


async def test_a_database_tells_what_it_cost_at_which_times_and_what_is_for_storage(
    browser: Browser, agent_url: str
) -> None:
    await browser.top_up()
    path = await browser.create()
    assert "€0.006944" in (await browser.get(path)).words
    identifier = path.rsplit("/", 1)[1]
    await execute(
        reading(),
        "INSERT INTO storage_steps SELECT i.id, (extract(epoch FROM clock_timestamp())::bigint / 3600 + 1) * 3600,"
        " i.wallet_id, w.shard, 160 FROM instances i JOIN wallets w ON w.id = i.wallet_id WHERE i.id = $1::uuid",
        identifier,
    )
    page = await browser.get(path)
    assert "What an hour cost" in page.words
    assert "€0.008314 an hour, 10 GiB stored" in page.words
    answer = await browser.follow(await browser.post(f"{path}/suspend", {}))
    assert "charged as storage" in answer.words
