import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from syneudp.engines.agent.errors import DatabaseTerminatedError, GenerationStaleError
from syneudp.engines.agent.mysql import MySQLDriver, statements
from syneudp.engines.agent.spares import fill
from syneudp.engines.contract import Engine, State
from tests.engines.agent.killing import kill_an_agent_in_the_middle
from tests.engines.agent.mysql.cutting import cut_after
from tests.engines.agent.redoing import redo
from tests.mysql_tenants import REFUSED, MySQLTenant, NewTenant, connected, fetched, opened_driver

SPARES = "SELECT database_name, username, made FROM syneudpagent.databases WHERE instance_id IS NULL"
ORPHANED_USERS = (
    "SELECT User FROM mysql.user WHERE Host = '%' AND LENGTH(User) = 21 AND User LIKE 'u%'"
    " AND CONVERT(User USING ascii) COLLATE ascii_bin NOT IN (SELECT username FROM syneudpagent.databases)"
)
STATEMENTS_MAX = 60


@pytest.fixture
async def pool(driver: MySQLDriver) -> AsyncIterator[MySQLDriver]:
    await fill(driver, size=0)
    yield driver
    await fill(driver, size=0)
    assert await driver.count_spares() == 0


@pytest.fixture
async def other_agent(driver: MySQLDriver, engine_server: Any, admin_url: str) -> AsyncIterator[MySQLDriver]:
    del driver
    async with opened_driver(engine_server, admin_url) as other:
        yield other


async def created(tenant: MySQLTenant) -> bool:
    return (await tenant.want(State.RUNNING, may_create=True)).from_spare


async def assert_no_orphans(driver: MySQLDriver, root: Any) -> None:
    assert list(await driver.unknown_databases()) == []
    assert await fetched(root, ORPHANED_USERS) == []


async def test_a_spare_becomes_an_instance_that_its_customer_can_use(pool: MySQLDriver, new_tenant: NewTenant) -> None:
    await fill(pool, size=2)
    tenant = new_tenant()
    assert await created(tenant)
    async with tenant.connected() as connection:
        await fetched(connection, "CREATE TABLE kept (n INT)")
    assert await tenant.drift() == []
    assert await pool.count_spares() == 1
    await tenant.want(State.SUSPENDED)
    await tenant.want(State.TERMINATED)


async def test_without_spares_a_database_is_made_while_the_call_waits(
    driver: MySQLDriver, new_tenant: NewTenant
) -> None:
    tenant = new_tenant()
    assert not await created(tenant)
    async with tenant.connected():
        await tenant.want(State.TERMINATED)


async def test_a_spare_is_nobodys_and_nobody_gets_in(pool: MySQLDriver, root: Any) -> None:
    instances = await pool.count_instances()
    await fill(pool, size=1)
    [(database, username, _)] = await fetched(root, SPARES)
    assert await pool.count_instances() == instances
    assert database not in await pool.unknown_databases()
    assert all(report.database != database for report in await pool.reports(after=None, limit=1000))
    assert len(await pool.usage()) == instances
    assert list(await pool.pending()) == []
    [(verifier,)] = await fetched(root, f"SELECT authentication_string FROM mysql.user WHERE User = '{username}'")
    assert verifier


async def test_a_spares_account_is_locked(pool: MySQLDriver, root: Any, engine_server: Any) -> None:
    await fill(pool, size=1)
    [(_, username, _)] = await fetched(root, SPARES)
    await fetched(root, f"ALTER USER '{username}'@'%' IDENTIFIED BY 'guessed'")
    with pytest.raises(REFUSED, match="locked"):
        async with connected(engine_server, user=username, password="guessed"):
            pass


async def test_the_pool_grows_shrinks_and_mends_what_was_lost(pool: MySQLDriver, root: Any) -> None:
    await fill(pool, size=3)
    lost, stale, _ = [row[0] for row in await fetched(root, SPARES)]
    await fetched(root, f"DROP DATABASE {lost}")
    await fetched(root, f"UPDATE syneudpagent.databases SET made = 0 WHERE database_name = '{stale}'")
    await fill(pool, size=3)
    assert await pool.count_spares() == 3
    assert {lost, stale} <= {row[0] for row in await fetched(root, SPARES)}
    assert await fetched(root, f"SHOW DATABASES LIKE '{lost}'")
    await fill(pool, size=1)
    assert await pool.count_spares() == 1
    await assert_no_orphans(pool, root)


async def test_two_agents_racing_for_few_spares_give_each_to_one_instance(
    pool: MySQLDriver, other_agent: MySQLDriver, new_tenant: NewTenant, root: Any
) -> None:
    await fill(pool, size=12)
    tenants = [new_tenant() for _ in range(40)]
    for tenant in tenants[::2]:
        tenant.driver = other_agent
    from_spares = await asyncio.gather(*(created(tenant) for tenant in tenants), fill(other_agent, size=12))
    assert from_spares.count(True) >= 12
    assert len({tenant.database for tenant in tenants}) == 40
    for tenant in tenants:
        assert await tenant.drift() == []
        async with tenant.connected():
            pass
    await assert_no_orphans(pool, root)
    for tenant in tenants:
        await tenant.want(State.TERMINATED)


async def test_two_agents_filling_at_once_make_no_more_than_one_would(
    pool: MySQLDriver, other_agent: MySQLDriver, root: Any
) -> None:
    await asyncio.gather(fill(pool, size=3), fill(other_agent, size=3), fill(pool, size=3))
    assert len(await fetched(root, SPARES)) == 3
    async with other_agent.shelf() as held:
        assert held is not None
        async with pool.shelf() as refused:
            assert refused is None


@pytest.mark.parametrize("death", range(4))
async def test_an_agent_killed_while_it_fills_and_claims_leaves_nothing_half_done(
    pool: MySQLDriver, admin_url: str, root: Any, death: int
) -> None:
    del death
    await kill_an_agent_in_the_middle(Engine.MYSQL, admin_url=admin_url, endpoint=pool.endpoint)
    assert list(await redo(pool)) == []
    async with asyncio.timeout(20):
        while [row[2] for row in await fetched(root, SPARES)] != [1, 1]:
            await fill(pool, size=2)
    assert await pool.count_spares() == 2
    await assert_no_orphans(pool, root)
    assert all(report.drift == [] for report in await pool.reports(after=None, limit=1000))


async def test_a_claim_cut_off_anywhere_is_finished_by_the_next_start(
    pool: MySQLDriver, new_tenant: NewTenant, monkeypatch: pytest.MonkeyPatch, root: Any
) -> None:
    for statements_done in range(STATEMENTS_MAX):
        await fill(pool, size=1)
        tenant = new_tenant()
        creating = partial(tenant.want, State.RUNNING, generation=1, may_create=True)
        died = await dies_after(statements_done, creating, monkeypatch)
        assert list(await redo(pool)) == []
        assert (await creating()).from_spare == (statements_done == 0)
        assert await tenant.drift() == []
        async with tenant.connected():
            pass
        await assert_no_orphans(pool, root)
        await tenant.want(State.TERMINATED, generation=2)
        if not died:
            break
    assert not died


@pytest.mark.parametrize(("before", "after"), [(0, 2), (2, 0)], ids=["filling", "emptying"])
async def test_a_change_of_the_pool_cut_off_anywhere_is_finished_by_the_next(
    pool: MySQLDriver, monkeypatch: pytest.MonkeyPatch, root: Any, before: int, after: int
) -> None:
    for statements_done in range(STATEMENTS_MAX):
        await fill(pool, size=before)
        died = await dies_after(statements_done, partial(fill, pool, size=after), monkeypatch)
        async with asyncio.timeout(20):
            while [row[2] for row in await fetched(root, SPARES)] != [1] * after:
                await fill(pool, size=after)
        assert await pool.count_spares() == after
        await assert_no_orphans(pool, root)
        if not died:
            break
    assert not died


async def test_the_same_creation_at_once_and_again_takes_one_spare(pool: MySQLDriver, new_tenant: NewTenant) -> None:
    await fill(pool, size=3)
    tenant = new_tenant()
    sent = [tenant.want(State.RUNNING, generation=1, may_create=True) for _ in range(3)]
    outcomes = await asyncio.gather(*sent)
    assert sorted(outcome.from_spare for outcome in outcomes) == [False, False, True]
    assert len({outcome.applied.database for outcome in outcomes}) == 1
    assert await pool.count_spares() == 2
    await tenant.want(State.TERMINATED, generation=2)


async def test_a_termination_and_a_suspended_creation_take_no_spare(pool: MySQLDriver, new_tenant: NewTenant) -> None:
    await fill(pool, size=1)
    tenant, suspended = new_tenant(), new_tenant()
    await tenant.want(State.TERMINATED, generation=3)
    with pytest.raises(GenerationStaleError):
        await tenant.want(State.RUNNING, generation=1, may_create=True)
    with pytest.raises(DatabaseTerminatedError):
        await tenant.want(State.RUNNING, generation=4, may_create=True)
    await suspended.want(State.SUSPENDED, may_create=True)
    assert await pool.count_spares() == 1
    await suspended.want(State.TERMINATED)


async def dies_after(statements: int, work: Callable[[], Awaitable[object]], monkeypatch: pytest.MonkeyPatch) -> bool:
    """Do a piece of work whose session breaks after so many statements; tell whether it got that far."""
    with monkeypatch.context() as patched:
        cut = cut_after(patched, statements)
        try:
            await work()
        except Exception:
            if not cut.died:
                raise
            return True
    return False


async def test_a_spare_that_an_older_release_made_is_never_handed_out_and_is_made_anew(
    pool: MySQLDriver, new_tenant: NewTenant, root: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr(statements, "TENANT_PRIVILEGES", statements.TENANT_PRIVILEGES[:4])
        await fill(pool, size=2)
        assert await pool.count_spares() == 2
    outdated = {row[0] for row in await fetched(root, SPARES)}
    assert await pool.count_spares() == 0
    tenant = new_tenant()
    assert not await created(tenant)
    await fill(pool, size=2)
    assert await pool.count_spares() == 2
    assert outdated.isdisjoint({row[0] for row in await fetched(root, SPARES)})
    assert outdated.isdisjoint({row[0] for row in await fetched(root, "SHOW DATABASES")})
    await assert_no_orphans(pool, root)
    other = new_tenant()
    assert await created(other)
    assert await other.drift() == []
    for each in (tenant, other):
        await each.want(State.TERMINATED)


async def test_a_half_made_spare_of_an_older_release_is_dropped(pool: MySQLDriver, root: Any) -> None:
    await fill(pool, size=1)
    await fetched(root, "UPDATE syneudpagent.databases SET made = 0, shape = '' WHERE instance_id IS NULL")
    [(half_made, _, _)] = await fetched(root, SPARES)
    await fill(pool, size=1)
    [(remade, _, ready)] = await fetched(root, SPARES)
    assert remade != half_made
    assert ready == 1
    await assert_no_orphans(pool, root)
