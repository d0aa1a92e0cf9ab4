import asyncio
from uuid import uuid4

import asyncpg
import pytest

from syneudp import catalog
from syneudp.catalog import (
    CapacityExhaustedError,
    CatalogSettings,
    DeclaredHost,
    HostDeclarationError,
    HostState,
    HostUnknownError,
    HostView,
    UnknownPlanError,
)
from syneudp.engines.contract import Engine
from syneudp.kernel.database import Connection, execute, reading, transact, value
from syneudp.kernel.settings import SettingsInvalidError, load_settings
from tests.servers import ControlDatabase

GIB = 1 << 30
NOW = 1_800_000_000
NEXT_YEARS = 2_520_000_000


async def seed() -> int:
    return await transact(lambda tx: catalog.seed(tx, currency="EUR"))


async def register(*declared: DeclaredHost) -> None:
    await transact(lambda tx: catalog.register_hosts(tx, list(declared)))


def declared(name: str, capacity: int, *, engine: Engine = Engine.POSTGRESQL, size: int | None = None) -> DeclaredHost:
    return DeclaredHost(
        name=name, engine=engine, agent_url="http://127.0.0.1:8100", capacity=capacity, capacity_bytes=size
    )


async def place(*, engine: Engine = Engine.POSTGRESQL, size: int = GIB) -> HostView:
    return await transact(lambda tx: catalog.place(tx, engine=engine, storage_bytes=size))


async def test_three_plans_an_engine_are_seeded_once(control: ControlDatabase) -> None:
    assert await seed() == 6
    assert await seed() == 0
    plans = await catalog.plans(reading(), NOW)
    assert [plan.slug for plan in plans] == [
        f"{engine}-{size}" for engine in ("postgresql", "mysql") for size in ("small", "medium", "large")
    ]
    assert [plan.max_connections for plan in plans[:3]] == [20, 60, 150]
    assert [plan.storage_limit_bytes for plan in plans[:3]] == [GIB, 10 * GIB, 50 * GIB]
    assert [plan.statement_seconds for plan in plans[:3]] == [300, 900, 3_600]
    assert [plan.idle_transaction_seconds for plan in plans[:3]] == [300, 600, 900]
    assert [plan.memory_bytes >> 20 for plan in plans[:3]] == [16, 64, 256]
    assert [round(plan.price_micros_per_hour * 720 / 10**6, 1) for plan in plans[:3]] == [5.0, 15.0, 45.0]
    assert {(plan.currency, plan.storage_price_micros_per_gib_hour) for plan in plans} == {("EUR", 137)}


async def test_seeding_at_once_and_again_changes_nothing_an_operator_set(control: ControlDatabase) -> None:
    await asyncio.gather(*(seed() for _ in range(4)))
    plan = await catalog.plan_by_slug(reading(), "mysql-small", NOW)
    await transact(lambda tx: execute(tx, "UPDATE plans SET name = 'Tiny' WHERE id = $1", plan.id))
    await seed()
    assert (await catalog.plan_by_slug(reading(), "mysql-small", NOW)).name == "Tiny"
    assert await value(reading(), "SELECT count(*) FROM plan_prices") == 6


async def test_a_price_version_holds_from_its_beginning(control: ControlDatabase) -> None:
    await seed()
    plan = await catalog.plan_by_slug(reading(), "postgresql-small", NOW)

    async def raise_price(tx: Connection) -> None:
        await execute(tx, "INSERT INTO plan_prices VALUES ($1, $2, $3, 'EUR', 9000, 0)", uuid4(), plan.id, NEXT_YEARS)

    await transact(raise_price)
    begins_at = NEXT_YEARS
    before = await catalog.plan_by_slug(reading(), "postgresql-small", begins_at - 1)
    after = await catalog.plan_by_slug(reading(), "postgresql-small", begins_at)
    assert (before.price_micros_per_hour, after.price_micros_per_hour) == (6_944, 9_000)


async def test_price_versions_begin_on_the_hour_and_stay(control: ControlDatabase) -> None:
    await seed()
    plan = await catalog.plan_by_slug(reading(), "postgresql-small", NOW)
    with pytest.raises(asyncpg.CheckViolationError):
        await transact(
            lambda tx: execute(tx, "INSERT INTO plan_prices VALUES ($1, $2, 61, 'EUR', 1, 0)", uuid4(), plan.id)
        )
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await transact(lambda tx: execute(tx, "UPDATE plan_prices SET price_micros_per_hour = 1"))


async def test_a_plan_nobody_sells_is_unknown(control: ControlDatabase) -> None:
    await seed()
    for slug in ("postgresql-huge", "", "Robert'); DROP TABLE plans;--"):
        with pytest.raises(UnknownPlanError):
            await catalog.plan_by_slug(reading(), slug, NOW)


async def test_a_host_told_again_takes_the_new_address_and_keeps_what_is_on_it(control: ControlDatabase) -> None:
    await register(declared("one", 3))
    placed = await place()
    await register(DeclaredHost(name="one", engine=Engine.POSTGRESQL, agent_url="http://10.0.0.9:8100", capacity=5))
    (host,) = await catalog.hosts(reading())
    assert host.id == placed.id
    assert (host.agent_url, host.capacity_instances, host.placed_instances) == ("http://10.0.0.9:8100", 5, 1)
    assert host == await catalog.host(reading(), placed.id)
    with pytest.raises(HostDeclarationError):
        await register(declared("one", 3, engine=Engine.MYSQL))
    with pytest.raises(HostUnknownError):
        await catalog.host(reading(), uuid4())


async def test_the_host_with_the_most_free_share_is_taken(control: ControlDatabase) -> None:
    await register(declared("big", 10), declared("small", 2), declared("other", 99, engine=Engine.MYSQL))
    names = [(await place()).name for _ in range(12)]
    assert sorted(names) == ["big"] * 10 + ["small"] * 2
    assert names[:3].count("small") == 1
    with pytest.raises(CapacityExhaustedError):
        await place()


async def test_bytes_run_out_like_places_do(control: ControlDatabase) -> None:
    await register(declared("one", 10, size=3 * GIB))
    await place(size=2 * GIB)
    with pytest.raises(CapacityExhaustedError):
        await place(size=2 * GIB)
    await place(size=GIB)


@pytest.mark.parametrize("state", HostState)
async def test_only_open_hosts_take_instances(control: ControlDatabase, state: HostState) -> None:
    await register(declared("one", 10))
    await transact(lambda tx: execute(tx, "UPDATE hosts SET state = $1", state.value))
    if state is HostState.OPEN:
        assert (await place()).state is HostState.OPEN
        return
    with pytest.raises(CapacityExhaustedError):
        await place()


async def test_a_reservation_lives_and_dies_with_its_transaction(control: ControlDatabase) -> None:
    await register(declared("one", 1))

    async def change_mind(tx: Connection) -> None:
        await catalog.place(tx, engine=Engine.POSTGRESQL, storage_bytes=GIB)
        raise LookupError

    with pytest.raises(LookupError):
        await transact(change_mind)
    host = await place()
    await transact(lambda tx: catalog.release(tx, host_id=host.id, storage_bytes=GIB))
    with pytest.raises(HostUnknownError):
        await transact(lambda tx: catalog.release(tx, host_id=host.id, storage_bytes=GIB))
    await place()


async def test_many_at_once_fill_every_place_and_no_more(control: ControlDatabase) -> None:
    await register(declared("one", 3), declared("two", 4))
    told = await asyncio.gather(*(place() for _ in range(12)), return_exceptions=True)
    assert sum(isinstance(each, CapacityExhaustedError) for each in told) == 5
    assert sorted(host.placed_instances for host in await catalog.hosts(reading())) == [3, 4]


def test_declared_hosts_are_read_from_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "SYNEUDP_AGENT_HOSTS",
        '[{"name": "one", "engine": "mysql", "agent_url": "http://agent:8100", "capacity": 7}]',
    )
    assert load_settings(CatalogSettings).declared_hosts == [
        DeclaredHost(name="one", engine=Engine.MYSQL, agent_url="http://agent:8100", capacity=7)
    ]


@pytest.mark.parametrize(
    "told",
    [
        "nonsense",
        "{}",
        '[{"name": "one"}]',
        '[{"name": "One", "engine": "mysql", "agent_url": "http://a", "capacity": 1}]',
        '[{"name": "one", "engine": "oracle", "agent_url": "http://a", "capacity": 1}]',
        '[{"name": "one", "engine": "mysql", "agent_url": "ftp://a", "capacity": 1}]',
        '[{"name": "one", "engine": "mysql", "agent_url": "http://a", "capacity": 0}]',
        '[{"name": "one", "engine": "mysql", "agent_url": "http://a", "capacity": 1, "admin": "x"}]',
    ],
)
def test_hosts_that_make_no_sense_are_a_fault_of_their_variable(monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    monkeypatch.setenv("SYNEUDP_AGENT_HOSTS", told)
    with pytest.raises(SettingsInvalidError) as refused:
        load_settings(CatalogSettings)
    assert all(fault.startswith("SYNEUDP_AGENT_HOSTS") for fault in refused.value.faults)


def test_the_currency_is_three_capitals(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings(CatalogSettings).currency == "EUR"
    monkeypatch.setenv("SYNEUDP_CURRENCY", "eur")
    with pytest.raises(SettingsInvalidError):
        load_settings(CatalogSettings)
