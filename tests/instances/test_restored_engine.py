import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from entrypoints.embedded import MariaDBServer, MySQLFamilyServer, PostgreSQLServer
from syneudp import catalog, instances
from syneudp.catalog import CapacityExhaustedError, HostState, HostView
from syneudp.commands.ledger_audit import audit_books
from syneudp.engines.contract import Engine, State
from syneudp.instances import Found, Hold, InstanceServices, InstanceView, Status
from syneudp.kernel import clock
from syneudp.kernel.database import execute, reading, transact
from tests.instances.agents import Agent, agent_of_mysql, agent_of_postgresql
from tests.instances.shop import Customer, customer, segments, stock
from tests.servers import running_mysql, running_postgresql

pytestmark = pytest.mark.usefixtures("books")
SECONDS = 15.0
WHOLE_SECOND = 1.05
DURABLE = {"innodb-flush-log-at-trx-commit": "1", "innodb-flush-method": "fsync"}
Server = PostgreSQLServer | MySQLFamilyServer


@dataclass
class Place:
    """One host whose engine can be backed up and restored, data folder and all."""

    engine: Engine
    server: Server
    agent: Agent

    @property
    def plan(self) -> str:
        return f"{self.engine.value}-small"

    async def host(self) -> HostView:
        [host] = [host for host in await catalog.hosts(reading()) if host.engine is self.engine]
        return host

    def back_up(self, folder: Path) -> None:
        with self._stopped() as data:
            shutil.rmtree(folder, ignore_errors=True)
            _copy(data, folder)

    def restore(self, folder: Path) -> None:
        with self._stopped() as data:
            shutil.rmtree(data)
            _copy(folder, data)

    @contextmanager
    def _stopped(self) -> Iterator[Path]:
        self.server.stop()
        yield self.server._home() / "data"
        self.server.start()


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, symlinks=True)
    for path in (source, *source.rglob("*")):
        told = path.lstat()
        shutil.chown(target / path.relative_to(source), told.st_uid, told.st_gid)


@pytest.fixture(scope="module", params=["postgresql", "mysql"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    if request.param == "postgresql":
        with running_postgresql() as server, agent_of_postgresql(server) as agent:
            yield Place(Engine.POSTGRESQL, server, agent)
    else:
        with running_mysql(MariaDBServer, settings=DURABLE) as maria, agent_of_mysql(maria) as agent:
            yield Place(Engine.MYSQL, maria, agent)


@pytest.fixture
async def buyer(place: Place) -> Customer:
    await place.agent.ready()
    await stock(agent_url=place.agent.url, engines=(place.engine,))
    return await customer()


async def made(place: Place, buyer: Customer, reach: InstanceServices, *names: str) -> list[InstanceView]:
    found = [await buyer.create(name, plan=place.plan) for name in names]
    for each in found:
        assert await instances.deliver(reach, each.id, timeout_seconds=SECONDS)
    return found


async def settled() -> None:
    await execute(reading(), "UPDATE instances SET last_event_at = created_at")
    await asyncio.sleep(WHOLE_SECOND)


async def deliver_all(reach: InstanceServices) -> None:
    for pending in await instances.pending_deliveries(reading(), await clock.now(reading()), 100):
        await instances.deliver(reach, pending.instance_id, timeout_seconds=SECONDS)


async def states(place: Place, reach: InstanceServices) -> dict[str, State]:
    reports = await reach.agents.reports(agent_url=place.agent.url, engine=place.engine)
    assert [report.drift for report in reports.items if report.drift] == []
    return {str(report.instance_id): report.state for report in reports.items}


async def test_an_engine_restored_from_an_older_backup_is_quarantined_and_brought_back(
    place: Place, buyer: Customer, reach: InstanceServices, tmp_path: Path
) -> None:
    same, stopped, turned, ended = await made(place, buyer, reach, "same", "stopped", "turned", "ended")
    place.back_up(tmp_path / "backup")
    await place.agent.ready()
    await buyer.suspend(stopped.id)
    await buyer.rotate(turned.id)
    await buyer.terminate(ended.id)
    for each in (stopped, turned, ended):
        assert await instances.deliver(reach, each.id, timeout_seconds=SECONDS)
    [late, gone] = await made(place, buyer, reach, "late", "gone")
    place.restore(tmp_path / "backup")
    await place.agent.ready()
    await settled()
    assert (await states(place, reach))[str(ended.id)] is State.RUNNING

    found = await instances.compare_host(reach, await place.host())
    assert (found.behind, found.missing, found.unseen) == (3, 2, 0), found
    host = await place.host()
    assert host.state is HostState.QUARANTINED
    told = await catalog.quarantine_of(reading(), host.id)
    assert told is not None
    assert told.state_before is HostState.OPEN
    listed = {view.instance_id: view.found for view in await instances.recoveries_of(reading(), host.id)}
    assert listed == {
        same.id: Found.SAME,
        stopped.id: Found.BEHIND,
        turned.id: Found.BEHIND,
        ended.id: Found.BACK,
        late.id: Found.MISSING,
        gone.id: Found.MISSING,
    }
    with pytest.raises(CapacityExhaustedError):
        await buyer.create("refused", plan=place.plan)
    assert (await buyer.see(late.id)).holds == (Hold.OPERATOR,)
    assert [segment["until_at"] is None for segment in await segments(late.id)] == [False]
    assert (await buyer.events(late.id)).count("missing") == 1

    await deliver_all(reach)
    now_there = await states(place, reach)
    assert [now_there[str(each.id)] for each in (same, stopped, turned, ended)] == [
        State.RUNNING,
        State.SUSPENDED,
        State.RUNNING,
        State.TERMINATED,
    ]
    assert (await buyer.see(turned.id)).status is Status.RUNNING
    assert not (await buyer.see(turned.id)).rotation_pending
    with clock.frozen(await clock.now(reading()) + 5):
        assert (await instances.compare_host(reach, host)).missing == 0
        assert (await place.host()).state is HostState.QUARANTINED
        await buyer.terminate(gone.id)
        assert await instances.deliver(reach, gone.id, timeout_seconds=SECONDS)
    waiting = await instances.recoveries_of(reading(), host.id, missing_only=True)
    assert {view.instance_id: view.settled for view in waiting} == {late.id: False, gone.id: True}
    assert await transact(partial(instances.release_host, host_id=host.id, operator="ada")) == 1
    assert (await place.host()).state is HostState.OPEN
    with clock.frozen(await clock.now(reading()) + 10):
        again = await instances.compare_host(reach, await place.host())
        assert again.is_clean
        assert (await place.host()).state is HostState.OPEN
        [after] = await made(place, buyer, reach, "after")
        for each in (same, stopped, turned, late, after):
            await buyer.terminate(each.id)
            assert await instances.deliver(reach, each.id, timeout_seconds=SECONDS)


async def test_a_restored_host_with_nothing_missing_leaves_quarantine_by_itself(
    place: Place, buyer: Customer, reach: InstanceServices, tmp_path: Path
) -> None:
    [paused] = await made(place, buyer, reach, "paused")
    place.back_up(tmp_path / "backup")
    await place.agent.ready()
    await buyer.suspend(paused.id)
    assert await instances.deliver(reach, paused.id, timeout_seconds=SECONDS)
    place.restore(tmp_path / "backup")
    await place.agent.ready()
    await settled()
    asked = await reach.agents.reports(agent_url=place.agent.url, engine=place.engine)
    found = await instances.compare_host(reach, await place.host())
    assert (found.behind, found.missing, found.unseen) == (1, 0, 0), (asked.items, await buyer.see(paused.id))
    with clock.frozen(await clock.now(reading()) + 5):
        await instances.compare_host(reach, await place.host())
        assert (await place.host()).state is HostState.QUARANTINED
        await deliver_all(reach)
    with clock.frozen(await clock.now(reading()) + 10):
        await instances.compare_host(reach, await place.host())
        assert (await place.host()).state is HostState.OPEN
        assert await instances.recoveries_of(reading(), (await place.host()).id) == []
        await buyer.terminate(paused.id)
        assert await instances.deliver(reach, paused.id, timeout_seconds=SECONDS)


async def test_a_lost_database_that_is_found_again_runs_and_is_charged_again(
    place: Place, buyer: Customer, reach: InstanceServices, tmp_path: Path
) -> None:
    place.back_up(tmp_path / "older")
    await place.agent.ready()
    [kept, shelved] = await made(place, buyer, reach, "kept", "shelved")
    await buyer.suspend(shelved.id)
    assert await instances.deliver(reach, shelved.id, timeout_seconds=SECONDS)
    place.back_up(tmp_path / "newer")
    place.restore(tmp_path / "older")
    await place.agent.ready()
    await settled()
    assert (await instances.compare_host(reach, await place.host())).missing == 2
    await deliver_all(reach)
    place.restore(tmp_path / "newer")
    await place.agent.ready()
    with clock.frozen(await clock.now(reading()) + 5):
        assert (await instances.compare_host(reach, await place.host())).sent_again == 2
        assert await instances.deliver(reach, kept.id, timeout_seconds=SECONDS)
        seen = await buyer.see(kept.id)
        assert (seen.status, seen.holds) == (Status.RUNNING, ())
        assert [segment["until_at"] is None for segment in await segments(kept.id)] == [False, True]
        assert await instances.deliver(reach, shelved.id, timeout_seconds=SECONDS)
        assert (await buyer.see(shelved.id)).holds == (Hold.OWNER,)
        assert await audit_books() == []
    with clock.frozen(await clock.now(reading()) + 10):
        await instances.compare_host(reach, await place.host())
        assert (await place.host()).state is HostState.OPEN
        assert "found_again" in await buyer.events(kept.id)
        for each in (kept, shelved):
            await buyer.terminate(each.id)
            assert await instances.deliver(reach, each.id, timeout_seconds=SECONDS)


async def test_an_operator_who_drains_a_quarantined_host_keeps_it_drained(control: object) -> None:
    await stock(engines=(Engine.POSTGRESQL,))
    [host] = await catalog.hosts(reading())
    now = await clock.now(reading())
    assert await transact(partial(catalog.begin_quarantine, host_id=host.id, now=now, reason="a backup"))
    assert not await transact(partial(catalog.begin_quarantine, host_id=host.id, now=now, reason="again"))
    await execute(reading(), "UPDATE hosts SET state = 'draining' WHERE id = $1", host.id)
    assert await transact(partial(catalog.end_quarantine, host_id=host.id, now=now, by="comparison"))
    assert not await transact(partial(catalog.end_quarantine, host_id=host.id, now=now, by="comparison"))
    assert (await catalog.host(reading(), host.id)).state is HostState.DRAINING
