import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from syneudp import instances, wallet
from syneudp.billing import run_billing, settle_due
from syneudp.instances import InstanceServices, InstanceView, Status
from syneudp.kernel import clock
from syneudp.kernel.database import reading
from syneudp.wallet.payments import SandboxProvider
from tests.billing.past import HOUR, closed_form, posted_usage, running_since, until
from tests.instances.agents import Agent
from tests.instances.shop import LARGE_PRICE, UNIT, Customer, customer, segments, services, stock

pytestmark = pytest.mark.usefixtures("books")
PAID_SECONDS = 20
RETENTION = 14 * 86_400


@asynccontextmanager
async def billing(reach: InstanceServices) -> AsyncIterator[None]:
    stopping = asyncio.Event()
    role = asyncio.create_task(
        run_billing(reach, provider=SandboxProvider(), retention_seconds=RETENTION, stopping=stopping)
    )
    try:
        yield
    finally:
        stopping.set()
        await asyncio.wait_for(role, 20)


async def cut_at(seen: InstanceView, password: str) -> float:
    assert seen.connection is not None
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = await asyncpg.connect(
        host=seen.connection.host,
        port=seen.connection.port,
        user=seen.connection.username,
        password=password,
        database=seen.connection.database,
        ssl=context,
    )
    try:
        while True:
            await connection.fetchval("SELECT 1")
            await asyncio.sleep(0.02)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
        return time.time()
    finally:
        connection.terminate()


async def test_a_database_is_cut_within_a_second_of_the_end_of_its_money_and_comes_back_with_a_top_up(
    reach: InstanceServices, agent: Agent
) -> None:
    short = services(reach.agents, runway_seconds=1)
    await stock(agent_url=agent.url)
    buyer = await customer(balance_micros=PAID_SECONDS * LARGE_PRICE // HOUR + 1)
    async with billing(short):
        made = await buyer.create(runway_seconds=1)
        assert await instances.deliver(short, made.id, timeout_seconds=10)
        seen = await buyer.see(made.id)
        depletes_at = (await wallet.overview(reading(), buyer.wallet.id, await clock.now(reading()))).depletes_at
        assert depletes_at is not None
        assert seen.ready_at is not None
        assert depletes_at - seen.ready_at == PAID_SECONDS
        ended_at = await asyncio.wait_for(cut_at(seen, await buyer.reveal(made.id)), PAID_SECONDS + 10)
        assert 0 <= ended_at - depletes_at < 1

        async def suspended() -> bool:
            return (await buyer.see(made.id)).status is Status.SUSPENDED

        await until(suspended, seconds=5)
        [segment] = await segments(made.id)
        assert segment["until_at"] == depletes_at
        balance = await buyer.balance()
        next_second = await _cost_of_next_second(buyer, seen.ready_at, depletes_at)
        assert 0 <= balance < next_second
        assert await posted_usage(buyer) == await closed_form(buyer, depletes_at)

        assert await buyer.top_up(UNIT, runway_seconds=1) == [made.id]

        async def running() -> bool:
            return (await buyer.see(made.id)).status is Status.RUNNING

        await until(running, seconds=5)
        assert len(await segments(made.id)) == 2
        await buyer.terminate(made.id)


async def _cost_of_next_second(buyer: Customer, began_at: int, at: int) -> int:
    return LARGE_PRICE * (at + 1 - began_at) // HOUR - LARGE_PRICE * (at - began_at) // HOUR


async def test_what_is_due_is_settled_once_by_watchers_side_by_side(reach: InstanceServices) -> None:
    await stock()
    buyers = [await customer(balance_micros=LARGE_PRICE) for _ in range(6)]
    rich = await customer()
    now = await clock.now(reading())
    made = [await running_since(reach, buyer, now) for buyer in buyers]
    kept = await running_since(reach, rich, now)
    held = 0

    def count() -> None:
        nonlocal held
        held += 1

    with clock.frozen(now + HOUR + 30):
        await asyncio.gather(settle_due(held=count), settle_due(held=count), settle_due(held=count))
        assert 1 <= held <= len(buyers)
        for buyer, instance in zip(buyers, made, strict=True):
            seen = await buyer.see(instance.id)
            assert (seen.status, seen.holds, seen.generation) == (Status.SUSPENDING, ("balance",), 2)
            assert await buyer.balance() == 0
            assert [each["until_at"] for each in await segments(instance.id)] == [now + HOUR]
        assert (await rich.see(kept.id)).status is Status.RUNNING


async def test_a_top_up_hours_late_does_not_pay_for_the_hours_without_money(reach: InstanceServices) -> None:
    await stock()
    buyer = await customer(balance_micros=LARGE_PRICE)
    now = await clock.now(reading())
    made = await running_since(reach, buyer, now)
    with clock.frozen(now + 5 * HOUR):
        assert await buyer.top_up(UNIT) == [made.id]
        assert await buyer.balance() == UNIT
        assert [each["until_at"] for each in await segments(made.id)] == [now + HOUR]


async def test_the_rest_between_looks_ends_at_the_next_depletion(reach: InstanceServices) -> None:
    await stock()
    assert await settle_due(held=lambda: None) == pytest.approx(0.5)
    buyer = await customer(balance_micros=LARGE_PRICE)
    await running_since(reach, buyer, await clock.now(reading()) - HOUR + 2)
    rested = await settle_due(held=lambda: None)
    assert 0 < rested <= 0.5
