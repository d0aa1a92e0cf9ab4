import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiomysql
import pymysql
import pytest

from syneudp.engines.agent.errors import DatabaseMissingError
from syneudp.engines.agent.mysql import MySQLDriver
from syneudp.engines.agent.mysql.registry import lock_name
from syneudp.engines.contract import State
from tests.mysql_tenants import REFUSED, MySQLTenant, NewTenant, fetched, is_alive, tls_context

OTHER_PLUGIN = {"mysql": "mysql_native_password", "mariadb": "caching_sha2_password"}
ANSWER = "_process_auth"


@dataclass
class SlowLogin:
    """A login that stops before its last answer until it is told to go on."""

    tenant: MySQLTenant
    password: str
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    told: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> Any:
        return await aiomysql.connect(
            host=self.tenant.server.host,
            port=self.tenant.server.port,
            user=self.tenant.username,
            password=self.password,
            db=self.tenant.database,
            ssl=tls_context(self.tenant.server),
            auth_plugin=OTHER_PLUGIN[self.tenant.server.flavour],
            autocommit=True,
        )

    def slowed(self, answer: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def wait_and_answer(connection: Any, plugin: bytes, packet: Any) -> Any:
            if connection.user == self.tenant.username:
                self.reached.set()
                await self.told.wait()
            return await answer(connection, plugin, packet)

        return wait_and_answer


async def test_an_event_that_would_write_on_cannot_be_made(tenant: MySQLTenant) -> None:
    async with tenant.connected() as connection:
        await fetched(connection, "CREATE TABLE ticks (n INT)")
        with pytest.raises(REFUSED, match="1044"):
            await fetched(connection, "CREATE EVENT tick ON SCHEDULE EVERY 1 SECOND DO INSERT INTO ticks VALUES (1)")


async def test_a_session_inside_its_database_cannot_write_on(tenant: MySQLTenant) -> None:
    async with tenant.connected() as writing:
        await fetched(writing, "CREATE TABLE kept (n INT)")
        await fetched(writing, "START TRANSACTION")
        await fetched(writing, "INSERT INTO kept VALUES (1)")
        await fetched(writing, "SELECT GET_LOCK('mine', 1)")
        await tenant.want(State.SUSPENDED)
        assert not await is_alive(writing)
    await tenant.want(State.RUNNING)
    async with tenant.connected() as connection:
        assert await fetched(connection, "SELECT * FROM kept") == []


async def test_a_prepared_transaction_does_not_keep_a_database_from_its_end(new_tenant: NewTenant, root: Any) -> None:
    tenant = new_tenant()
    await tenant.want(State.RUNNING, may_create=True)
    async with tenant.connected() as connection:
        await fetched(connection, "CREATE TABLE held (n INT)")
        for statement in ("XA START 'it''s;',X'00ff'", "INSERT INTO held VALUES (1)"):
            await fetched(connection, statement)
        for statement in ("XA END 'it''s;',X'00ff'", "XA PREPARE 'it''s;',X'00ff'"):
            await fetched(connection, statement)
    await tenant.want(State.SUSPENDED)
    await asyncio.wait_for(tenant.want(State.TERMINATED), 20)
    assert await fetched(root, f"SHOW DATABASES LIKE '{tenant.database}'") == []
    assert await fetched(root, "XA RECOVER") == []


async def test_a_lock_name_that_a_tenant_can_guess_does_not_hold_its_suspend_up(
    tenant: MySQLTenant, driver: MySQLDriver
) -> None:
    guesses = [str(tenant.instance_id), f"syneudp:{tenant.instance_id}", lock_name(tenant.instance_id, "")]
    async with tenant.connected() as connection:
        for guess in guesses:
            await fetched(connection, f"SELECT GET_LOCK('{guess}', 1)")
        with pytest.raises(REFUSED, match="1142"):
            await fetched(connection, "SELECT salt FROM syneudpagent.lock_names")
        await asyncio.wait_for(tenant.want(State.SUSPENDED), 5)


async def test_a_lock_name_that_a_suspended_tenant_held_is_free_again(tenant: MySQLTenant, root: Any) -> None:
    async with tenant.connected() as connection:
        assert await fetched(connection, "SELECT GET_LOCK('held', 1)") == [(1,)]
        assert await fetched(root, "SELECT IS_FREE_LOCK('held')") == [(0,)]
        await tenant.want(State.SUSPENDED)
        assert await fetched(root, "SELECT IS_FREE_LOCK('held'), GET_LOCK('held', 0)") == [(1, 1)]
        await fetched(root, "SELECT RELEASE_LOCK('held')")


@pytest.mark.parametrize("state", [State.SUSPENDED, State.RUNNING], ids=["suspend", "rotation"])
async def test_a_login_begun_before_and_finished_after_gets_nothing(
    tenant: MySQLTenant, driver: MySQLDriver, monkeypatch: pytest.MonkeyPatch, state: State
) -> None:
    login = SlowLogin(tenant, tenant.password)
    monkeypatch.setattr(aiomysql.Connection, ANSWER, login.slowed(getattr(aiomysql.Connection, ANSWER)))
    task = asyncio.create_task(login.run())
    await asyncio.wait_for(login.reached.wait(), 5)
    if state is State.RUNNING:
        tenant.change_password()
    await asyncio.wait_for(tenant.want(state), 5)
    login.told.set()
    with pytest.raises((pymysql.err.MySQLError, OSError, EOFError)):
        await fetched(await task, "CREATE TABLE sneaked (n INT)")
    report = await driver.report(tenant.instance_id)
    assert report is not None
    assert (report.sessions, report.drift) == (0, [])


async def test_a_tenant_that_drops_its_database_to_make_it_again_is_locked_out_by_a_suspend(
    tenant: MySQLTenant,
) -> None:
    async with tenant.connected() as connection:
        await fetched(connection, f"DROP DATABASE {tenant.database}")
        await tenant.want(State.SUSPENDED)
        assert not await is_alive(connection)
    with pytest.raises(REFUSED, match="locked"):
        async with tenant.connected(database=""):
            pass
    assert await tenant.drift() == ["database_missing"]
    with pytest.raises(DatabaseMissingError):
        await tenant.want(State.RUNNING)
    with pytest.raises(REFUSED, match="locked"):
        async with tenant.connected(database=""):
            pass
    await tenant.want(State.TERMINATED)
    assert await tenant.drift() == []


@pytest.mark.parametrize(
    "kept", ["PREPARE later FROM 'INSERT INTO kept VALUES (2)'", "CREATE TEMPORARY TABLE t (n INT)"]
)
async def test_what_a_session_prepared_goes_with_it(tenant: MySQLTenant, kept: str) -> None:
    async with tenant.connected() as connection:
        await fetched(connection, "CREATE TABLE kept (n INT)")
        await fetched(connection, kept)
        await tenant.want(State.SUSPENDED)
        for statement in ("EXECUTE later", "INSERT INTO kept VALUES (3)", "INSERT INTO t VALUES (1)"):
            with pytest.raises((pymysql.err.MySQLError, OSError, EOFError)):
                await fetched(connection, statement)
    await tenant.want(State.RUNNING)
    async with tenant.connected() as connection:
        assert await fetched(connection, "SELECT * FROM kept") == []
