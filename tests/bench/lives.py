"""A street of customers with random lives in one shard, each beside a model of plain integers, hour after hour."""

import random
from bisect import insort
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID, uuid4

from syneudp import wallet
from syneudp.billing.close_hours import close_hour, seal_shard
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, database, row, transact
from syneudp.kernel.logging import configure_logging
from syneudp.ledger import AccountKind, Reason
from syneudp.wallet import EndCause, LockedWallet, Usage, WalletRecord
from tests.proof.model import HOUR, STEP_BYTES, Resource, Tariff, Use, Wallet
from tests.wallet.customers import locked, new_customer

RESOURCES = 3
ACTS = {
    "top_up": 9,
    "pay_again": 2,
    "start": 9,
    "stop": 3,
    "change": 6,
    "store": 5,
    "take_back": 2,
}
LATE_ONE_HOUR_IN = 150
LATE_HOURS = (2, 48)
SEALED_EACH_HOURS = 24
RUNWAY = 1
AMOUNT_POWERS = (5.2, 8.2)
YEAR_HOURS = 8_784
LAST = "SELECT from_at FROM usage_segments WHERE resource_id = $1 ORDER BY from_at DESC LIMIT 1"


class DifferenceError(Exception):
    """A verb answered otherwise than the model says."""


def same(told: object, expected: object, what: str) -> None:
    """Raise DifferenceError where the product tells something else than the model."""
    if told != expected:
        raise DifferenceError(f"{what}: {told} told, {expected} expected")


@dataclass
class Thing(Resource):
    """A resource that remembers the area of what has ended, in micro-unit seconds an hour."""

    ended: int = 0
    area: int = 0


class Remembering(Wallet):
    """The model, quick enough for a year: what has ended is added up once, in the order it ended."""

    def charged(self, resource: Resource, until_at: int) -> int:
        assert isinstance(resource, Thing)
        for use in resource.uses[resource.ended :]:
            if use.until_at is None:
                break
            resource.area += self._area(resource, use, until_at)
            resource.ended += 1
        opened = sum(self._area(resource, use, until_at) for use in resource.uses[resource.ended :])
        return (resource.area + opened) // HOUR

    def charged_from_scratch(self, until_at: int) -> int:
        """Tell what everything cost up to an instant, with nothing remembered."""
        return sum(Wallet.charged(self, resource, until_at) for resource in self.resources.values())


@dataclass
class Customer:
    """A wallet, its model, and the instant at which the model says that its money ends."""

    record: WalletRecord
    model: Remembering
    ends_at: int | None = None

    def settle(self, now: int, closed_through_at: int) -> bool:
        """Bring the model to an instant; True where its money had ended."""
        self.model.posted_through_at = closed_through_at
        self.model.last_event_at = max(self.model.last_event_at, now)
        if self.ends_at is None or self.ends_at > now:
            return False
        self.model.settle(now)
        self.ends_at = None
        return True

    def stopped(self, use: Use, now: int) -> None:
        ends_at = self.model.depletes_at()
        end = max(now, use.from_at) + use.running
        use.until_at = max(end if ends_at is None else min(end, ends_at), use.from_at)

    def started(self, resource: Resource, tariff_id: UUID, *, running: bool, now: int, begun: int) -> None:
        earliest = max(now, max((use.until_at or 0 for use in resource.uses), default=0))
        same(earliest <= begun <= earliest + 1, True, f"{begun} begins at {earliest}")
        resource.uses.append(Use(tariff_id, running, begun))


@dataclass
class Street:
    """The customers of one shard and all that is to come for them; goes from process to process as it is."""

    shard: int
    hour: int
    tariffs: dict[UUID, Tariff]
    chance: random.Random
    largest: float = 1.0
    customers: list[Customer] = field(default_factory=list)
    agenda: list[tuple[int, int]] = field(default_factory=list)
    closed_through: int = 0
    late_until: int = 0
    done: Counter[str] = field(default_factory=Counter)

    async def settle_in(self, customers: int, *, hours: int, acts: int) -> None:
        """Open the wallets and draw the instants of what will happen, on average so many acts a customer."""
        self.closed_through, self.largest = self.hour, hours / YEAR_HOURS
        for number in range(customers):
            record = await new_customer(shard=self.shard)
            model = Remembering(
                self.tariffs, last_event_at=self.hour * HOUR, posted_through_at=self.closed_through * HOUR
            )
            model.resources = {uuid4(): Thing() for _ in range(RESOURCES)}
            self.customers.append(Customer(record, model))
            for _ in range(self.chance.randint(acts // 2, acts + acts // 2)):
                instant = self.hour * HOUR + self.chance.randrange(hours * HOUR)
                insort(self.agenda, (-instant, number))

    async def live(self, until_hour: int, *, last: bool) -> None:
        """Let the hours pass, each with what happens in it, and close each, sometimes many hours late."""
        for customer in self.customers:
            customer.model.posted_through_at = self.closed_through * HOUR
            customer.ends_at = customer.model.depletes_at()
        for hour in range(self.hour, until_hour):
            over = (hour + 1) * HOUR
            while self.agenda and -self.agenda[-1][0] < over:
                instant, number = self.agenda.pop()
                with clock.frozen(-instant):
                    await self._act(self.customers[number], -instant)
            if hour >= self.late_until and self.chance.randrange(LATE_ONE_HOUR_IN) == 0:
                self.late_until = hour + self.chance.randint(*LATE_HOURS)
                self.done["late closes"] += 1
            if hour >= self.late_until or (last and hour == until_hour - 1):
                with clock.frozen(over):
                    await self._close_through(hour + 1)
        self.hour = until_hour

    async def _close_through(self, hour: int) -> None:
        caught_up = hour - self.closed_through > 1
        while self.closed_through < hour:
            closing = partial(close_hour, shard=self.shard, hour=self.closed_through, held=lambda: None)
            same(await transact(closing), 1, f"shard {self.shard} closes hour {self.closed_through}")
            end = (self.closed_through + 1) * HOUR
            for customer in self.customers:
                if customer.ends_at is not None and customer.ends_at < end:
                    self.done["ran dry"] += customer.settle(hour * HOUR, self.closed_through * HOUR)
            self.closed_through += 1
            self.done["hours closed"] += 1
        if caught_up or hour % SEALED_EACH_HOURS == 0:
            await transact(partial(seal_shard, shard=self.shard))

    async def _act(self, customer: Customer, instant: int) -> None:
        now = customer.model.now(instant, self.closed_through * HOUR)
        self.done["ran dry"] += customer.settle(now, self.closed_through * HOUR)
        [act] = self.chance.choices(list(ACTS), list(ACTS.values()))
        resource_id = self.chance.choice(list(customer.model.resources))
        if act == "top_up" or (act == "pay_again" and not customer.model.payments):
            act = "top_up"
            await self._pay(customer, str(uuid4()), self._amount(), now)
        elif act == "pay_again":
            key = self.chance.choice(list(customer.model.payments))
            await self._pay(customer, key, customer.model.payments[key], now)
        elif act == "store":
            await self._store(customer, resource_id, now)
        elif act == "take_back":
            await self._take_back(customer, now)
        else:
            act = await self._use(customer, resource_id, act, now)
        self.done[act] += 1
        customer.ends_at = customer.model.depletes_at()

    def _amount(self) -> int:
        return 1 + int(self.largest * 10 ** self.chance.uniform(*AMOUNT_POWERS))

    async def _pay(self, customer: Customer, key: str, amount: int, now: int) -> None:
        known = key in customer.model.payments

        async def pay(tx: Connection, held: LockedWallet) -> bool:
            told = await wallet.credit_top_up(tx, held, provider="sandbox", payment_id=key, amount_micros=amount)
            return told.replayed

        same(await locked(customer.record, pay), known, f"payment {key} told again")
        if not known:
            customer.model.payments[key] = amount
            customer.model.credit(amount, now)

    async def _use(self, customer: Customer, resource_id: UUID, act: str, now: int) -> str:
        model = customer.model
        use = model.resources[resource_id].open
        if act == "stop":
            await self._stop(customer, resource_id, now)
            return "stop" if use else "stop of nothing"
        if model.debt:
            await self._frozen(customer, resource_id)
            return "start refused for debt"
        if act == "change" or use:
            return await self._change(customer, resource_id, now)
        await self._start(customer, resource_id, now)
        return "start"

    async def _frozen(self, customer: Customer, resource_id: UUID) -> None:
        usage = Usage(resource_id, next(iter(self.tariffs)))
        missing = await locked(
            customer.record, lambda tx, held: wallet.lacking(tx, held, added=[usage], runway_seconds=RUNWAY)
        )
        same(EndCause.BALANCE in missing, True, f"wallet {customer.record.id} owes and covers")

    async def _start(self, customer: Customer, resource_id: UUID, now: int) -> None:
        tariff_id, running = self._way()

        async def start(tx: Connection, held: LockedWallet) -> int:
            same(
                await wallet.open_segment(tx, held, resource_id=resource_id, tariff_id=tariff_id, running=running),
                True,
                f"start of {resource_id}",
            )
            return await begun_at(tx, resource_id)

        begun = await locked(customer.record, start)
        customer.started(customer.model.resources[resource_id], tariff_id, running=running, now=now, begun=begun)

    async def _change(self, customer: Customer, resource_id: UUID, now: int) -> str:
        tariff_id, running = self._way()
        resource = customer.model.resources[resource_id]
        use = resource.open
        changes = use is not None and (use.tariff, use.running) != (tariff_id, running)

        async def change(tx: Connection, held: LockedWallet) -> int:
            same(
                await wallet.reprice_segment(tx, held, resource_id=resource_id, tariff_id=tariff_id, running=running),
                changes,
                f"change of {resource_id}",
            )
            return await begun_at(tx, resource_id) if changes else 0

        begun = await locked(customer.record, change)
        if use is None or not changes:
            return "change of nothing"
        customer.stopped(use, now)
        customer.started(resource, tariff_id, running=running, now=now, begun=begun)
        return "pause or resume" if use.running != running else "plan change"

    async def _stop(self, customer: Customer, resource_id: UUID, now: int) -> None:
        use = customer.model.resources[resource_id].open
        told = await locked(customer.record, lambda tx, held: wallet.close_segment(tx, held, resource_id=resource_id))
        same(told, use is not None, f"stop of {resource_id}")
        if use is not None:
            customer.stopped(use, now)

    async def _store(self, customer: Customer, resource_id: UUID, now: int) -> None:
        resource = customer.model.resources[resource_id]
        stored = self.chance.choice((0, 1, STEP_BYTES, STEP_BYTES + 1, self.chance.randrange(400) * STEP_BYTES))
        steps, begins_at = -(-stored // STEP_BYTES), (now // HOUR + 1) * HOUR
        planned = steps != resource.steps_at(begins_at)
        resource.steps = [step for step in resource.steps if step[0] < begins_at]
        if steps != resource.steps_at(now):
            resource.steps.append((begins_at, steps))
        told = await locked(
            customer.record,
            lambda tx, held: wallet.plan_storage(tx, held, resource_id=resource_id, stored_bytes=stored),
        )
        same(told, planned, f"storage of {resource_id}")

    async def _take_back(self, customer: Customer, now: int) -> None:
        model, amount = customer.model, self._amount()

        async def take(tx: Connection, held: LockedWallet) -> tuple[int, int]:
            taken = await wallet.debit(
                tx, held, reason=Reason.REFUND, key=str(uuid4()), amount_micros=amount, counter=AccountKind.REFUNDS
            )
            if taken.debt_micros:
                for resource_id in model.resources:
                    await wallet.close_segment(tx, held, resource_id=resource_id)
            return taken.taken_micros, taken.debt_micros

        expected = model.debit(amount, now)
        same(await locked(customer.record, take), expected, f"refund of {amount} by {customer.record.id}")
        if expected[1]:
            self.done["frozen for debt"] += 1
            for resource in model.resources.values():
                if use := resource.open:
                    customer.stopped(use, now)

    def _way(self) -> tuple[UUID, bool]:
        return self.chance.choice(list(self.tariffs)), self.chance.random() < 0.75


async def begun_at(tx: Connection, resource_id: UUID) -> int:
    found = await row(tx, LAST, resource_id)
    assert found is not None
    return int(found["from_at"])


async def live_apart(url: str, street: Street, until_hour: int, *, last: bool) -> Street:
    """Live through some hours in a process of its own, which has a clock of its own."""
    configure_logging("critical", secrets=[])
    async with database(url, application_name=f"bench-year-{street.shard}", pool_size=2):
        await street.live(until_hour, last=last)
    return street
