import json
from uuid import UUID

import pytest

from syneudp import webhooks
from syneudp.billing.raise_alerts import raise_alerts
from syneudp.billing.send_webhooks import announce_alerts
from syneudp.instances import InstanceServices
from syneudp.kernel import clock
from syneudp.kernel.database import reading, transact, value
from syneudp.webhooks import DeliveryState, EndpointSecret
from tests.billing.past import HOUR, billing_roles, running_since, until
from tests.instances.shop import KEYRING, LARGE_PRICE, Customer, customer, stock
from tests.servers import ControlDatabase
from tests.webhooks.receiving import receiving, verify

pytestmark = pytest.mark.usefixtures("books")
RETENTION = 14 * 86_400


async def wants_to_know(buyer: Customer, url: str) -> EndpointSecret:
    return await transact(lambda tx: webhooks.add_endpoint(tx, owner_id=buyer.id, url=url, keyring=KEYRING))


async def all_delivered() -> bool:
    waiting = await value(reading(), "SELECT count(*) FROM webhook_deliveries WHERE state = 'pending'")
    return not waiting and bool(await value(reading(), "SELECT count(*) FROM webhook_deliveries"))


async def low_on_money(reach: InstanceServices, now: int, url: str, *names: str) -> tuple[EndpointSecret, list[UUID]]:
    with clock.frozen(now):
        buyer = await customer(balance_micros=LARGE_PRICE * 20 * len(names))
    made = [(await running_since(reach, buyer, now, name)).id for name in names]
    return await wants_to_know(buyer, url), made


async def test_an_alert_is_announced_once_with_the_numbers_of_its_moment(reach: InstanceServices) -> None:
    await stock()
    now = await clock.now(reading())
    endpoint, made = await low_on_money(reach, now, "https://example.com/hook", "books", "shop")
    with clock.frozen(now + 5 * HOUR):
        assert await raise_alerts(retention_seconds=RETENTION) == 1
        assert await announce_alerts() == 1
        assert await announce_alerts() == 0
    body = json.loads(await value(reading(), "SELECT body FROM webhook_messages"))
    assert (body["type"], body["timestamp"]) == ("wallet.runway_24h", clock.rfc3339(now + 5 * HOUR))
    told = body["data"]
    assert {each["id"]: each["name"] for each in told["instances"]} == {
        str(made[0]): "books",
        str(made[1]): "shop",
    }
    assert told["instance_count"] == 2
    assert (told["currency"], told["balance_micros"], told["available_micros"], told["burn_micros_per_hour"]) == (
        "EUR",
        40 * LARGE_PRICE,
        30 * LARGE_PRICE,
        2 * LARGE_PRICE,
    )
    assert told["ends_at"] == clock.rfc3339(now + 20 * HOUR)
    page = await webhooks.deliveries_of(
        reading(), await value(reading(), "SELECT owner_id FROM webhook_endpoints"), endpoint.endpoint.id, limit=9
    )
    assert [each.kind for each in page.items] == ["wallet.runway_24h"]


async def test_two_billing_processes_bring_each_alert_to_its_receiver_once(
    books: ControlDatabase, reach: InstanceServices
) -> None:
    await stock()
    now = await clock.now(reading())
    async with receiving() as receiver:
        wanting = [await low_on_money(reach, now, receiver.url, f"db{number}") for number in range(5)]
        with billing_roles(books, count=2) as roles:
            await until(all_delivered, seconds=30)
            assert [role.stop() for role in roles] == [0, 0]
    secrets = [endpoint.secret for endpoint, _ in wanting]
    ids = []
    for headers, body in receiver.received:
        for secret in secrets:
            try:
                ids.append(verify(secret, headers, body, now=await clock.now(reading())))
            except AssertionError:
                continue
    assert len(ids) == len(set(ids)) == len(receiver.received) == len(wanting)


async def test_a_process_that_dies_while_a_receiver_takes_its_time_leaves_nothing_undone(
    books: ControlDatabase, reach: InstanceServices
) -> None:
    await stock()
    now = await clock.now(reading())
    async with receiving() as receiver:
        receiver.wait_seconds = 10
        endpoint, _ = await low_on_money(reach, now, receiver.url, "books")

        async def has_come() -> bool:
            return bool(receiver.received)

        with billing_roles(books) as [role]:
            await until(has_come, seconds=30)
            role.kill()
        receiver.wait_seconds = 0
        with billing_roles(books) as [role]:
            await until(all_delivered, seconds=60)
            assert role.stop() == 0
        names = {verify(endpoint.secret, *each, now=await clock.now(reading())) for each in receiver.received}
    assert (len(receiver.received), len(names)) == (2, 1)
    assert await value(reading(), "SELECT state FROM webhook_deliveries") == DeliveryState.DELIVERED
