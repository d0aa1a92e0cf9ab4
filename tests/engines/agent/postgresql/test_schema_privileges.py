import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from syneudp.engines.agent.driver import Drift
from syneudp.engines.agent.postgresql import PostgreSQLDriver
from syneudp.engines.contract import State
from tests.engines.agent.postgresql.tenants import Connection, NewTenant, Tenant

DRIFTED = [
    "GRANT USAGE ON SCHEMA public TO PUBLIC",
    "GRANT CREATE ON SCHEMA public TO PUBLIC",
    "GRANT ALL ON SCHEMA public TO {them}",
    "REVOKE CREATE ON SCHEMA public FROM {me}",
    "REVOKE ALL ON SCHEMA public FROM {me}",
    "GRANT USAGE ON SCHEMA public TO {me} WITH GRANT OPTION",
]
OPENED = ["GRANT CONNECT ON DATABASE {own} TO {them}", "GRANT CONNECT ON DATABASE {own} TO {me} WITH GRANT OPTION"]
PRIVILEGES = """
SELECT grantee::regrole::text, privilege_type, is_grantable
FROM pg_namespace, aclexplode(nspacl) WHERE nspname = 'public' AND grantee <> nspowner ORDER BY 2
"""


@pytest.fixture
async def other(new_tenant: NewTenant) -> AsyncIterator[Tenant]:
    other = new_tenant()
    await other.want(State.RUNNING, may_create=True)
    yield other
    await other.want(State.TERMINATED)


@pytest.fixture
async def superuser_inside(tenant: Tenant) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(tenant.server.superuser_url(), database=tenant.database)
    yield connection
    await connection.close()


async def listed(driver: PostgreSQLDriver, tenant: Tenant) -> list[str]:
    [drift] = [
        report.drift
        for report in await driver.reports(after=None, limit=1000)
        if report.instance_id == tenant.instance_id
    ]
    return drift


async def looked_at(driver: PostgreSQLDriver, tenant: Tenant) -> list[str]:
    """Let the agent look until it has seen every database, as its watch does."""
    for _ in range(await driver.count_instances() + 2):
        await driver.watch()
    return await listed(driver, tenant)


async def granted(inside: Connection) -> list[tuple[Any, ...]]:
    return [tuple(found) for found in await inside.fetch(PRIVILEGES)]


@pytest.mark.parametrize("statement", DRIFTED)
async def test_privileges_on_the_schema_that_drifted_are_seen_listed_and_repaired(
    tenant: Tenant, other: Tenant, driver: PostgreSQLDriver, superuser_inside: Connection, statement: str
) -> None:
    whole = [(tenant.username, "CREATE", False), (tenant.username, "USAGE", False)]
    assert (await granted(superuser_inside), await looked_at(driver, tenant)) == (whole, [])
    await superuser_inside.execute(statement.format(me=tenant.username, them=other.username))
    assert (await tenant.report()).drift == [Drift.PRIVILEGES]
    assert await looked_at(driver, tenant) == [Drift.PRIVILEGES]
    assert await looked_at(driver, other) == []
    await tenant.want(State.RUNNING, generation=tenant.generation)
    assert (await tenant.report()).drift == []
    assert await listed(driver, tenant) == []
    assert await granted(superuser_inside) == whole


@pytest.mark.parametrize("statement", OPENED)
async def test_a_database_that_was_opened_to_another_role_is_closed_again(
    tenant: Tenant, other: Tenant, superuser_inside: Connection, statement: str
) -> None:
    names = {"own": tenant.database, "me": tenant.username, "them": other.username}
    await superuser_inside.execute(statement.format(**names))
    assert (await tenant.report()).drift == [Drift.PRIVILEGES]
    await tenant.want(State.RUNNING, generation=tenant.generation)
    assert (await tenant.report()).drift == []


async def test_a_grant_option_that_was_used_is_taken_back_with_what_hangs_on_it(
    tenant: Tenant, other: Tenant, superuser_inside: Connection
) -> None:
    await superuser_inside.execute(f"GRANT ALL ON SCHEMA public TO {tenant.username} WITH GRANT OPTION")
    await superuser_inside.execute(
        f"GRANT CONNECT ON DATABASE {tenant.database} TO {tenant.username} WITH GRANT OPTION"
    )
    session = await tenant.connect()
    await session.execute(f"GRANT USAGE ON SCHEMA public TO {other.username}")
    await session.execute(f"GRANT CONNECT ON DATABASE {tenant.database} TO {other.username}")
    await session.close()
    await tenant.want(State.RUNNING, generation=tenant.generation)
    assert (await tenant.report()).drift == []


@pytest.mark.parametrize(
    "statement",
    [
        "DROP OWNED BY {me}",
        "GRANT ALL ON SCHEMA public TO PUBLIC",
        "GRANT ALL ON DATABASE {own} TO PUBLIC",
        "REVOKE ALL ON SCHEMA public FROM {me}",
        "REVOKE ALL ON DATABASE {own} FROM {me}",
    ],
)
async def test_a_tenant_cannot_make_its_own_privileges_drift(tenant: Tenant, statement: str) -> None:
    session = await tenant.connect()
    await session.execute(statement.format(me=tenant.username, own=tenant.database))
    assert (await tenant.report()).drift == []
    await session.execute("CREATE TABLE public.again (n integer)")
    await session.close()


async def test_a_database_that_lets_nobody_in_does_not_hold_the_look_up(
    tenant: Tenant, driver: PostgreSQLDriver, admin: Connection
) -> None:
    await admin.execute(f"ALTER DATABASE {tenant.database} ALLOW_CONNECTIONS false")
    async with asyncio.timeout(10):
        assert await looked_at(driver, tenant) == [Drift.LOGIN_CLOSED]
    await tenant.want(State.RUNNING, generation=tenant.generation)
    assert (await tenant.report()).drift == []
