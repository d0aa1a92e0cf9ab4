import asyncio
import ssl
from uuid import UUID

import asyncpg
import pytest

from syneudp import instances
from syneudp.engines.contract import Applied, Endpoint, State
from syneudp.instances import InstanceServices, InstanceView, RotationPendingError, Status
from syneudp.instances.deliver import _Claim, _claim
from syneudp.instances.outcomes import Outcome, record_applied
from syneudp.instances.parcels import Sent
from syneudp.kernel import clock
from syneudp.kernel.database import execute, reading, row, transact, value
from syneudp.kernel.identifiers import new_id
from tests.instances.agents import Agent
from tests.instances.shop import LARGE_PRICE, UNIT, Customer, customer, placed, segments, stock

pytestmark = pytest.mark.usefixtures("books")
SECONDS = 10.0


async def deliver(reach: InstanceServices, instance_id: UUID) -> bool:
    return await instances.deliver(reach, instance_id, timeout_seconds=SECONDS)


async def running(reach: InstanceServices, buyer: Customer, name: str = "books") -> InstanceView:
    made = await buyer.create(name)
    assert await deliver(reach, made.id)
    seen = await buyer.see(made.id)
    assert seen.status is Status.RUNNING
    return seen


async def connect(seen: InstanceView, password: str) -> asyncpg.Connection:
    assert seen.connection is not None
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return await asyncpg.connect(
        host=seen.connection.host,
        port=seen.connection.port,
        user=seen.connection.username,
        password=password,
        database=seen.connection.database,
        ssl=context,
    )


async def can_log_in(seen: InstanceView, password: str) -> bool:
    try:
        connection = await connect(seen, password)
    except asyncpg.PostgresError:
        return False
    await connection.close()
    return True


async def outbox() -> int:
    return await instances.count_pending(reading())


async def test_a_database_lives_from_creation_to_tombstone(reach: InstanceServices, agent: Agent) -> None:
    await stock(agent_url=agent.url)
    buyer = await customer()
    seen = await running(reach, buyer)
    password = await buyer.reveal(seen.id)
    assert seen.ready_at is not None
    assert await can_log_in(seen, password)
    [segment] = await segments(seen.id)
    assert (segment["from_at"], segment["until_at"], segment["price_micros_per_hour"]) == (
        seen.ready_at,
        None,
        LARGE_PRICE,
    )

    suspended = await buyer.suspend(seen.id)
    assert suspended.status is Status.SUSPENDING
    assert (await segments(seen.id))[0]["until_at"] is not None
    assert await deliver(reach, seen.id)
    assert (await buyer.see(seen.id)).status is Status.SUSPENDED
    assert not await can_log_in(seen, password)

    await buyer.resume(seen.id)
    assert len(await segments(seen.id)) == 1
    assert await deliver(reach, seen.id)
    assert (await buyer.see(seen.id)).status is Status.RUNNING
    assert len(await segments(seen.id)) == 2
    assert await can_log_in(seen, password)

    await buyer.terminate(seen.id)
    assert await placed() == 1
    assert await deliver(reach, seen.id)
    gone = await buyer.see(seen.id)
    assert (gone.status, gone.connection) == (Status.TERMINATED, None)
    assert await placed() == 0
    assert await value(reading(), "SELECT count(*) FROM instance_credentials") == 0
    assert all(segment["until_at"] is not None for segment in await segments(seen.id))
    assert not await can_log_in(seen, password)
    assert await outbox() == 0
    assert await buyer.events(seen.id) == [
        "created",
        "ready",
        "suspend_requested",
        "suspended",
        "resume_requested",
        "resumed",
        "terminate_requested",
        "terminated",
    ]


async def test_a_rotation_ends_the_old_password_and_its_sessions(reach: InstanceServices, agent: Agent) -> None:
    await stock(agent_url=agent.url)
    buyer = await customer()
    seen = await running(reach, buyer)
    old = await buyer.reveal(seen.id)
    session = await connect(seen, old)
    pending = await buyer.rotate(seen.id)
    assert (pending.status, pending.rotation_pending) == (Status.RUNNING, True)
    with pytest.raises(RotationPendingError):
        await buyer.reveal(seen.id)
    assert await can_log_in(seen, old)
    assert await deliver(reach, seen.id)
    new = await buyer.reveal(seen.id)
    assert new != old
    assert not await can_log_in(seen, old)
    assert await can_log_in(seen, new)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)):
        await session.fetchval("SELECT 1")
    assert len(await segments(seen.id)) == 1
    assert (await buyer.see(seen.id)).status is Status.RUNNING


async def test_a_lost_rotation_followed_by_a_suspension_ends_with_the_new_password(
    reach: InstanceServices, agent: Agent
) -> None:
    await stock(agent_url=agent.url)
    buyer = await customer()
    seen = await running(reach, buyer)
    old = await buyer.reveal(seen.id)
    await buyer.rotate(seen.id)
    await buyer.suspend(seen.id)
    assert await deliver(reach, seen.id)
    assert (await buyer.see(seen.id)).status is Status.SUSPENDED
    new = await buyer.reveal(seen.id)
    assert new != old
    await buyer.resume(seen.id)
    assert await deliver(reach, seen.id)
    assert not await can_log_in(seen, old)
    assert await can_log_in(seen, new)


async def test_a_creation_suspended_before_the_agent_heard_of_it_is_never_charged(
    reach: InstanceServices, agent: Agent
) -> None:
    await stock(agent_url=agent.url)
    buyer = await customer()
    made = await buyer.create()
    await buyer.suspend(made.id)
    assert await deliver(reach, made.id)
    seen = await buyer.see(made.id)
    assert (seen.status, seen.ready_at) == (Status.SUSPENDED, None)
    assert await segments(made.id) == []
    await buyer.resume(made.id)
    assert await deliver(reach, made.id)
    assert (await buyer.see(made.id)).status is Status.RUNNING


async def test_a_creation_deleted_before_the_agent_heard_of_it_leaves_a_tombstone(
    reach: InstanceServices, agent: Agent
) -> None:
    await stock(agent_url=agent.url)
    buyer = await customer()
    made = await buyer.create()
    await buyer.terminate(made.id)
    assert await deliver(reach, made.id)
    assert (await buyer.see(made.id)).status is Status.TERMINATED
    assert await placed() == 0
    assert await segments(made.id) == []


async def test_two_deliveries_at_once_confirm_once(reach: InstanceServices, agent: Agent) -> None:
    await stock(agent_url=agent.url)
    buyer = await customer()
    made = await buyer.create()
    assert await asyncio.gather(*[deliver(reach, made.id) for _ in range(4)]) == [True] * 4
    assert await buyer.events(made.id) == ["created", "ready"]
    assert len(await segments(made.id)) == 1


async def test_a_process_killed_between_intent_and_call_is_made_good(reach: InstanceServices, agent: Agent) -> None:
    await stock(agent_url=agent.url)
    buyer = await customer()
    made = await buyer.create()
    claimed = await transact(lambda tx: _claim(tx, services=reach, instance_id=made.id, seconds=1))
    assert not isinstance(claimed, str)
    now = await clock.now(reading())
    assert await instances.pending_deliveries(reading(), now + 3, 10) == []
    assert not await instances.deliver(reach, made.id, timeout_seconds=0.3)
    with clock.frozen(now + 6):
        assert len(await instances.pending_deliveries(reading(), now + 6, 10)) == 1
        assert await deliver(reach, made.id)
    assert (await buyer.see(made.id)).status is Status.RUNNING


async def test_a_process_killed_between_call_and_outcome_is_made_good(reach: InstanceServices, agent: Agent) -> None:
    await stock(agent_url=agent.url)
    buyer = await customer()
    made = await buyer.create()
    await _call_and_die(reach, made.id)
    assert (await buyer.see(made.id)).status is Status.PROVISIONING
    assert await segments(made.id) == []
    now = await clock.now(reading())
    with clock.frozen(now + 60):
        assert await deliver(reach, made.id)
        seen = await buyer.see(made.id)
        assert (seen.status, seen.ready_at) == (Status.RUNNING, now + 60)
    reported = await reach.agents.reports(agent_url=agent.url, engine=seen.engine)
    assert [report.instance_id for report in reported.items].count(made.id) == 1
    with clock.frozen(now + 61):
        await buyer.terminate(made.id)
        assert await deliver(reach, made.id)


async def test_a_late_outcome_after_a_newer_intent_changes_nothing(reach: InstanceServices, agent: Agent) -> None:
    await stock(agent_url=agent.url)
    buyer = await customer()
    made = await buyer.create()
    sent, applied = await _call_and_die(reach, made.id)
    await buyer.suspend(made.id)
    before = await row(reading(), "SELECT * FROM instances WHERE id = $1", made.id)
    outcome = (await transact(lambda tx: record_applied(tx, sent, applied))).outcome
    assert outcome is Outcome.SUPERSEDED
    assert await row(reading(), "SELECT * FROM instances WHERE id = $1", made.id) == before
    assert await segments(made.id) == []
    assert await outbox() == 1
    assert await deliver(reach, made.id)
    assert (await buyer.see(made.id)).status is Status.SUSPENDED


async def test_what_cannot_be_paid_at_confirmation_is_held_and_not_charged(
    reach: InstanceServices, agent: Agent
) -> None:
    await stock(agent_url=agent.url)
    buyer = await customer(balance_micros=LARGE_PRICE)
    made = await buyer.create(runway_seconds=3600)
    now = await clock.now(reading())
    spender = await buyer.create("other", runway_seconds=1)
    assert await deliver(reach, spender.id)
    with clock.frozen(now + 7200):
        assert await deliver(reach, made.id)
        seen = await buyer.see(made.id)
        assert (seen.status, seen.holds, seen.ready_at) == (Status.SUSPENDED, ("balance",), None)
        assert await segments(made.id) == []
        assert (await buyer.see(spender.id)).status is Status.SUSPENDING
        assert "unaffordable" in await buyer.events(made.id)
        assert sorted(await buyer.top_up(UNIT)) == sorted([made.id, spender.id])
        assert await deliver(reach, made.id)
        assert (await buyer.see(made.id)).status is Status.RUNNING


async def test_a_refused_creation_fails_frees_its_place_and_costs_nothing(
    reach: InstanceServices, agent: Agent
) -> None:
    await stock(agent_url=agent.url)
    buyer = await customer()
    made = await buyer.create(plan="mysql-large")
    assert await deliver(reach, made.id) is False
    seen = await buyer.see(made.id)
    assert seen.status is Status.FAILED
    assert await placed() == 1
    assert await segments(made.id) == []
    assert "refused" in await buyer.events(made.id)
    assert [item.id for item in (await instances.instances_of(reading(), buyer.id)).items] == [made.id]
    await execute(reading(), "UPDATE hosts SET agent_url = $1 WHERE engine = 'mysql'", agent.url)
    await buyer.create(plan="postgresql-large")


async def test_an_engine_that_is_ahead_gets_the_wanted_state_above_its_own(
    reach: InstanceServices, agent: Agent
) -> None:
    await stock(agent_url=agent.url)
    buyer = await customer()
    seen = await running(reach, buyer)
    for _ in range(3):
        await buyer.suspend(seen.id)
        await buyer.resume(seen.id)
    assert await deliver(reach, seen.id)
    await execute(
        reading(),
        "UPDATE instances SET generation = 3, state_generation = 3, applied_generation = 2 WHERE id = $1",
        seen.id,
    )
    await execute(reading(), "INSERT INTO instance_outbox (instance_id, due_at) VALUES ($1, 0)", seen.id)
    assert await deliver(reach, seen.id)
    back = await buyer.see(seen.id)
    assert (back.status, back.generation) == (Status.RUNNING, 8)
    assert "engine_ahead" in await buyer.events(seen.id)


async def test_an_answer_to_something_else_is_not_taken_for_a_confirmation(
    reach: InstanceServices, agent: Agent
) -> None:
    await stock(agent_url=agent.url)
    buyer = await customer()
    made = await buyer.create()
    sent, applied = await _call_and_die(reach, made.id)
    other = applied.model_copy(update={"credential_version": 7})
    assert (await transact(lambda tx: record_applied(tx, sent, other))).outcome is Outcome.POSTPONED
    assert await segments(made.id) == []
    wrong = Sent(made.id, buyer.wallet.id, 1, State.RUNNING, 1, new_id(), 1)
    stranger = Applied(
        instance_id=new_id(),
        database="x",
        username="y",
        state=State.RUNNING,
        endpoint=Endpoint(host="h", port=1, tls=True),
        applied_generation=1,
        credential_version=1,
    )
    assert (await transact(lambda tx: record_applied(tx, wrong, stranger))).outcome is Outcome.POSTPONED


async def _call_and_die(reach: InstanceServices, instance_id: UUID) -> tuple[Sent, Applied]:
    from syneudp.instances.deliver import _call

    claimed = await transact(lambda tx: _claim(tx, services=reach, instance_id=instance_id, seconds=10))
    assert not isinstance(claimed, str), _Claim
    return claimed.sent, await _call(reach, claimed, seconds=10)
