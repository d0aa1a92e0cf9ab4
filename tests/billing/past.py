import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import asyncpg

from syneudp import instances, wallet
from syneudp.engines.contract import Applied, Endpoint
from syneudp.instances import InstanceServices, InstanceView
from syneudp.instances.deliver import _claim
from syneudp.instances.outcomes import Outcome, record_applied
from syneudp.instances.parcels import Sent
from syneudp.kernel import clock
from syneudp.kernel.database import reading, rows, transact, value
from tests.instances.agents import Role
from tests.instances.shop import TOKEN, Customer
from tests.servers import ControlDatabase, passing_folder

HOUR = 3600


async def rewind_shards(control: ControlDatabase, *, hours: int) -> int:
    connection = await asyncpg.connect(control.owner_url)
    try:
        await connection.execute("ALTER TABLE shards DISABLE TRIGGER USER")
        await connection.execute(
            "UPDATE shards SET first_hour = first_hour - $1, closed_through = closed_through - $1", hours
        )
        await connection.execute("ALTER TABLE shards ENABLE TRIGGER USER")
        return int(await connection.fetchval("SELECT min(closed_through) FROM shards"))
    finally:
        await connection.close()


async def confirm(reach: InstanceServices, instance_id: UUID) -> None:
    claimed = await transact(lambda tx: _claim(tx, services=reach, instance_id=instance_id, seconds=1))
    assert not isinstance(claimed, str)
    sent = claimed.sent
    assert (await transact(lambda tx: record_applied(tx, sent, applied(sent)))).outcome is Outcome.CONFIRMED


def applied(sent: Sent) -> Applied:
    return Applied(
        instance_id=sent.instance_id,
        database="db" + "a" * 20,
        username="u" + "a" * 20,
        state=sent.state,
        endpoint=Endpoint(host="127.0.0.1", port=5432, tls=True),
        applied_generation=sent.generation,
        credential_version=sent.credential_version,
    )


async def running_since(
    reach: InstanceServices, buyer: Customer, begins_at: int, name: str = "books", *, plan: str = "postgresql-large"
) -> InstanceView:
    with clock.frozen(begins_at):
        made = await buyer.create(name, plan=plan)
        await confirm(reach, made.id)
        return await buyer.see(made.id)


async def lag() -> int:
    return len(await wallet.shards_behind(reading(), await clock.now(reading())))


async def closes() -> int:
    return int(await value(reading(), "SELECT count(*) FROM hour_closes"))


async def posted_usage(buyer: Customer) -> int:
    return -int(
        await value(
            reading(),
            "SELECT coalesce(sum(e.amount_micros), 0)::bigint FROM entries e JOIN transfers t ON t.id = e.transfer_id"
            " WHERE e.account_id = $1 AND t.reason LIKE 'usage%'",
            buyer.wallet.account_id,
        )
    )


async def closed_form(buyer: Customer, until_at: int) -> int:
    found = await rows(
        reading(),
        "SELECT from_at, least(coalesce(until_at, $2), $2) AS until_at, price_micros_per_hour AS price, carry"
        " FROM usage_segments WHERE wallet_id = $1 AND from_at < $2",
        buyer.wallet.id,
        until_at,
    )
    return sum((each["price"] * (each["until_at"] - each["from_at"]) + each["carry"]) // HOUR for each in found)


async def until(condition: Callable[[], Awaitable[object]], *, seconds: float, every: float = 0.1) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not await condition():
        assert loop.time() < deadline, "it did not come about in time"
        await asyncio.sleep(every)


def billing_environment(control: ControlDatabase, **own: str) -> dict[str, str]:
    return {
        "SYNEUDP_ENVIRONMENT": "local",
        "SYNEUDP_DATABASE_URL": control.url,
        "SYNEUDP_SEALING_KEYS": "k1:" + base64.b64encode(bytes(range(32))).decode(),
        "SYNEUDP_AGENT_TOKEN": TOKEN,
        "SYNEUDP_PAYMENTS": "sandbox",
        "SYNEUDP_MINIMUM_RUNWAY_SECONDS": "1",
        **own,
    }


@contextmanager
def billing_roles(control: ControlDatabase, *, count: int = 1, **own: str) -> Iterator[list[Role]]:
    with passing_folder() as folder:
        roles = [
            Role("billing", billing_environment(control, **own), Path(folder) / f"billing{number}.log")
            for number in range(count)
        ]
        try:
            for role in roles:
                role.start()
            yield roles
        finally:
            for role in roles:
                role.kill()


async def pending() -> int:
    return await instances.count_pending(reading())
