import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import asyncpg
import pytest

from entrypoints.embedded import PostgreSQLServer, free_port
from entrypoints.operator_hosts import bytes_of
from syneudp import catalog, instances
from syneudp.catalog import DeclaredHost, HostRefusedError, HostState
from syneudp.engines.client import AgentClient
from syneudp.engines.contract import Engine
from syneudp.instances import InstanceServices
from syneudp.kernel.database import execute, reading, rows, transact
from tests.instances.agents import Agent, agent_of_postgresql, customers_postgresql
from tests.instances.shop import TOKEN, Customer, customer, services
from tests.servers import ROOT, ControlDatabase

GIB = 1 << 30
SECONDS = 10.0
STRAY = "dbstray" + "a" * 15


@pytest.fixture(scope="module")
def engine() -> Iterator[PostgreSQLServer]:
    with customers_postgresql() as server:
        yield server


@pytest.fixture(scope="module")
def one_agent(engine: PostgreSQLServer) -> Iterator[Agent]:
    with agent_of_postgresql(engine) as agent:
        yield agent


@pytest.fixture
async def agent(one_agent: Agent) -> Agent:
    await one_agent.ready()
    return one_agent


def command(
    control: ControlDatabase, *arguments: str, token: str = TOKEN, by: str = "ada"
) -> subprocess.CompletedProcess[str]:
    kept = {name: told for name, told in os.environ.items() if not name.startswith("SYNEUDP_")}
    told = {"SYNEUDP_DATABASE_URL": control.url, "SYNEUDP_AGENT_TOKEN": token, "SYNEUDP_OPERATOR": by}
    return subprocess.run(
        [sys.executable, "-m", "entrypoints", "hosts", *arguments],
        cwd=ROOT,
        env={**kept, **told},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def add(control: ControlDatabase, agent_url: str, *more: str, name: str = "one", **told: Any) -> Any:
    wanted = ["add", name, "--agent-url", agent_url, "--capacity", "9", "--reason", "growth", *more]
    if "--engine" not in more:
        wanted += ["--engine", "postgresql"]
    return command(control, *wanted, **told)


async def register(
    name: str, *, capacity: int = 9, size: int | None = None, agent_url: str = "http://127.0.0.1:9"
) -> None:
    told = DeclaredHost(
        name=name, engine=Engine.POSTGRESQL, agent_url=agent_url, capacity=capacity, capacity_bytes=size
    )
    await transact(lambda tx: catalog.register_hosts(tx, [told]))


async def trail() -> list[tuple[str, str, str, str]]:
    found = await rows(reading(), "SELECT actor, act, subject, reason FROM audit_events ORDER BY id")
    return [(each["actor"], each["act"], each["subject"], each["reason"]) for each in found]


async def test_a_host_is_added_listed_drained_closed_and_opened_with_a_trail(
    control: ControlDatabase, agent: Agent
) -> None:
    added = add(control, agent.url, "--capacity-bytes", "2GiB")
    assert added.returncode == 0, added.stderr
    assert added.stdout.startswith("The host one serves postgresql (postgresql 17")
    [host] = await catalog.hosts(reading())
    assert (host.state, host.capacity_instances, host.capacity_bytes) == (HostState.OPEN, 9, 2 * GIB)
    listed = command(control, "list").stdout.splitlines()
    assert listed[0].split() == ["NAME", "ENGINE", "VERSION", "STATE", "DATABASES", "STORAGE", "FREE", "REACHABLE"]
    assert "one" in listed[1]
    assert "0/9" in listed[1]
    assert "yes, asked" in listed[1]
    for verb, state in (("drain", "draining"), ("close", "closed"), ("open", "open")):
        done = command(control, verb, "one", "--reason", f"to {verb}")
        assert (done.returncode, f"is {state}" in done.stdout) == (0, True), done.stderr
    assert await trail() == [
        ("operator:ada", "operator", "host:one add", "growth"),
        ("operator:ada", "operator", "host:one drain", "to drain"),
        ("operator:ada", "operator", "host:one close", "to close"),
        ("operator:ada", "operator", "host:one open", "to open"),
    ]
    [told] = json.loads(command(control, "list", "--json").stdout)
    assert (told["name"], told["state"], told["free_percent"], told["reachable"]) == ("one", "open", 100, True)


async def test_a_host_whose_agent_does_not_answer_or_serve_is_refused_in_one_sentence(
    control: ControlDatabase, agent: Agent
) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    for refused, sentence in (
        (add(control, nowhere), "does not answer"),
        (add(control, agent.url, token="t" * 40), "does not answer, or refuses this platform's token"),
        (add(control, agent.url, "--engine", "mysql"), "serves postgresql, not mysql"),
        (add(control, f"{agent.url}/v1"), "without a path"),
        (add(control, agent.url, name="One"), "small letters"),
        (add(control, agent.url, "--capacity-bytes", "much"), "A size is a number"),
        (add(control, agent.url, "--reason", " "), "The reason is empty"),
    ):
        assert (refused.returncode, refused.stdout) == (1, "")
        assert sentence in refused.stderr
        assert len(refused.stderr.strip().splitlines()) == 1
        assert nowhere not in refused.stderr
    assert await catalog.hosts(reading()) == []
    assert await trail() == []


async def test_a_name_and_an_engine_stand_for_one_host(control: ControlDatabase, agent: Agent) -> None:
    assert add(control, agent.url).returncode == 0
    again = add(control, agent.url, name="two")
    assert (again.returncode, "The host one already stands" in again.stderr) == (1, True)
    await register("three")
    taken = add(control, agent.url, name="three")
    assert taken.returncode == 1
    assert len(await catalog.hosts(reading())) == 2


async def test_a_reason_is_asked_for(control: ControlDatabase) -> None:
    await register("one")
    refused = command(control, "drain", "one")
    assert refused.returncode == 2
    assert "--reason" in refused.stderr


async def test_every_fault_of_the_settings_is_told(control: ControlDatabase) -> None:
    refused = command(control, "inspect", "one", token="short")
    assert refused.returncode == 2
    assert "SYNEUDP_AGENT_TOKEN" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("state", "allowed"),
    [
        (HostState.OPEN, {"drain", "close"}),
        (HostState.DRAINING, {"close", "open"}),
        (HostState.CLOSED, {"open"}),
        (HostState.QUARANTINED, set()),
    ],
)
async def test_only_the_transitions_that_make_sense_are_made(
    control: ControlDatabase, state: HostState, allowed: set[str]
) -> None:
    verbs = {"drain": catalog.drain_host, "close": catalog.close_host, "open": catalog.open_host}
    for name, verb in verbs.items():
        await register(f"host-{name}")
        await execute(reading(), "UPDATE hosts SET state = $1 WHERE name = $2", state.value, f"host-{name}")
        if name in allowed:
            assert (await transact(partial(verb, name=f"host-{name}"))).state is not state
        else:
            with pytest.raises(HostRefusedError, match=state.value):
                await transact(partial(verb, name=f"host-{name}"))
        with pytest.raises(HostRefusedError, match="no host of that name"):
            await transact(partial(verb, name="nobody"))


async def test_a_host_with_databases_is_drained_and_closed_only_once_it_is_empty(control: ControlDatabase) -> None:
    await register("one")
    place = await transact(lambda tx: catalog.place(tx, engine=Engine.POSTGRESQL, storage_bytes=GIB))
    await transact(lambda tx: catalog.drain_host(tx, "one"))
    with pytest.raises(HostRefusedError, match="1 database is still placed"):
        await transact(lambda tx: catalog.close_host(tx, "one"))
    await transact(lambda tx: catalog.release(tx, host_id=place.id, storage_bytes=GIB))
    assert (await transact(lambda tx: catalog.close_host(tx, "one"))).state is HostState.CLOSED


async def test_a_quarantined_host_is_opened_by_releasing_it(control: ControlDatabase) -> None:
    await register("one")
    [host] = await catalog.hosts(reading())
    await transact(lambda tx: catalog.begin_quarantine(tx, host_id=host.id, now=1, reason="restored"))
    opened = command(control, "open", "one", "--reason", "checked by hand")
    assert (opened.returncode, "is open" in opened.stdout) == (0, True), opened.stderr
    assert await catalog.quarantine_of(reading(), host.id) is None


async def test_a_share_counts_places_and_bytes_and_shows_the_lesser(control: ControlDatabase) -> None:
    await register("one", capacity=4, size=10 * GIB)
    await transact(lambda tx: catalog.place(tx, engine=Engine.POSTGRESQL, storage_bytes=9 * GIB))
    [host] = await catalog.hosts(reading())
    assert host.free_percent == 10
    listed = command(control, "list").stdout
    assert "1/4" in listed
    assert "9/10 GiB" in listed
    assert "not asked yet" in listed


def test_sizes_are_read_in_binary_units() -> None:
    assert [bytes_of(text) for text in ("7", "1KiB", "2 MiB", "500GiB")] == [7, 1024, 2 << 20, 500 << 30]
    for text in ("", "-1", "1.5GiB", "1GB", "GiB"):
        with pytest.raises(HostRefusedError):
            bytes_of(text)


async def deliver(reach: InstanceServices, buyer: Customer, *names: str) -> list[Any]:
    made = [(await buyer.create(name, plan="postgresql-small")).id for name in names]
    for each in made:
        assert await instances.deliver(reach, each, timeout_seconds=SECONDS)
    return made


async def test_an_inspection_tells_what_differs_both_ways_changes_nothing_and_repairs_on_demand(
    control: ControlDatabase, agent: Agent, engine: PostgreSQLServer
) -> None:
    await transact(lambda tx: instances.seed_plans(tx, currency="EUR"))
    await register("one", agent_url=agent.url)
    buyer = await customer()
    async with AgentClient(TOKEN) as agents:
        reach = services(agents)
        same, drifted, foreign, lost = await deliver(reach, buyer, "same", "drifted", "foreign", "lost")
        await execute(reading(), "UPDATE instances SET last_event_at = created_at")
        await register("elsewhere")
        await execute(
            reading(),
            "UPDATE instances SET host_id = (SELECT id FROM hosts WHERE name = 'elsewhere') WHERE id = $1",
            foreign,
        )
        username = (await buyer.see(drifted)).connection
        assert username is not None
        await engine_says(engine, f'ALTER ROLE "{username.username}" CONNECTION LIMIT 3')
        await engine_says(engine, f"CREATE DATABASE {STRAY}")
        inspected = command(control, "inspect", "one", "--json")
        assert inspected.returncode == 1, inspected.stderr
        told = {each["instance_id"] or each["database"]: each for each in json.loads(inspected.stdout)["databases"]}
        assert told[str(same)]["finding"] == "agrees"
        assert told[str(lost)]["finding"] == "agrees"
        assert (told[str(drifted)]["finding"], told[str(drifted)]["detail"]) == ("drifted", "limits")
        assert (told[str(foreign)]["finding"], told[str(foreign)]["wanted"]) == ("unknown_instance", None)
        assert told[STRAY]["finding"] == "unknown_database"
        assert (told[str(same)]["wanted_generation"], told[str(same)]["applied_generation"]) == (1, 1)
        assert await instances.count_pending(reading()) == 0
        table = command(control, "inspect", "one")
        assert "2 agree, 0 are on their way, 3 differ." in table.stdout
        assert "unknown to both" in table.stdout
        assert command(control, "inspect", "one", "--repair").returncode == 1
        repaired = command(control, "inspect", "one", "--repair", "--reason", "drift of today")
        assert "1 sent again" in repaired.stdout
        assert ("operator:ada", "operator", "host:one repair", "drift of today") in await trail()
        assert await buyer.events(drifted) == ["created", "ready", "drifted"]
        assert await instances.deliver(reach, drifted, timeout_seconds=SECONDS)
        after = json.loads(command(control, "inspect", "one", "--json").stdout)
        assert {each["finding"] for each in after["databases"]} >= {"agrees", "unknown_database", "unknown_instance"}
        assert "drifted" not in {each["finding"] for each in after["databases"]}
        assert await engine_says(engine, f"SELECT count(*) FROM pg_database WHERE datname = '{STRAY}'") == 1
        await engine_says(engine, f"DROP DATABASE {STRAY}")


async def test_a_host_that_does_not_answer_is_not_inspected(control: ControlDatabase) -> None:
    await register("one", agent_url=f"http://127.0.0.1:{free_port()}")
    for name, sentence in (("one", "does not answer"), ("two", "no host of that name")):
        refused = command(control, "inspect", name)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert sentence in refused.stderr


async def engine_says(engine: PostgreSQLServer, statement: str) -> Any:
    connection = await asyncpg.connect(engine.superuser_url())
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()
