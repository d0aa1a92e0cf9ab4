"""`python -m tests.bench.provision`: from the order to the customer's first query, against the engine's own statements.

Both are taken in turns in one run: once one at a time, and once 8 at once. The warm pool is full when a round begins,
as it is for a customer who comes by, and it refills itself while the round is measured.
"""

import argparse
import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from tests.bench.figures import median_ms, say_machine, say_table
from tests.bench.raw import Raw, make_until_first_query, opened_raw
from tests.bench.stand import Customer, Stand, prepare_mariadb
from tests.e2e.stack import running_stack

AT_ONCE = 8
SPARES = 8
ENGINES = ("postgresql", "mysql", "mariadb")


@dataclass
class Taken:
    """Seconds of one engine, each list a sample a creation, and `bursts` a sample a round of 8."""

    raw: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)
    raw_bursts: list[float] = field(default_factory=list)
    bursts: list[float] = field(default_factory=list)
    sustained: list[float] = field(default_factory=list)


@dataclass
class Bench:
    """One engine under measurement."""

    stand: Stand
    engine: str
    customers: Sequence[Customer]
    raws: Sequence[Raw]
    taken: Taken = field(default_factory=Taken)

    async def one_at_a_time(self, rounds: int) -> None:
        superuser = self.stand.superuser(self.engine)
        for number in range(rounds):
            name, seconds = await make_until_first_query(self.raws[0], self.engine, superuser)
            self.taken.raw.append(seconds)
            await self.raws[0].drop(name)
            await self.stand.wait_for_spares(self.engine, SPARES)
            customer = self.customers[number % len(self.customers)]
            instance_id, answered, seconds = await customer.create_until_first_query(self.engine)
            self.taken.answered.append(answered)
            self.taken.ours.append(seconds)
            await customer.delete(instance_id)

    async def at_once(self, rounds: int) -> None:
        superuser = self.stand.superuser(self.engine)
        for _ in range(rounds):
            began = time.perf_counter()
            made = await asyncio.gather(*(make_until_first_query(raw, self.engine, superuser) for raw in self.raws))
            self.taken.raw_bursts.append((time.perf_counter() - began) / AT_ONCE)
            for raw, (name, _) in zip(self.raws, made, strict=True):
                await raw.drop(name)
            await self.stand.wait_for_spares(self.engine, SPARES)
            self.taken.bursts.append(await self._burst() / AT_ONCE)

    async def sustained(self, rounds: int) -> None:
        for _ in range(rounds):
            self.taken.sustained.append(await self._burst() / AT_ONCE)

    async def _burst(self) -> float:
        began = time.perf_counter()
        made = await asyncio.gather(*(customer.create_until_first_query(self.engine) for customer in self.customers))
        seconds = time.perf_counter() - began
        for customer, (instance_id, _, _) in zip(self.customers, made, strict=True):
            await customer.delete(instance_id)
        return seconds

    def lines(self) -> list[list[str]]:
        taken = self.taken
        raw, ours = median_ms(taken.raw), median_ms(taken.ours)
        raw_burst, burst = median_ms(taken.raw_bursts), median_ms(taken.bursts)
        sustained = median_ms(taken.sustained)
        return [
            ["one at a time", f"{raw:.1f}", f"{ours:.1f}", f"{ours / raw:.2f}"],
            ["  until the API answers", "", f"{median_ms(taken.answered):.1f}", ""],
            ["8 at once, per creation", f"{raw_burst:.1f}", f"{burst:.1f}", f"{burst / raw_burst:.2f}"],
            ["  against one at a time", f"{ours:.1f}", f"{burst:.1f}", f"{burst / ours:.2f}"],
            [
                "8 at once, without pause",
                f"{raw_burst:.1f}",
                f"{sustained:.1f}",
                f"{sustained / raw_burst:.2f}",
            ],
        ]


async def measure(*, rounds: int, bursts: int, engines: Sequence[str]) -> list[list[str]]:
    """Measure engines of one stack; MariaDB, which serves under MySQL's name, has one of its own."""
    mariadb = "mariadb" in engines
    with running_stack(prepare=prepare_mariadb) if mariadb else running_stack() as stack:
        async with AsyncExitStack() as opened:
            stand = await opened.enter_async_context(Stand.of(stack))
            found = await stand.engines()
            names = {engine: "mysql" if engine == "mariadb" else engine for engine in engines}
            assert [found[name]["flavour"] for name in names.values()] == list(engines)
            say_machine(*(f"{found[name]['flavour']} {found[name]['version']}" for name in names.values()))
            customers = [await opened.enter_async_context(stand.customer()) for _ in range(AT_ONCE)]
            lines = []
            for engine, name in names.items():
                raws = [
                    await opened.enter_async_context(opened_raw(name, stand.superuser(name))) for _ in range(AT_ONCE)
                ]
                bench = Bench(stand, name, customers, raws)
                await bench.one_at_a_time(rounds)
                await bench.at_once(bursts)
                await bench.sustained(bursts)
                lines += [[engine, *told] for told in bench.lines()]
    return lines


async def measure_all(*, rounds: int, bursts: int, engines: Sequence[str]) -> None:
    lines = []
    for stack in ([each for each in engines if each != "mariadb"], [each for each in engines if each == "mariadb"]):
        if stack:
            lines += await measure(rounds=rounds, bursts=bursts, engines=stack)
    header = ["engine", "what", "raw ms", "SyneUDP ms", "ratio"]
    say_table(f"Create until the first query, medians of {rounds} creations and {bursts} bursts", header, lines)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rounds", type=int, default=40)
    asked.add_argument("--bursts", type=int, default=8)
    asked.add_argument("--engine", action="append", choices=ENGINES)
    given = asked.parse_args()
    asyncio.run(measure_all(rounds=given.rounds, bursts=given.bursts, engines=given.engine or ENGINES))


if __name__ == "__main__":
    main()
