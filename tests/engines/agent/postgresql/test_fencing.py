import asyncio
from dataclasses import replace

import asyncpg
import pytest

from syneudp.engines.agent.errors import (
    DatabaseMissingError,
    DatabaseTerminatedError,
    DatabaseUnknownError,
    EngineUnavailableError,
    GenerationConflictError,
    GenerationStaleError,
)
from syneudp.engines.agent.postgresql import PostgreSQLDriver
from syneudp.engines.contract import State
from tests.engines.agent.postgresql.tenants import Connection, NewTenant, Tenant
from tests.engines.agent.redoing import redo
from tests.engines.agent.stopping import intend


async def test_an_older_generation_is_refused_with_the_applied_state(tenant: Tenant) -> None:
    await tenant.want(State.SUSPENDED, generation=5)
    with pytest.raises(GenerationStaleError) as refused:
        await tenant.want(State.RUNNING, generation=4)
    applied = refused.value.extensions["applied"]
    assert isinstance(applied, dict)
    assert (applied["applied_generation"], applied["state"]) == (5, "suspended")
    tenant.generation = 5


async def test_an_equal_generation_is_carried_out_again(tenant: Tenant) -> None:
    superuser = await asyncpg.connect(tenant.server.superuser_url())
    await superuser.execute(f"ALTER ROLE {tenant.username} NOLOGIN CONNECTION LIMIT 1")
    await superuser.close()
    assert set((await tenant.report()).drift) == {"login_closed", "limits"}
    await tenant.want(State.RUNNING, generation=tenant.generation)
    assert (await tenant.report()).drift == []
    await (await tenant.connect()).close()


async def test_an_equal_generation_with_another_state_is_a_conflict(tenant: Tenant) -> None:
    with pytest.raises(GenerationConflictError):
        await tenant.want(State.SUSPENDED, generation=tenant.generation)
    tenant.change_password()
    with pytest.raises(GenerationConflictError):
        await tenant.want(State.RUNNING, generation=tenant.generation)


async def test_a_lost_rotation_followed_by_a_suspend_ends_with_the_new_password(tenant: Tenant) -> None:
    old = tenant.change_password()
    tenant.generation += 1
    await tenant.want(State.SUSPENDED)
    await tenant.want(State.RUNNING)
    with pytest.raises(asyncpg.InvalidPasswordError):
        await tenant.connect(password=old)
    await (await tenant.connect()).close()


async def test_a_late_create_cannot_raise_a_tombstone(new_tenant: NewTenant) -> None:
    tenant = new_tenant()
    await tenant.want(State.TERMINATED, generation=3)
    with pytest.raises(GenerationStaleError):
        await tenant.want(State.RUNNING, generation=1, may_create=True)
    with pytest.raises(DatabaseTerminatedError):
        await tenant.want(State.RUNNING, generation=4, may_create=True)
    report = await tenant.report()
    assert (report.state, report.applied_generation, report.drift) == (State.TERMINATED, 3, [])
    await tenant.want(State.TERMINATED, generation=9)
    assert (await tenant.report()).applied_generation == 9


async def test_only_a_create_makes_what_was_never_heard_of(new_tenant: NewTenant) -> None:
    tenant = new_tenant()
    with pytest.raises(DatabaseUnknownError):
        await tenant.want(State.RUNNING)
    assert await tenant.driver.report(tenant.instance_id) is None


@pytest.mark.parametrize("state", [State.RUNNING, State.SUSPENDED, State.TERMINATED])
async def test_what_was_accepted_and_not_applied_is_redone(new_tenant: NewTenant, state: State) -> None:
    tenant = new_tenant()
    await intend(tenant, state, 1)
    assert tenant.instance_id in {left.instance_id for left in await tenant.driver.pending()}
    assert await redo(tenant.driver) == []
    report = await tenant.report()
    assert (report.applied_generation, report.state, report.drift) == (1, state, [])
    await tenant.want(State.TERMINATED, generation=2)


async def test_a_redone_rotation_still_ends_the_sessions_of_the_old_password(tenant: Tenant) -> None:
    connection = await tenant.connect()
    tenant.change_password()
    await intend(tenant, State.RUNNING, 2)
    await redo(tenant.driver)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
        await connection.fetchval("SELECT 1")
    tenant.generation = 2


@pytest.mark.parametrize("done", ["role", "database", "closed", "invalid"])
async def test_a_create_takes_over_what_a_killed_one_left(new_tenant: NewTenant, done: str, admin: Connection) -> None:
    tenant = new_tenant()
    await intend(tenant, State.RUNNING, 1)
    await admin.execute(f"CREATE ROLE {tenant.username} NOLOGIN")
    if done != "role":
        await admin.execute(f"CREATE DATABASE {tenant.database} TEMPLATE template0 ALLOW_CONNECTIONS false")
    superuser = await asyncpg.connect(tenant.server.superuser_url())
    if done == "closed":
        await superuser.execute(f"REVOKE ALL ON DATABASE {tenant.database} FROM PUBLIC")
    if done == "invalid":
        await superuser.execute("UPDATE pg_database SET datconnlimit = -2 WHERE datname = $1", tenant.database)
    await superuser.close()
    await redo(tenant.driver)
    assert (await tenant.report()).drift == []
    await (await tenant.connect()).close()
    await tenant.want(State.TERMINATED, generation=2)


async def test_an_interrupted_drop_is_finished(tenant: Tenant) -> None:
    superuser = await asyncpg.connect(tenant.server.superuser_url())
    await superuser.execute("UPDATE pg_database SET datconnlimit = -2 WHERE datname = $1", tenant.database)
    await superuser.close()
    assert (await tenant.report()).drift == ["database_missing"]
    await tenant.want(State.TERMINATED)
    assert (await tenant.report()).drift == []


async def test_a_lost_database_is_told_and_never_made_again_empty(new_tenant: NewTenant, admin: Connection) -> None:
    tenant = new_tenant()
    await tenant.want(State.RUNNING, may_create=True)
    await admin.execute(f"DROP DATABASE {tenant.database}")
    assert (await tenant.report()).drift == ["database_missing"]
    with pytest.raises(DatabaseMissingError):
        await tenant.want(State.RUNNING, may_create=True)
    suspended = await tenant.want(State.SUSPENDED)
    assert suspended.applied.state is State.SUSPENDED
    assert (await tenant.report()).drift == ["database_missing"]
    assert not await admin.fetchval("SELECT true FROM pg_database WHERE datname = $1", tenant.database)
    await tenant.want(State.TERMINATED)
    assert (await tenant.report()).drift == []


async def test_one_instance_is_changed_by_one_call_at_a_time(tenant: Tenant, driver: PostgreSQLDriver) -> None:
    async with driver.claim(tenant.instance_id):
        waiting = asyncio.create_task(tenant.want(State.SUSPENDED))
        await asyncio.sleep(0.1)
        assert not waiting.done()
    assert (await waiting).applied.state is State.SUSPENDED


async def test_generations_sent_at_once_end_with_the_highest(tenant: Tenant) -> None:
    states = [State.SUSPENDED if number % 2 else State.RUNNING for number in range(2, 14)]
    sent = [tenant.want(state, generation=number) for number, state in enumerate(states, start=2)]
    outcomes = await asyncio.gather(*sent, return_exceptions=True)
    assert all(isinstance(outcome, GenerationStaleError) or not isinstance(outcome, Exception) for outcome in outcomes)
    report = await tenant.report()
    assert (report.applied_generation, report.state, report.drift) == (13, states[-1], [])
    tenant.generation = 13


async def test_a_claim_whose_row_moved_on_cannot_write(tenant: Tenant, driver: PostgreSQLDriver) -> None:
    async with driver.claim(tenant.instance_id) as claim:
        row = await claim.read()
        assert row is not None
        with pytest.raises(EngineUnavailableError):
            await claim.write(replace(row, accepted_generation=row.accepted_generation, applied_generation=0))


@pytest.mark.parametrize(
    ("tamper", "drift"),
    [
        ("GRANT CONNECT ON DATABASE {database} TO PUBLIC", "privileges"),
        ("REVOKE CREATE ON DATABASE {database} FROM {username}", "privileges"),
        ("ALTER DATABASE {database} OWNER TO {username}", "privileges"),
        ("ALTER ROLE {username} CREATEDB", "privileges"),
        ("GRANT pg_monitor TO {username}", "privileges"),
        ("ALTER ROLE {username} CONNECTION LIMIT 1000", "limits"),
        ("ALTER ROLE {username} RESET temp_file_limit", "limits"),
        ("ALTER ROLE {username} NOLOGIN", "login_closed"),
        ("ALTER DATABASE {database} ALLOW_CONNECTIONS false", "login_closed"),
    ],
)
async def test_drift_is_seen_by_effective_privilege(tenant: Tenant, tamper: str, drift: str) -> None:
    superuser = await asyncpg.connect(tenant.server.superuser_url())
    await superuser.execute(tamper.format(database=tenant.database, username=tenant.username))
    assert drift in (await tenant.report()).drift
    await superuser.execute(f"ALTER DATABASE {tenant.database} OWNER TO syneudp_agent")
    await superuser.close()
