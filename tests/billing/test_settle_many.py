import pytest

from syneudp import instances, ledger, wallet
from syneudp.billing import settle_due
from syneudp.instances import InstanceServices, Status
from syneudp.kernel import clock
from syneudp.kernel.database import reading, rows, transact, value
from tests.billing.past import HOUR, closed_form, pending, posted_usage, running_since
from tests.instances.shop import LARGE_PRICE, customer, segments, stock

SHARD_ROW = (0, 0, 7, 200, 201)


async def alerts() -> list[dict[str, object]]:
    return await rows(
        reading(),
        "SELECT w.user_id, a.kind, a.ends_at, a.balance_micros, a.burn_micros_per_hour, cardinality(a.resource_ids) AS what"
        " FROM wallet_alerts a JOIN wallets w ON w.id = a.wallet_id",
    )


@pytest.mark.usefixtures("books")
async def test_wallets_of_several_shards_are_settled_together_each_at_its_own_second(reach: InstanceServices) -> None:
    await stock()
    now = await clock.now(reading())
    buyers = [
        await customer(balance_micros=2 * LARGE_PRICE + number, shard=shard) for number, shard in enumerate(SHARD_ROW)
    ]
    made = [
        [await running_since(reach, buyer, now + number, name) for name in ("one", "two")]
        for number, buyer in enumerate(buyers)
    ]
    before = await value(reading(), "SELECT count(*) FROM transfers WHERE reason = 'usage_depleted'")
    with clock.frozen(now + HOUR + 60):
        settled = await transact(lambda tx: instances.settle_many(tx, [buyer.wallet.id for buyer in buyers]))
        assert settled == {buyer.wallet.id for buyer in buyers}
        assert await transact(lambda tx: instances.settle_many(tx, [buyer.wallet.id for buyer in buyers])) == set()
        for number, (buyer, theirs) in enumerate(zip(buyers, made, strict=True)):
            ended_at = now + number + HOUR
            for instance in theirs:
                assert [each["until_at"] for each in await segments(instance.id)] == [ended_at]
                seen = await buyer.see(instance.id)
                assert (seen.status, seen.holds, seen.generation) == (Status.SUSPENDING, ("balance",), 2)
                assert (await buyer.events(instance.id))[-1] == "balance_depleted"
            assert await posted_usage(buyer) == await closed_form(buyer, ended_at)
            assert await buyer.balance() == number
    assert await value(reading(), "SELECT count(*) FROM transfers WHERE reason = 'usage_depleted'") == before + len(
        buyers
    )
    told = {each["user_id"]: each for each in await alerts() if each["kind"] == "suspended"}
    for number, buyer in enumerate(buyers):
        alert = told[buyer.id]
        assert (alert["ends_at"], alert["balance_micros"], alert["what"]) == (now + number + HOUR, number, 2)
        assert alert["burn_micros_per_hour"] == 2 * LARGE_PRICE
    assert await pending() == 2 * len(buyers)
    assert await value(reading(), "SELECT count(*) FROM wallet_depletions") == 0


@pytest.mark.usefixtures("books")
async def test_who_is_not_due_is_left_alone_and_who_meets_a_new_storage_price_is_settled_alone(
    reach: InstanceServices,
) -> None:
    await stock()
    now = (await clock.now(reading())) // HOUR * HOUR + 1800
    with clock.frozen(now):
        rich, poor, storing = [
            await customer(balance_micros=balance) for balance in (10 * LARGE_PRICE, LARGE_PRICE, LARGE_PRICE)
        ]
    kept, cut, stored = [await running_since(reach, buyer, now) for buyer in (rich, poor, storing)]
    with clock.frozen(now + 60):
        await storing.locked(
            lambda tx, locked: wallet.plan_storage(
                tx, locked, resource_id=stored.id, stored_bytes=10 * wallet.STEP_BYTES
            )
        )
    with clock.frozen(now + 2 * HOUR):
        wallets = [buyer.wallet.id for buyer in (rich, poor, storing)]
        assert await transact(lambda tx: instances.settle_many(tx, wallets)) == {poor.wallet.id}
        await settle_due(held=lambda: None)
    assert (await rich.see(kept.id)).status is Status.RUNNING
    assert [each["until_at"] for each in await segments(cut.id)] == [now + HOUR]
    assert (await storing.see(stored.id)).holds == ("balance",)
    ended = [each["until_at"] for each in await segments(stored.id)]
    assert len(ended) == 2
    assert ended[0] == (now // HOUR + 1) * HOUR
    assert ended[1] is not None
    assert ended[0] < ended[1] <= now + HOUR


@pytest.mark.usefixtures("control")
async def test_one_that_cannot_be_settled_holds_up_no_other(reach: InstanceServices) -> None:
    await stock()
    stuck, fine = [await customer(balance_micros=LARGE_PRICE) for _ in range(2)]
    now = await clock.now(reading())
    for buyer in (stuck, fine):
        await running_since(reach, buyer, now)
    ended_at = now + HOUR
    with clock.frozen(now):
        shard = stuck.wallet.shard
        revenue = await ledger.open_account(reading(), kind=ledger.AccountKind.REVENUE, shard=shard, currency="EUR")
        other = await ledger.open_account(reading(), kind=ledger.AccountKind.CREDITS, shard=shard, currency="EUR")
        await ledger.post(
            reading(),
            reason=ledger.Reason.CREDIT,
            key=f"depletion:{stuck.wallet.id}:{ended_at}",
            effective_at=now,
            created_at=now,
            entries=[ledger.Entry(revenue, 1), ledger.Entry(other, -1)],
        )
    with clock.frozen(ended_at + 5):
        await settle_due(held=lambda: None)
        assert await fine.balance() == 0
        assert await stuck.balance() == LARGE_PRICE
