import asyncio
import contextlib
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from syneudp import wallet
from syneudp.kernel.database import Connection
from syneudp.ledger import USAGE_REASONS, AccountKind, IdempotencyConflictError, Reason
from syneudp.wallet import LockedWallet, SegmentConflictError, TariffRefusedError
from tests.proof.books import crashed, snapshot
from tests.proof.hands import FIRST_HOUR, RESOURCES, SHARD, WALLETS, Hands, Work
from tests.proof.model import HOUR, STEP_BYTES, Resource, Tariff, Use, Wallet, month_of
from tests.servers import ControlServer
from tests.wallet.customers import (
    begin_shards_at,
    close_hour,
    locked,
    new_customer,
    overview,
    top_up,
)

TARIFFS = 2
DEAR = st.sampled_from([3601, 62_500, 7_200_000])
HOURS_PAID = st.integers(1, 12)
TIGHT = st.sampled_from([1, 59, 600, HOUR, 5 * HOUR])
PRICES = st.sampled_from([0, 1, 3599, 3600, 3601, 62_500, 7_200_000, 1_000_000_000])
STORAGE_PRICES = st.sampled_from([0, 1, 137, 57_600, 1_000_000])
AMOUNTS = st.sampled_from([1, 20, 3_600, 62_500, 1_000_000, 50_000_000])
CAPS = st.sampled_from([None, 1, 3_600, 62_500, 1_000_000, 20_000_000])
WHICH = st.integers(0, WALLETS - 1)
THING = st.integers(0, RESOURCES - 1)
TARIFF = st.integers(0, TARIFFS - 1)
STORED = st.sampled_from([0, 1, STEP_BYTES, STEP_BYTES + 1, 40 * STEP_BYTES])
PAYMENT = st.integers(0, 5)
TIMES_MIN = 3
REACHED = (*USAGE_REASONS, Reason.TOP_UP, Reason.REFUND)


class Life(Hands):
    """Two customers of one shard live through anything; after each step the books are what the model says."""

    @initialize(prices=st.tuples(DEAR, PRICES), storage=st.tuples(STORAGE_PRICES, STORAGE_PRICES), hours=HOURS_PAID)
    def begin(self, prices: tuple[int, int], storage: tuple[int, int], hours: int) -> None:
        self.books.run(begin_shards_at(self.books.control, FIRST_HOUR))
        for hour_price, storage_price in zip(prices, storage, strict=True):
            tariff_id = uuid4()
            self._run(self._set_price(tariff_id, 0, hour_price, storage_price))
            self.tariffs[tariff_id] = Tariff([(0, hour_price, storage_price)])
        for _ in range(WALLETS):
            self.records.append(self._run(new_customer(shard=SHARD)))
            self.models.append(
                Wallet(self.tariffs, last_event_at=self.epoch, posted_through_at=self.closed_through * HOUR)
            )
        for model, things in zip(self.models, self.things, strict=True):
            model.resources = {thing: Resource() for thing in things}
        for which in range(WALLETS):
            self._pay(which, prices[0] * hours)
            self.start(which=which, thing=0, tariff=0, running=True)

    @rule(seconds=st.one_of(st.integers(0, 90), st.integers(0, 3 * HOUR), st.just(HOUR), st.integers(0, 60 * HOUR)))
    def the_clock_goes_on(self, seconds: int) -> None:
        self.epoch += seconds

    @rule(seconds=st.integers(1, 2 * HOUR))
    def the_clock_steps_back(self, seconds: int) -> None:
        self.epoch = max(self.epoch - seconds, FIRST_HOUR * HOUR)

    @rule()
    def the_clock_reaches_the_hour(self) -> None:
        self.epoch = (self.epoch // HOUR + 1) * HOUR

    @rule(which=WHICH, early=st.integers(-2, 2))
    def the_clock_reaches_the_end_of_what_runs(self, which: int, early: int) -> None:
        ends_at = self.models[which].depletes_at()
        if ends_at is not None and self.epoch < ends_at <= self.epoch + 60 * HOUR:
            self.epoch = max(self.epoch, ends_at - early)

    @precondition(lambda self: self.epoch < (FIRST_HOUR + 30) * HOUR)
    @rule()
    def the_month_is_about_to_end(self) -> None:
        self.epoch = (FIRST_HOUR + 30) * HOUR - 5

    @rule(which=WHICH, amount=AMOUNTS, payment=PAYMENT)
    def top_up(self, which: int, amount: int, payment: int) -> None:
        model, key = self.models[which], f"{which}-{payment}"
        now = self._settled(which)
        told = model.payments.get(key)
        if told is not None and told != amount:
            self._refused(which, self._paying(key, amount), IdempotencyConflictError)
            return
        credited = self._run(top_up(self.records[which], amount, payment_id=key))
        assert credited.replayed == (told is not None)
        if told is None:
            model.payments[key] = amount
            model.credit(amount, now)

    @rule(which=WHICH, amount=AMOUNTS)
    def take_back(self, which: int, amount: int) -> None:
        model, now = self.models[which], self._settled(which)

        async def take(tx: Connection, held: LockedWallet) -> tuple[int, int]:
            taken = await wallet.debit(
                tx,
                held,
                reason=Reason.REFUND,
                key=str(uuid4()),
                amount_micros=amount,
                counter=AccountKind.REFUNDS,
            )
            if taken.debt_micros:
                for resource_id in self.things[which]:
                    await wallet.close_segment(tx, held, resource_id=resource_id)
            return taken.taken_micros, taken.debt_micros

        expected = model.debit(amount, now)
        assert self._do(which, take) == expected
        if expected[1]:
            for resource_id in self.things[which]:
                if use := model.resources[resource_id].open:
                    self._stopped(which, use, now)

    @rule(which=WHICH, thing=THING, tariff=TARIFF, seconds=TIGHT)
    def something_starts_under_a_tight_cap(self, which: int, thing: int, tariff: int, seconds: int) -> None:
        model, now = self.models[which], self._settled(which)
        price = list(self.tariffs.values())[tariff].at(now)[0]
        self._pay(which, max(1, 2 * model.debt + price * (seconds // HOUR + 1)))
        self.start(which=which, thing=thing, tariff=tariff, running=True)
        self.a_cap_is_set(which=which, cap=model.spent(month_of(now), now) + 1 + price * seconds // HOUR)

    @rule(which=WHICH, cap=CAPS)
    def a_cap_is_set(self, which: int, cap: int | None) -> None:
        now = self._settled(which)
        ended = self._do(which, lambda tx, held: wallet.set_cap(tx, held, monthly_micros=cap))
        opened = [thing for thing, resource in self.models[which].resources.items() if resource.open]
        self.models[which].set_cap(cap, now)
        left = [thing for thing, resource in self.models[which].resources.items() if resource.open]
        assert set(ended.depleted) == set(opened) - set(left)

    @rule(which=WHICH, thing=THING, tariff=TARIFF, running=st.booleans())
    def start(self, which: int, thing: int, tariff: int, *, running: bool) -> None:
        model, resource_id = self.models[which], self.things[which][thing]
        now = self._settled(which)
        resource, tariff_id = model.resources[resource_id], list(self.tariffs)[tariff]
        opening = self._opening(resource_id, tariff_id, running=running)
        use = resource.open
        if model.debt:
            self._refused(which, opening, asyncpg.CheckViolationError)
            return
        if use is not None and use.tariff != tariff_id:
            self._refused(which, opening, SegmentConflictError)
            return
        begins = use is None or use.running != running
        assert self._do(which, opening) == begins
        if use is not None and begins:
            self._stopped(which, use, now)
        if begins:
            resource.uses.append(Use(tariff_id, running, self._begun(resource, resource_id, now)))

    @rule(which=WHICH, thing=THING)
    def stop(self, which: int, thing: int) -> None:
        resource_id = self.things[which][thing]
        now = self._settled(which)
        use = self.models[which].resources[resource_id].open
        stopped = self._do(which, self._closing(resource_id))
        assert stopped == (use is not None)
        if use is not None:
            self._stopped(which, use, now)

    @rule(which=WHICH, thing=THING, tariff=TARIFF, running=st.booleans())
    def resize_or_pause(self, which: int, thing: int, tariff: int, *, running: bool) -> None:
        model, resource_id = self.models[which], self.things[which][thing]
        now = self._settled(which)
        resource, tariff_id = model.resources[resource_id], list(self.tariffs)[tariff]
        use = resource.open
        changed = self._do(
            which,
            lambda tx, held: wallet.reprice_segment(
                tx, held, resource_id=resource_id, tariff_id=tariff_id, running=running
            ),
        )
        assert changed == (use is not None and (use.tariff, use.running) != (tariff_id, running))
        if use is not None and changed:
            self._stopped(which, use, now)
            resource.uses.append(Use(tariff_id, running, self._begun(resource, resource_id, now)))

    @rule(which=WHICH, thing=THING, stored=STORED)
    def storage_changes(self, which: int, thing: int, stored: int) -> None:
        resource_id = self.things[which][thing]
        now = self._settled(which)
        resource = self.models[which].resources[resource_id]
        steps, begins_at = -(-stored // STEP_BYTES), (now // HOUR + 1) * HOUR
        kept = [step for step in resource.steps if step[0] < begins_at]
        planned = steps != resource.steps_at(begins_at)
        resource.steps = kept
        if steps != resource.steps_at(now):
            resource.steps = [*kept, (begins_at, steps)]
        told = self._do(
            which, lambda tx, held: wallet.plan_storage(tx, held, resource_id=resource_id, stored_bytes=stored)
        )
        assert told == planned

    @rule(tariff=TARIFF, hours=st.integers(0, 3), price=PRICES, storage=STORAGE_PRICES)
    def a_price_is_set(self, tariff: int, hours: int, price: int, storage: int) -> None:
        tariff_id = list(self.tariffs)[tariff]
        begins_at = (self.epoch // HOUR + 1 + hours) * HOUR
        latest = max(self.closed_through * HOUR, *(model.last_event_at for model in self.models))
        versions = self.tariffs[tariff_id].versions
        same = next((version for version in versions if version[0] == begins_at), None)
        setting = self._set_price(tariff_id, begins_at, price, storage)
        if begins_at <= latest if same is None else same[1:] != (price, storage):
            self._unchanged(setting, TariffRefusedError)
            return
        assert self._run(setting) == (same is None)
        if same is None:
            self.tariffs[tariff_id].versions = sorted([*versions, (begins_at, price, storage)])
            self.reckoned = False

    @rule(tariff=TARIFF, hours=st.integers(0, 30), price=PRICES)
    def a_price_in_the_past_is_refused(self, tariff: int, hours: int, price: int) -> None:
        tariff_id = list(self.tariffs)[tariff]
        begins_at = (self.epoch // HOUR - hours) * HOUR
        if all(version[0] != begins_at for version in self.tariffs[tariff_id].versions):
            self._unchanged(self._set_price(tariff_id, begins_at, price, 0), TariffRefusedError)

    @rule()
    def wallets_are_reckoned(self) -> None:
        self._run(self._reckon())
        for which in range(WALLETS):
            self._settled(which)
        self.reckoned = True

    @rule(hours=st.integers(1, 4), seconds=st.integers(0, 90))
    def hours_go_by_and_are_closed(self, hours: int, seconds: int) -> None:
        self.epoch = (self.epoch // HOUR + hours) * HOUR + seconds
        self.hours_are_closed(hours=hours)

    @precondition(lambda self: self.epoch >= (self.closed_through + 1) * HOUR)
    @rule(hours=st.integers(1, 4))
    def hours_are_closed(self, hours: int) -> None:
        for _ in range(hours):
            if self.epoch >= (self.closed_through + 1) * HOUR:
                self._close()

    @precondition(lambda self: self.epoch >= (self.closed_through + 1) * HOUR)
    @rule(which=WHICH, thing=THING, amount=AMOUNTS)
    def an_hour_is_closed_beside_others(self, which: int, thing: int, amount: int) -> None:
        resource_id, hour = self.things[which][thing], self.closed_through
        now = self._settled(which)

        async def beside() -> Any:
            return await asyncio.gather(
                close_hour(SHARD, hour),
                locked(self.records[which], self._closing(resource_id)),
                close_hour(SHARD, hour),
                top_up(self.records[which], amount),
            )

        use = self.models[which].resources[resource_id].open
        first, stopped, second, _ = self._run(beside())
        assert (first is None) != (second is None)
        assert stopped == (use is not None)
        if use is not None:
            stop = max(now, use.from_at) + use.running
            if use.until_at is None and self._last(resource_id)["until_at"] == stop:
                use.until_at = stop
            else:
                self._stopped(which, use, now)
        self.models[which].credit(amount, now)
        self._closed()

    @precondition(lambda self: self.epoch >= (self.closed_through + 1) * HOUR)
    @rule()
    def an_hour_out_of_turn_is_refused(self) -> None:
        before = self._run(snapshot())
        with pytest.raises(wallet.HourOutOfOrderError):
            self._run(close_hour(SHARD, self.closed_through + 1))
        assert self._run(close_hour(SHARD, self.closed_through - 1)) is None
        assert self._run(snapshot()) == before

    @rule(which=WHICH, thing=THING, after=st.integers(0, 14), what=st.sampled_from(["start", "stop", "pay", "close"]))
    def a_crash_leaves_nothing(self, which: int, thing: int, after: int, what: str) -> None:
        record, resource_id = self.records[which], self.things[which][thing]
        tariff_id = next(iter(self.tariffs))
        opened = self.models[which].resources[resource_id].open
        works: dict[str, Work] = {
            "start": self._opening(resource_id, tariff_id, running=True),
            "stop": self._closing(resource_id),
            "pay": self._paying(str(uuid4()), 1_000_000),
        }
        if what == "start" and (opened or self.models[which].debt):
            return
        if what == "close" and self.epoch < (self.closed_through + 1) * HOUR:
            return
        before = self._run(snapshot())

        async def whole(tx: Connection) -> None:
            if what == "close":
                await wallet.lock_shard_for_close(tx, SHARD)
                assert await wallet.begin_close(tx, SHARD, self.closed_through)
                for wallet_id in await wallet.uncovered_wallets(tx, SHARD, (self.closed_through + 1) * HOUR):
                    await wallet.lock_wallet(tx, wallet_id)
                await wallet.post_hour(tx, SHARD, self.closed_through)
            else:
                await works[what](tx, await wallet.lock_wallet(tx, record.id))
            raise _TooFewStatementsError

        with contextlib.suppress(_TooFewStatementsError):
            self._run(crashed(whole, after=after))
        assert self._run(snapshot()) == before

    @invariant()
    def what_is_available_is_what_the_model_says(self) -> None:
        for model, record in zip(self.models, self.records, strict=True):
            now = max(self.epoch, self.closed_through * HOUR)
            if model.last_event_at > now:
                continue
            ends_at = model.depletes_at()
            seen = self._run(overview(record))
            assert seen.balance_micros >= 0
            assert seen.debt_micros == model.debt
            if self.reckoned:
                assert seen.available_micros == model.available(now if ends_at is None else min(now, ends_at))


class _TooFewStatementsError(Exception):
    """The unit of work ended before its connection was to be cut; it is undone all the same."""


def test_the_books_are_what_plain_integers_say_whatever_happens(control_server: ControlServer) -> None:
    Life.server = control_server
    Life.posted.clear()
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=20,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert min(Life.posted[reason] for reason in REACHED) >= TIMES_MIN, Life.posted
