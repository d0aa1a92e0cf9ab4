"""The books as plain integers: what a wallet must have been charged, told from what happened to it alone."""

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

HOUR = 3600
STEP_BYTES = 64 << 20
STEPS_A_GIB = 16
PRICE_MAX = 1_000_000_000
HORIZON_AT = 4_102_444_800
MONTHS_AHEAD = 8


def month_begins_at(year: int, number: int) -> int:
    return int(datetime(year + (number - 1) // 12, (number - 1) % 12 + 1, 1, tzinfo=UTC).timestamp())


def month_of(instant: int) -> tuple[int, int]:
    moment = datetime.fromtimestamp(instant, UTC)
    return moment.year, moment.month


@dataclass
class Tariff:
    versions: list[tuple[int, int, int]]

    def at(self, instant: int) -> tuple[int, int]:
        holds = [version for version in self.versions if version[0] <= instant]
        return holds[-1][1:]


@dataclass
class Use:
    tariff: UUID
    running: bool
    from_at: int
    until_at: int | None = None


@dataclass
class Resource:
    uses: list[Use] = field(default_factory=list)
    steps: list[tuple[int, int]] = field(default_factory=list)

    @property
    def open(self) -> Use | None:
        return self.uses[-1] if self.uses and self.uses[-1].until_at is None else None

    def steps_at(self, instant: int) -> int:
        stored = [steps for begins_at, steps in self.steps if begins_at <= instant]
        return stored[-1] if stored else 0


@dataclass
class Wallet:
    tariffs: dict[UUID, Tariff]
    money: int = 0
    debt: int = 0
    last_event_at: int = 0
    posted_through_at: int = 0
    resources: dict[UUID, Resource] = field(default_factory=dict)
    payments: dict[str, int] = field(default_factory=dict)
    cap: int | None = None
    cap_set_at: int = 0

    def price(self, resource: Resource, use: Use, instant: int) -> int:
        hour_price, storage_price = self.tariffs[use.tariff].at(instant)
        stored = resource.steps_at(instant) * storage_price // STEPS_A_GIB
        return min(PRICE_MAX, hour_price * use.running + stored)

    def charged(self, resource: Resource, until_at: int) -> int:
        """Tell what it cost, what is open up to an instant: what ended was charged wholly, its last second too."""
        return sum(self._area(resource, use, until_at) for use in resource.uses) // HOUR

    def charged_in_all(self, until_at: int) -> int:
        return sum(self.charged(resource, until_at) for resource in self.resources.values())

    def spent(self, month: tuple[int, int], until_at: int) -> int:
        """Tell what every second of a month up to an instant costs, whatever was charged by then."""
        begins_at = month_begins_at(*month)
        return sum(
            sum(self._area(resource, use, until_at, ended=False) for use in resource.uses) // HOUR
            - sum(self._area(resource, use, begins_at, ended=False) for use in resource.uses) // HOUR
            for resource in self.resources.values()
        )

    def set_cap(self, cap: int | None, now: int) -> None:
        if cap != self.cap:
            self.cap, self.cap_set_at = cap, now
            self.settle(now)

    def depletes_at(self) -> int | None:
        """Tell when what is open ends, for the money or for the cap."""
        ends_at = self.money_ends_at()
        if ends_at is None or self.cap is None:
            return ends_at
        begin = max(
            self.posted_through_at,
            self.cap_set_at,
            min(use.from_at for resource in self.resources.values() if (use := resource.open)),
        )
        year, number = month_of(begin)
        for ahead in range(MONTHS_AHEAD):
            month, stop = (year, number + ahead), month_begins_at(year, number + ahead + 1)
            if self.spent(month, stop) > self.cap:
                first = max(begin, month_begins_at(*month))
                fitting = bisect_right(range(first, stop), self.cap, key=partial(self.spent, month))
                return min(ends_at, first + max(fitting - 1, 0))
        return ends_at

    def money_ends_at(self) -> int | None:
        opened = [(resource, use) for resource in self.resources.values() if (use := resource.open)]
        if not any(self._ever_costs(resource, use) for resource, use in opened):
            return None
        begin = max(self.posted_through_at, min(use.from_at for _, use in opened))
        covered = bisect_right(range(begin, HORIZON_AT + 1), self.money, key=self.charged_in_all)
        return begin + covered - 1

    def settle(self, now: int) -> int | None:
        """End what is open where the money did; afterwards the instant of `depletes_at` is ahead, or None."""
        self.last_event_at = max(self.last_event_at, now)
        ends_at = self.depletes_at()
        if ends_at is None or ends_at > now:
            return ends_at
        for resource in self.resources.values():
            if resource.open:
                resource.open.until_at = max(ends_at, resource.open.from_at)
        return None

    def now(self, clock: int, closed_through_at: int) -> int:
        return max(clock, closed_through_at, self.last_event_at)

    def available(self, now: int) -> int:
        return self.money - self.charged_in_all(now)

    def credit(self, amount: int, now: int) -> None:
        self.money += amount
        self.debt -= (paid := min(self.debt, max(self.available(now), 0)))
        self.money -= paid

    def debit(self, amount: int, now: int) -> tuple[int, int]:
        taken = min(amount, max(self.available(now), 0))
        self.money -= taken
        self.debt += amount - taken
        return taken, amount - taken

    def _area(self, resource: Resource, use: Use, until_at: int, *, ended: bool = True) -> int:
        end = until_at if use.until_at is None else use.until_at if ended else min(until_at, use.until_at)
        if end <= use.from_at:
            return 0
        changes = {begins_at for begins_at, _ in resource.steps} | {
            version[0] for version in self.tariffs[use.tariff].versions
        }
        cuts = [use.from_at, *sorted(cut for cut in changes if use.from_at < cut < end), end]
        return sum(
            self.price(resource, use, begin) * (stop - begin) for begin, stop in zip(cuts, cuts[1:], strict=False)
        )

    def _ever_costs(self, resource: Resource, use: Use) -> bool:
        changes = [begins_at for begins_at, _ in resource.steps] + [
            version[0] for version in self.tariffs[use.tariff].versions
        ]
        return any(self.price(resource, use, max(use.from_at, instant)) for instant in [use.from_at, *changes])
