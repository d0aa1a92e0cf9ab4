import ssl

import aiomysql
import pymysql
import pytest

from syneudp import instances
from syneudp.instances import InstanceServices, InstanceView, Status
from tests.instances.agents import Agent
from tests.instances.shop import customer, placed, segments, stock

pytestmark = pytest.mark.usefixtures("books")
SECONDS = 20.0


async def can_log_in(seen: InstanceView, password: str) -> bool:
    assert seen.connection is not None
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        connection = await aiomysql.connect(
            host=seen.connection.host,
            port=seen.connection.port,
            user=seen.connection.username,
            password=password,
            db=seen.connection.database,
            ssl=context if seen.connection.tls else None,
        )
    except pymysql.MySQLError:
        return False
    connection.close()
    return True


@pytest.mark.parametrize("kind", ["mysql_agent", "mariadb_agent"])
async def test_a_mysql_database_lives_from_creation_to_tombstone(
    reach: InstanceServices, kind: str, request: pytest.FixtureRequest
) -> None:
    agent: Agent = request.getfixturevalue(kind)
    await agent.ready()
    await stock(agent_url=agent.url)
    buyer = await customer()
    made = await buyer.create(plan="mysql-medium")
    assert await instances.deliver(reach, made.id, timeout_seconds=SECONDS)
    seen = await buyer.see(made.id)
    old = await buyer.reveal(made.id)
    assert seen.status is Status.RUNNING
    assert await can_log_in(seen, old)
    await buyer.rotate(made.id)
    await buyer.suspend(made.id)
    assert await instances.deliver(reach, made.id, timeout_seconds=SECONDS)
    assert (await buyer.see(made.id)).status is Status.SUSPENDED
    assert not await can_log_in(seen, old)
    await buyer.resume(made.id)
    assert await instances.deliver(reach, made.id, timeout_seconds=SECONDS)
    assert not await can_log_in(seen, old)
    assert await can_log_in(seen, await buyer.reveal(made.id))
    await buyer.terminate(made.id)
    assert await instances.deliver(reach, made.id, timeout_seconds=SECONDS)
    assert (await buyer.see(made.id)).status is Status.TERMINATED
    assert await placed() == 0
    assert len(await segments(made.id)) == 2
