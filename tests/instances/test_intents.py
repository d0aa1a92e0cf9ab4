import asyncio
from uuid import UUID, uuid4

import pytest

from syneudp import catalog, instances, wallet
from syneudp.instances import (
    HeldError,
    Hold,
    InstanceGoneError,
    InstanceNotFoundError,
    InstanceServices,
    InsufficientBalanceError,
    NameTakenError,
    NotReadyError,
    Status,
)
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, execute, reading, transact, value
from syneudp.kernel.idempotency import bind_key, claim_key, request_digest
from tests.instances.shop import KEYRING, LARGE_PRICE, UNIT, customer, placed, segments, stock
from tests.servers import ControlDatabase
from tests.wallet.customers import tariff

pytestmark = pytest.mark.usefixtures("books")


async def test_a_creation_is_written_down_whole_and_charges_nothing() -> None:
    await stock()
    buyer = await customer()
    made = await buyer.create("  books ")
    assert made.status is Status.PROVISIONING
    assert made.name == "books"
    assert (made.connection, made.ready_at, made.holds) == (None, None, ())
    assert await placed() == 1
    assert await segments(made.id) == []
    assert await buyer.events(made.id) == ["created"]
    now = await clock.now(reading())
    assert await instances.pending_deliveries(reading(), now, 10) == []
    due = await instances.pending_deliveries(reading(), now + 3, 10)
    assert [delivery.instance_id for delivery in due] == [made.id]
    with pytest.raises(NotReadyError):
        await buyer.reveal(made.id)


async def test_no_table_holds_the_password_in_the_clear(books: ControlDatabase) -> None:
    await stock()
    buyer = await customer()
    made = await buyer.create()
    sealed = await value(reading(), "SELECT sealed FROM instance_credentials WHERE instance_id = $1", made.id)
    password = KEYRING.unseal(sealed, record=made.id, field="credential:1")
    assert len(password) >= 26
    assert password not in sealed


async def test_a_wallet_must_cover_the_runway_of_what_is_still_being_made_too() -> None:
    await stock()
    buyer = await customer(balance_micros=2 * LARGE_PRICE)
    await buyer.create("one")
    await buyer.create("two")
    with pytest.raises(InsufficientBalanceError):
        await buyer.create("three")
    assert await placed() == 2


async def test_a_suspended_creation_no_longer_counts_towards_the_runway() -> None:
    await stock()
    buyer = await customer(balance_micros=LARGE_PRICE)
    one = await buyer.create("one")
    await buyer.suspend(one.id)
    await buyer.create("two")
    with pytest.raises(InsufficientBalanceError):
        await buyer.resume(one.id)


async def test_a_name_is_taken_only_among_the_owners_live_instances() -> None:
    await stock()
    buyer, other = await customer(), await customer()
    made = await buyer.create("books")
    with pytest.raises(NameTakenError):
        await buyer.create(" books")
    await other.create("books")
    await buyer.terminate(made.id)
    again = await buyer.create("books")
    third = await buyer.create("third")
    with pytest.raises(NameTakenError):
        await buyer.rename(third.id, "books")
    assert (await buyer.rename(again.id, "books")).name == "books"
    assert (await buyer.rename(third.id, "fourth")).name == "fourth"


async def test_two_creations_of_one_name_at_once_make_one() -> None:
    await stock()
    buyer = await customer()
    tried = await asyncio.gather(*[buyer.create("books") for _ in range(5)], return_exceptions=True)
    assert sum(not isinstance(each, BaseException) for each in tried) == 1
    assert all(isinstance(each, NameTakenError) for each in tried if isinstance(each, BaseException))
    assert await placed() == 1


async def test_one_key_makes_one_database_however_often_it_comes_at_once() -> None:
    await stock()
    buyer = await customer()
    digest = request_digest(["create", "books"])

    async def keyed(tx: Connection) -> UUID:
        replay = await claim_key(tx, owner_id=buyer.id, scope="create", key="k", digest=digest)
        if replay is not None:
            return replay.target_id
        locked = await instances.lock_wallet(tx, buyer.wallet.id)
        made = await instances.create_instance(
            tx,
            locked,
            owner_id=buyer.id,
            name="books",
            plan=await catalog.plan_by_slug(tx, "postgresql-small", locked.now),
            keyring=KEYRING,
            runway_seconds=3600,
        )
        await bind_key(tx, owner_id=buyer.id, scope="create", key="k", target_id=made.instance.id)
        return made.instance.id

    assert len(set(await asyncio.gather(*[transact(keyed) for _ in range(5)]))) == 1
    assert await placed() == 1


async def test_a_full_platform_refuses_and_leaves_nothing() -> None:
    await stock(capacity=1)
    buyer = await customer()
    await buyer.create("one")
    with pytest.raises(catalog.CapacityExhaustedError):
        await buyer.create("two")
    assert len((await instances.instances_of(reading(), buyer.id)).items) == 1


async def test_anothers_instance_is_not_found_by_any_verb() -> None:
    await stock()
    buyer, other = await customer(), await customer()
    made = await buyer.create()
    for verb in (other.suspend, other.resume, other.rotate, other.terminate, other.see, other.reveal, other.events):
        with pytest.raises(InstanceNotFoundError):
            await verb(made.id)
        with pytest.raises(InstanceNotFoundError):
            await verb(uuid4())
    with pytest.raises(InstanceNotFoundError):
        await other.rename(made.id, "mine")
    assert (await instances.instances_of(reading(), other.id)).items == ()


async def test_suspending_twice_raises_the_generation_once() -> None:
    await stock()
    buyer = await customer()
    made = await buyer.create()
    once = await buyer.suspend(made.id)
    twice = await buyer.suspend(made.id)
    assert (once.status, once.holds, once.generation) == (Status.SUSPENDING, (Hold.OWNER,), 2)
    assert twice.generation == once.generation
    back = await buyer.resume(made.id)
    assert (back.status, back.generation) == (Status.PROVISIONING, 3)
    assert (await buyer.resume(made.id)).generation == 3


async def test_an_operators_hold_keeps_the_owner_from_resuming() -> None:
    await stock()
    buyer = await customer()
    made = await buyer.create()
    await execute(
        reading(), "INSERT INTO instance_holds (instance_id, hold, since_at) VALUES ($1, 'operator', 0)", made.id
    )
    with pytest.raises(HeldError):
        await buyer.resume(made.id)


async def test_what_is_wanted_gone_cannot_be_changed_and_can_be_deleted_again() -> None:
    await stock()
    buyer = await customer()
    made = await buyer.create()
    gone = await buyer.terminate(made.id)
    assert gone.status is Status.TERMINATING
    assert (await buyer.terminate(made.id)).generation == gone.generation
    for verb in (buyer.suspend, buyer.resume, buyer.rotate, buyer.reveal):
        with pytest.raises(InstanceGoneError):
            await verb(made.id)
    assert await placed() == 1


async def test_a_delivery_that_nobody_answers_is_put_off(reach: InstanceServices) -> None:
    await stock()
    buyer = await customer()
    made = await buyer.create()
    assert not await instances.deliver(reach, made.id, timeout_seconds=2)
    assert (await buyer.see(made.id)).status is Status.PROVISIONING
    assert await placed() == 1
    now = await clock.now(reading())
    assert await instances.pending_deliveries(reading(), now, 10) == []
    assert len(await instances.pending_deliveries(reading(), now + 16, 10)) == 1


async def test_events_can_only_be_added() -> None:
    await stock()
    buyer = await customer()
    made = await buyer.create()
    for statement in (
        "UPDATE instance_events SET detail = ''",
        "DELETE FROM instance_events",
        "TRUNCATE instance_events",
    ):
        with pytest.raises(Exception, match="permission denied"):
            await execute(reading(), statement)
    assert await buyer.events(made.id) == ["created"]


async def test_lists_are_paged_newest_first() -> None:
    await stock()
    buyer = await customer()
    made = [(await buyer.create(f"db{number}", plan="postgresql-small")).id for number in range(5)]
    first = await instances.instances_of(reading(), buyer.id, limit=3)
    second = await instances.instances_of(reading(), buyer.id, limit=3, cursor=first.next_cursor)
    assert [item.id for item in (*first.items, *second.items)] == made[::-1]
    assert second.next_cursor is None
    events = await instances.events_of(reading(), buyer.id, made[0], limit=1)
    assert (len(events.items), events.next_cursor) == (1, None)


async def test_depletion_holds_exactly_the_instances_whose_segments_it_closed() -> None:
    await stock()
    buyer = await customer(balance_micros=2 * UNIT)
    made, idle = await buyer.create("one"), await buyer.create("two")

    async def run_it(tx: Connection) -> None:
        locked = await instances.lock_wallet(tx, buyer.wallet.id)
        await wallet.open_segment(tx, locked, resource_id=made.id, tariff_id=await tariff(tx, 1_000_000))
        await execute(
            tx,
            "UPDATE instances SET applied_generation = 1, observed_state = 'running', applied_credential_version = 1"
            " WHERE id = $1",
            made.id,
        )

    await transact(run_it)
    depletes_at = await wallet.next_depletion(reading())
    assert depletes_at is not None
    with clock.frozen(depletes_at + 5):
        locked = await buyer.locked(_itself)
        assert locked.depleted == (made.id,)
        seen = await buyer.see(made.id)
        assert (seen.status, seen.holds, seen.generation) == (Status.SUSPENDING, (Hold.BALANCE,), 2)
        assert (await buyer.see(idle.id)).holds == ()
        assert [due.instance_id for due in await instances.pending_deliveries(reading(), depletes_at + 5, 9)][
            -1
        ] == made.id
        assert await buyer.top_up(10 * UNIT) == [made.id]
        assert (await buyer.see(made.id)).status is Status.RESUMING
    assert [segment["until_at"] for segment in await segments(made.id)] == [depletes_at]


async def test_a_top_up_clears_the_balance_hold_and_only_that_one() -> None:
    await stock()
    buyer = await customer(balance_micros=2 * UNIT)
    made = await buyer.create("one")
    await buyer.suspend(made.id)
    await transact(
        lambda tx: execute(
            tx, "INSERT INTO instance_holds (instance_id, hold, since_at) VALUES ($1, 'balance', 0)", made.id
        )
    )
    assert set((await buyer.see(made.id)).holds) == {Hold.OWNER, Hold.BALANCE}
    assert await buyer.top_up(10 * UNIT) == []
    seen = await buyer.see(made.id)
    assert (seen.holds, seen.status) == ((Hold.OWNER,), Status.SUSPENDING)


async def _itself(tx: Connection, locked: wallet.LockedWallet) -> wallet.LockedWallet:
    return locked
