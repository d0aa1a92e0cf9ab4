from uuid import UUID

import pytest

from syneudp import wallet
from syneudp.billing.end_retention import end_retention
from syneudp.billing.raise_alerts import raise_alerts
from syneudp.instances import InstanceServices, kept_data
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, reading
from syneudp.wallet import Alert, AlertKind, LockedWallet
from syneudp.wallet.payments import SandboxProvider
from tests.billing.past import HOUR, billing_roles, confirm, running_since, until
from tests.instances.shop import LARGE_PRICE, Customer, customer, stock
from tests.servers import ControlDatabase

pytestmark = pytest.mark.usefixtures("books")
DAY = 86_400
RETENTION = 14 * DAY


async def told(buyer: Customer) -> list[Alert]:
    page = await wallet.alerts_of(reading(), buyer.wallet.id, limit=100, cursor=None)
    return list(reversed(page.items))


async def alert() -> int:
    return await raise_alerts(retention_seconds=RETENTION)


async def ran_dry(reach: InstanceServices, now: int, *names: str) -> tuple[Customer, list[UUID]]:
    with clock.frozen(now):
        buyer = await customer(balance_micros=LARGE_PRICE * len(names))
    made = [(await running_since(reach, buyer, now, name)).id for name in names]
    with clock.frozen(now + HOUR):
        await buyer.locked(_nothing)
        for each in made:
            await confirm(reach, each)
    return buyer, made


async def _nothing(*_: object) -> None:
    return None


async def test_the_end_of_the_retention_is_told_three_days_and_one_day_before_and_when_it_has_come(
    reach: InstanceServices,
) -> None:
    await stock()
    now = await clock.now(reading())
    buyer, made = await ran_dry(reach, now, "books", "shop")
    suspended_at = now + HOUR
    for after, expected in [
        (RETENTION - 3 * DAY - 1, 0),
        (RETENTION - 3 * DAY, 1),
        (RETENTION - DAY - 1, 0),
        (RETENTION - DAY, 1),
        (RETENTION - 1, 0),
    ]:
        with clock.frozen(suspended_at + after):
            assert await alert() == expected
            assert await alert() == 0
    with clock.frozen(suspended_at + RETENTION):
        assert await end_retention(provider=SandboxProvider(), retention_seconds=RETENTION, runway_seconds=HOUR) == 2
        assert await alert() == 0
    alerts = await told(buyer)
    assert [each.kind for each in alerts] == [
        AlertKind.SUSPENDED,
        AlertKind.RETENTION_ENDING,
        AlertKind.RETENTION_ENDING,
        AlertKind.TERMINATED,
    ]
    assert [each.ends_at for each in alerts] == [suspended_at] + [suspended_at + RETENTION] * 3
    assert all(set(each.resource_ids) == set(made) for each in alerts)


async def test_what_is_kept_says_until_when_and_a_top_up_ends_it(reach: InstanceServices) -> None:
    await stock()
    now = await clock.now(reading())
    buyer, made = await ran_dry(reach, now, "books")
    [kept] = await kept_data(reading(), buyer.wallet.id, retention_seconds=RETENTION)
    assert (kept.instance_id, kept.name, kept.until_at) == (made[0], "books", now + HOUR + RETENTION)
    with clock.frozen(now + 2 * DAY):
        await buyer.top_up(2 * LARGE_PRICE)
        assert await kept_data(reading(), buyer.wallet.id, retention_seconds=RETENTION) == []
    with clock.frozen(now + HOUR + RETENTION - DAY):
        await alert()
    assert AlertKind.RETENTION_ENDING not in [each.kind for each in await told(buyer)]


async def test_a_retention_of_a_day_has_no_warning_of_its_own(reach: InstanceServices) -> None:
    await stock()
    now = await clock.now(reading())
    buyer, _ = await ran_dry(reach, now, "books")
    with clock.frozen(now + HOUR + DAY):
        assert await raise_alerts(retention_seconds=DAY) == 0
        assert await raise_alerts(retention_seconds=2 * DAY) == 1
    assert [each.kind for each in await told(buyer)] == [AlertKind.SUSPENDED, AlertKind.RETENTION_ENDING]


async def test_a_database_deleted_by_its_owner_is_warned_of_no_more(reach: InstanceServices) -> None:
    await stock()
    now = await clock.now(reading())
    buyer, made = await ran_dry(reach, now, "books")
    await buyer.terminate(made[0])
    with clock.frozen(now + HOUR + RETENTION - DAY):
        assert await alert() == 0
        assert await wallet.due_alerts(reading(), now, 10) == []
    assert [each.kind for each in await told(buyer)] == [AlertKind.SUSPENDED]


async def test_two_billing_processes_tell_a_customer_of_each_thing_once(
    books: ControlDatabase, reach: InstanceServices
) -> None:
    await stock()
    now = await clock.now(reading())
    buyers = []
    for number in range(8):
        buyer = await customer(balance_micros=LARGE_PRICE * (30 if number % 2 else 1))
        await running_since(reach, buyer, now, f"db{number}")
        buyers.append(buyer)

    async def all_told() -> bool:
        return not await wallet.due_alerts(reading(), await clock.now(reading()), 100)

    assert len(await wallet.due_alerts(reading(), now, 100)) == len(buyers)
    with billing_roles(books, count=2) as roles:
        await until(all_told, seconds=30)
        assert [role.stop() for role in roles] == [0, 0]
    kinds = [[each.kind for each in await told(buyer)] for buyer in buyers]
    assert kinds == [[AlertKind.RUNWAY_1_HOUR], [AlertKind.RUNWAY_72_HOURS]] * 4


async def test_a_wallet_that_cannot_be_told_holds_up_no_other(
    reach: InstanceServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stock()
    now = await clock.now(reading())
    poor, other = await customer(balance_micros=LARGE_PRICE), await customer(balance_micros=LARGE_PRICE)
    for buyer in (poor, other):
        await running_since(reach, buyer, now)
    real = wallet.raise_runway_alert

    async def sometimes(tx: Connection, locked: LockedWallet) -> AlertKind | None:
        if locked.wallet.id == poor.wallet.id:
            raise RuntimeError
        return await real(tx, locked)

    monkeypatch.setattr(wallet, "raise_runway_alert", sometimes)
    assert await alert() == 1
    assert [each.kind for each in await told(other)] == [AlertKind.RUNWAY_1_HOUR]
