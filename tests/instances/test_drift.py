import asyncpg
import pytest

from entrypoints.embedded import PostgreSQLServer
from syneudp import catalog, instances
from syneudp.commands.hosts import inspection_lines
from syneudp.instances import Finding, InstanceServices
from syneudp.kernel import clock
from syneudp.kernel.database import execute, reading, value
from tests.instances.agents import Agent
from tests.instances.shop import customer, stock

pytestmark = pytest.mark.usefixtures("books")
SECONDS = 10.0


async def test_a_drift_that_persists_is_sent_again_each_time_and_told_once(
    reach: InstanceServices, agent: Agent, customers_engine: PostgreSQLServer
) -> None:
    await stock(agent_url=agent.url)
    buyer = await customer()
    made = await buyer.create()
    assert await instances.deliver(reach, made.id, timeout_seconds=SECONDS)
    await execute(reading(), "UPDATE instances SET last_event_at = created_at")
    [host] = [host for host in await catalog.hosts(reading()) if host.engine == "postgresql"]
    connection = (await buyer.see(made.id)).connection
    assert connection is not None
    superuser = await asyncpg.connect(customers_engine.superuser_url())
    now = await clock.now(reading())

    async def compare(after_seconds: int) -> int:
        with clock.frozen(now + after_seconds):
            found = await instances.compare_host(reach, host)
            assert await instances.deliver(reach, made.id, timeout_seconds=SECONDS)
        return found.sent_again

    async def drift() -> None:
        await superuser.execute(f'ALTER ROLE "{connection.username}" CONNECTION LIMIT 3')

    try:
        for number in range(1, 4):
            await drift()
            assert await compare(10 * number) == 1
            assert (await buyer.events(made.id)).count("drifted") == 1
            assert (await buyer.see(made.id)).generation == 1 + number
        assert await value(reading(), "SELECT difference FROM instances WHERE id = $1", made.id) == "drifted: limits"
        assert await compare(50) == 0
        assert await value(reading(), "SELECT difference FROM instances WHERE id = $1", made.id) is None
        await drift()
        inspection = await instances.inspect_host(reach.agents, host)
        assert [each.finding for each in inspection.differing if each.instance_id == made.id] == [Finding.DRIFTED]
        with clock.frozen(now + 60):
            assert await instances.repair_host(inspection) == 1
            assert await instances.repair_host(inspection) == 0
            assert await instances.deliver(reach, made.id, timeout_seconds=SECONDS)
        assert (await buyer.events(made.id)).count("drifted") == 2
    finally:
        await superuser.close()
    again = await instances.inspect_host(reach.agents, host)
    assert [each.finding for each in again.databases if each.instance_id == made.id] == [Finding.AGREES]
    await buyer.terminate(made.id)
    assert await instances.deliver(reach, made.id, timeout_seconds=SECONDS)


async def test_a_password_that_the_customer_changed_in_sql_is_shown_to_the_operator_and_left_to_work_until_a_rotation(
    reach: InstanceServices, agent: Agent, customers_engine: PostgreSQLServer
) -> None:
    await stock(agent_url=agent.url)
    buyer = await customer()
    made = await buyer.create()
    assert await instances.deliver(reach, made.id, timeout_seconds=SECONDS)
    await execute(reading(), "UPDATE instances SET last_event_at = created_at")
    [host] = [host for host in await catalog.hosts(reading()) if host.engine == "postgresql"]
    connection = (await buyer.see(made.id)).connection
    assert connection is not None
    url = customers_engine.url(user=connection.username, password="my own", database=connection.database)
    superuser = await asyncpg.connect(customers_engine.superuser_url())
    await superuser.execute(f"ALTER ROLE {connection.username} PASSWORD 'my own'")
    await superuser.close()
    now = await clock.now(reading())
    with clock.frozen(now + 10):
        assert (await instances.compare_host(reach, host)).sent_again == 0
    inspection = await instances.inspect_host(reach.agents, host)
    found = [each for each in inspection.databases if each.instance_id == made.id]
    assert [(each.finding, each.detail) for each in found] == [(Finding.PASSWORD_CHANGED, "verifier")]
    assert found[0] not in inspection.differing
    assert any("password changed in SQL" in line for line in inspection_lines(inspection))
    assert await instances.repair_host(inspection) == 0
    await buyer.suspend(made.id)
    assert await instances.deliver(reach, made.id, timeout_seconds=SECONDS)
    await buyer.resume(made.id)
    assert await instances.deliver(reach, made.id, timeout_seconds=SECONDS)
    await (await asyncpg.connect(url)).close()
    await buyer.rotate(made.id)
    assert await instances.deliver(reach, made.id, timeout_seconds=SECONDS)
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(url)
    again = await instances.inspect_host(reach.agents, host)
    assert [each.finding for each in again.databases if each.instance_id == made.id] == [Finding.AGREES]
    await buyer.terminate(made.id)
    assert await instances.deliver(reach, made.id, timeout_seconds=SECONDS)
