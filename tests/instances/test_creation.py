import pytest

from syneudp import catalog, instances
from syneudp.engines.contract import Engine
from syneudp.instances import Created, InstanceServices, Status
from syneudp.instances.deliver import _Claim, _claim
from syneudp.instances.parcels import LEASE_MARGIN_SECONDS
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, reading, transact, value
from syneudp.wallet import LockedWallet
from tests.instances.agents import Agent
from tests.instances.shop import Customer, customer, segments, stock

pytestmark = pytest.mark.usefixtures("books")
SECONDS = 10.0


async def order(reach: InstanceServices, buyer: Customer) -> Created:
    drafted = await reach.passwords.take(Engine.POSTGRESQL)

    async def intend(tx: Connection, locked: LockedWallet) -> Created:
        return await instances.create_instance(
            tx,
            locked,
            owner_id=buyer.id,
            name="books",
            plan=await catalog.plan_by_slug(tx, "postgresql-large", locked.now),
            keyring=reach.keyring,
            runway_seconds=reach.runway_seconds,
            send_within_seconds=SECONDS,
            drafted=drafted,
        )

    return await buyer.locked(intend)


async def test_what_a_creation_answers_is_what_is_written_down(reach: InstanceServices, agent: Agent) -> None:
    await stock(agent_url=agent.url)
    buyer = await customer()
    created = await order(reach, buyer)
    assert created.parcel is not None
    assert created.instance == await buyer.see(created.instance.id)
    ready = await instances.deliver_creation(reach, created.parcel, timeout_seconds=SECONDS)
    assert ready is not None
    assert ready.instance == await buyer.see(created.instance.id)
    assert ready.instance.status is Status.RUNNING
    assert ready.secret == await transact(
        lambda tx: instances.reveal(tx, owner_id=buyer.id, instance_id=created.instance.id, keyring=reach.keyring)
    )
    assert ready.secret.password not in repr((created, ready))
    assert [segment["from_at"] for segment in await segments(created.instance.id)] == [ready.instance.ready_at]
    assert await instances.count_pending(reading()) == 0
    assert await buyer.events(created.instance.id) == ["created", "ready"]
    assert await value(reading(), "SELECT count(*) FROM instance_credentials WHERE confirmed") == 1


async def test_nobody_else_sends_a_creation_until_its_lease_ends_and_then_it_is_finished(
    reach: InstanceServices, agent: Agent
) -> None:
    await stock(agent_url=agent.url)
    buyer = await customer()
    created = await order(reach, buyer)
    now = created.instance.created_at
    late = now + int(SECONDS) + LEASE_MARGIN_SECONDS
    for epoch in (now, late - 1):
        with clock.frozen(epoch):
            assert await instances.pending_deliveries(reading(), epoch, 10) == []
            claimed = await transact(
                lambda tx: _claim(tx, services=reach, instance_id=created.instance.id, seconds=SECONDS)
            )
            assert claimed == _Claim.LEASED
    [due] = await instances.pending_deliveries(reading(), late, 10)
    with clock.frozen(late):
        assert await instances.deliver(reach, due.instance_id, timeout_seconds=SECONDS)
    assert (await buyer.see(created.instance.id)).status is Status.RUNNING


async def test_a_creation_that_was_deleted_on_its_way_is_answered_by_nothing(
    reach: InstanceServices, agent: Agent
) -> None:
    await stock(agent_url=agent.url)
    buyer = await customer()
    created = await order(reach, buyer)
    assert created.parcel is not None
    await buyer.terminate(created.instance.id)
    assert await instances.deliver_creation(reach, created.parcel, timeout_seconds=SECONDS) is None
    assert (await buyer.see(created.instance.id)).status is Status.TERMINATED
    assert await segments(created.instance.id) == []


async def test_a_creation_that_never_left_is_put_off_and_answered_by_nothing(reach: InstanceServices) -> None:
    await stock()
    buyer = await customer()
    created = await order(reach, buyer)
    assert created.parcel is not None
    assert await instances.deliver_creation(reach, created.parcel, timeout_seconds=SECONDS) is None
    assert (await buyer.see(created.instance.id)).status is Status.PROVISIONING
    assert await instances.count_pending(reading()) == 1
