from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syneudp.kernel import clock
from syneudp.kernel.database import reading, rows
from syneudp.wallet import WalletRecord
from tests.wallet.customers import (
    HOUR,
    UNIT,
    assert_books_hold,
    balance,
    catch_up,
    close_hour,
    new_customer,
    next_hour,
    overview,
    settle,
    start,
    stop,
    top_up,
    usage_posted,
)

RESOURCES = 3
steps = st.tuples(
    st.sampled_from(["start", "stop", "top_up", "close", "catch_up", "settle", "replay"]),
    st.integers(0, RESOURCES - 1),
    st.sampled_from([0, 0, 1, 1, 7, 59, 600, 1800, 3599, 3600, 7201, 20_000]),
    st.sampled_from([1, 3, 100, 3599, 6_944, 62_500, 5_000_000]),
)


class Model:
    """Second by second, in plain integers: what a wallet may run and what it has paid."""

    def __init__(self) -> None:
        self.credited = 0
        self.numerators: dict[int, int] = {}

    async def assert_agrees(self, customer: WalletRecord, resources: list[UUID]) -> None:
        segments = await rows(
            reading(),
            "SELECT resource_id, from_at, until_at, price_micros_per_hour AS price FROM usage_segments"
            " WHERE wallet_id = $1",
            customer.id,
        )
        assert all(segment["until_at"] is not None for segment in segments)
        exact = sum(
            sum(each["price"] * (each["until_at"] - each["from_at"]) for each in segments if each["resource_id"] == one)
            // 3600
            for one in resources
        )
        assert await usage_posted(customer) == exact
        assert await balance(customer) == self.credited - exact


@given(st.lists(steps, min_size=1, max_size=25))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_postings_are_the_closed_form_whatever_the_order(
    books: int, history: list[tuple[str, int, int, int]]
) -> None:
    shard = uuid4().bytes[-1]
    now = max(books, await next_hour(shard) * HOUR)
    model, resources = Model(), [uuid4() for _ in range(RESOURCES)]
    with clock.frozen(now):
        customer = await new_customer(shard=shard, balance_micros=UNIT)
    model.credited += UNIT
    for number, (verb, which, pause, amount) in enumerate(history):
        now += pause
        with clock.frozen(now):
            await act(model, customer, resources[which], verb=verb, amount=amount, number=number)
            shown = await overview(customer)
            assert 0 <= shown.available_micros <= shown.balance_micros
    with clock.frozen(now + 5):
        for resource in resources:
            await stop(customer, resource)
        await catch_up(shard)
        await model.assert_agrees(customer, resources)
    await assert_books_hold()


async def act(model: Model, customer: WalletRecord, resource: UUID, *, verb: str, amount: int, number: int) -> None:
    payment = f"{customer.id}:{number}"
    match verb:
        case "start":
            if not await runs(resource):
                await start(customer, resource, amount)
        case "stop":
            await stop(customer, resource)
        case "top_up" | "replay":
            await top_up(customer, amount, payment_id=payment)
            model.credited += amount
            if verb == "replay":
                assert (await top_up(customer, amount, payment_id=payment)).replayed
        case "close":
            hour = await next_hour(customer.shard)
            if (hour + 1) * HOUR <= await clock.now(reading()):
                await close_hour(customer.shard, hour)
        case "catch_up":
            await catch_up(customer.shard)
        case "settle":
            await settle(customer)


async def runs(resource: UUID) -> bool:
    return bool(
        await rows(reading(), "SELECT FROM usage_segments WHERE resource_id = $1 AND until_at IS NULL", resource)
    )
