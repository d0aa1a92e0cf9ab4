import ssl
from collections.abc import Iterator
from uuid import UUID

import aiomysql
import asyncpg
import pymysql
import pytest

from entrypoints.embedded import MySQLFamilyServer
from syneudp import catalog, instances
from syneudp.billing.sample_usage import measure_host
from syneudp.engines.contract import Engine
from syneudp.instances import InstanceServices, InstanceView, Rung, Status, StorageFullError
from syneudp.kernel import clock
from syneudp.kernel.database import execute, reading, value
from tests.instances.agents import Agent, agent_of_mysql
from tests.instances.shop import Customer, customer, segments, stock

pytestmark = pytest.mark.usefixtures("books")
SECONDS = 20.0


@pytest.fixture(scope="session")
def mysql_agent(mysql_server: MySQLFamilyServer) -> Iterator[Agent]:
    with agent_of_mysql(mysql_server) as agent:
        yield agent


@pytest.fixture(scope="session")
def mariadb_agent(mariadb_server: MySQLFamilyServer) -> Iterator[Agent]:
    with agent_of_mysql(mariadb_server) as agent:
        yield agent


async def measure(reach: InstanceServices, engine: Engine) -> int:
    host_id = await value(reading(), "SELECT id FROM hosts WHERE engine = $1", engine.value)
    return await measure_host(reach, await catalog.host(reading(), host_id))


async def limit(instance_id: UUID, limit_bytes: int) -> None:
    await execute(reading(), "UPDATE instances SET storage_limit_bytes = $2 WHERE id = $1", instance_id, limit_bytes)


async def let_the_grace_end(instance_id: UUID) -> None:
    await execute(reading(), "UPDATE instances SET storage_curb_at = 0 WHERE id = $1", instance_id)


async def ladder_events(buyer: Customer, instance_id: UUID) -> list[str]:
    return [kind for kind in await buyer.events(instance_id) if kind.startswith("storage_")]


async def settle(reach: InstanceServices, buyer: Customer, instance_id: UUID) -> InstanceView:
    assert await instances.deliver(reach, instance_id, timeout_seconds=SECONDS)
    return await buyer.see(instance_id)


async def log_in(seen: InstanceView, password: str) -> asyncpg.Connection:
    assert seen.connection is not None
    return await asyncpg.connect(
        host=seen.connection.host,
        port=seen.connection.port,
        user=seen.connection.username,
        password=password,
        database=seen.connection.database,
        ssl="require",
    )


async def test_a_full_postgresql_database_is_warned_suspended_and_comes_back(
    reach: InstanceServices, agent: Agent
) -> None:
    await stock(agent_url=agent.url)
    buyer = await customer()
    made = await buyer.create()
    seen = await settle(reach, buyer, made.id)
    password = await buyer.reveal(made.id)
    assert await measure(reach, Engine.POSTGRESQL) == 0
    used = (await buyer.see(made.id)).storage_bytes
    await limit(made.id, used * 100 // 85)
    assert await measure(reach, Engine.POSTGRESQL) == 0
    assert (await buyer.see(made.id)).ladder.rung is Rung.NEAR
    await limit(made.id, used)
    before = await clock.now(reading())
    assert await measure(reach, Engine.POSTGRESQL) == 0
    warned = await buyer.see(made.id)
    assert (warned.status, warned.ladder.rung, warned.generation) == (Status.RUNNING, Rung.FULL, 1)
    assert warned.ladder.curb_at is not None
    assert 600 <= warned.ladder.curb_at - before <= 630
    await let_the_grace_end(made.id)
    assert await measure(reach, Engine.POSTGRESQL) == 1
    held = await settle(reach, buyer, made.id)
    assert (held.status, held.holds) == (Status.SUSPENDED, ("storage",))
    assert [each["until_at"] is not None for each in await segments(made.id)] == [True]
    with pytest.raises(asyncpg.PostgresError):
        await log_in(seen, password)
    assert await measure(reach, Engine.POSTGRESQL) == 0

    await buyer.resume(made.id)
    roomy = await settle(reach, buyer, made.id)
    assert (roomy.status, roomy.ladder.curbed) == (Status.RUNNING, False)
    await (await log_in(seen, password)).close()
    assert await measure(reach, Engine.POSTGRESQL) == 0
    await let_the_grace_end(made.id)
    assert await measure(reach, Engine.POSTGRESQL) == 1
    assert (await settle(reach, buyer, made.id)).holds == ("storage",)
    with pytest.raises(StorageFullError, match="The next hour can begin at"):
        await buyer.resume(made.id)

    await limit(made.id, made.storage_limit_bytes)
    assert await measure(reach, Engine.POSTGRESQL) == 1
    back = await settle(reach, buyer, made.id)
    assert (back.status, back.holds, back.ladder.rung) == (Status.RUNNING, (), Rung.CLEAR)
    await (await log_in(seen, password)).close()
    assert await ladder_events(buyer, made.id) == [
        "storage_near",
        "storage_full",
        "storage_curbed",
        "storage_room",
        "storage_curbed",
        "storage_freed",
    ]
    assert [each["until_at"] is None for each in await segments(made.id)] == [False, False, True]
    await buyer.terminate(made.id)


async def run(seen: InstanceView, password: str, *statements: str) -> None:
    assert seen.connection is not None
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = await aiomysql.connect(
        host=seen.connection.host,
        port=seen.connection.port,
        user=seen.connection.username,
        password=password,
        db=seen.connection.database,
        ssl=context if seen.connection.tls else None,
        autocommit=True,
    )
    try:
        async with connection.cursor() as cursor:
            for statement in statements:
                await cursor.execute(statement)
    finally:
        connection.close()


@pytest.mark.parametrize("kind", ["mysql_agent", "mariadb_agent"])
async def test_a_full_mysql_database_refuses_what_adds_until_it_has_shrunk(
    reach: InstanceServices, kind: str, request: pytest.FixtureRequest
) -> None:
    agent: Agent = request.getfixturevalue(kind)
    await agent.ready()
    await stock(agent_url=agent.url)
    buyer = await customer()
    made = await buyer.create(plan="mysql-medium")
    seen = await settle(reach, buyer, made.id)
    password = await buyer.reveal(made.id)
    insert = "INSERT INTO big (filling) VALUES (REPEAT('x', 8000))"
    doubled = "INSERT INTO big (filling) SELECT filling FROM big"
    columns = "(id INT AUTO_INCREMENT PRIMARY KEY, filling TEXT)"
    await run(seen, password, f"CREATE TABLE big {columns}", f"CREATE TABLE small {columns}", insert, *[doubled] * 8)
    await measure(reach, Engine.MYSQL)
    used = (await buyer.see(made.id)).storage_bytes
    assert used > 1_000_000
    await limit(made.id, used)
    assert await measure(reach, Engine.MYSQL) == 1
    full = await settle(reach, buyer, made.id)
    assert (full.status, full.limits.may_grow, full.ladder.curbed, full.holds) == (Status.RUNNING, False, True, ())
    assert len(await segments(made.id)) == 1
    for statement in (insert, "CREATE TABLE more (id INT PRIMARY KEY)", "UPDATE big SET filling = 'x'"):
        with pytest.raises(pymysql.MySQLError):
            await run(seen, password, statement)
    await run(seen, password, "SELECT count(*) FROM big", "DELETE FROM big WHERE id < 10")
    assert await measure(reach, Engine.MYSQL) == 0

    await buyer.resume(made.id)
    roomy = await settle(reach, buyer, made.id)
    assert (roomy.limits.may_grow, roomy.ladder.curbed) == (True, False)
    await run(seen, password, insert)
    await let_the_grace_end(made.id)
    assert await measure(reach, Engine.MYSQL) == 1
    assert not (await settle(reach, buyer, made.id)).limits.may_grow
    with pytest.raises(StorageFullError):
        await buyer.resume(made.id)

    await run(seen, password, "DROP TABLE big")
    assert await measure(reach, Engine.MYSQL) == 1
    freed = await settle(reach, buyer, made.id)
    assert (freed.limits.may_grow, freed.ladder.rung) == (True, Rung.CLEAR)
    await run(seen, password, insert.replace("big", "small"))
    assert await ladder_events(buyer, made.id) == [
        "storage_full",
        "storage_curbed",
        "storage_room",
        "storage_curbed",
        "storage_freed",
    ]
    assert len(await segments(made.id)) == 1
    await limit(made.id, made.storage_limit_bytes)
    await buyer.terminate(made.id)
