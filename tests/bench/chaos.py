"""Kill agent, engines and the billing role at random while eight customers work, then look for anything that differs.

python -m tests.bench.chaos --minutes 5
"""

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from syneudp import instances
from syneudp.engines.client import AgentClient
from syneudp.engines.contract import Engine
from syneudp.instances import InstanceServices
from syneudp.kernel.database import reading
from syneudp.kernel.errors import ProblemError
from syneudp.kernel.logging import configure_logging
from tests.bench.chaos_stand import FLAVOURS, Stand, running_stand
from tests.bench.chaos_verdict import differences, pool_is_whole
from tests.instances.shop import TOKEN, UNIT, Customer, customer, services, stock

CLIENTS = 8
KEPT_EACH = 4
DELIVERY_SECONDS = 5.0
CALM_SECONDS = (1.0, 4.0)
DOWN_SECONDS = (0.2, 2.0)
SETTLED_WITHIN_SECONDS = 150.0
ENGINES = {"postgresql-small": Engine.POSTGRESQL, "mysql-small": Engine.MYSQL}
PLANS = tuple(ENGINES)
MONEY = 1000 * UNIT
DRIVERS_OWN = '"asyncpg.pool"'
UNEXPECTED = ("Traceback", '"redo_failed"', '"delivery_failed"', '"unhandled', '"engine_ahead"', '"host_quarantined"')


@dataclass
class Tally:
    """What was done, how it ended, what was killed; `faults` are failures that no customer should ever see."""

    acts: Counter[str] = field(default_factory=Counter)
    confirmed: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    killed: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    settled_seconds: float = 0.0

    def lines(self) -> list[str]:
        """Print it for a person."""
        pairs = {"acts": self.acts, "confirmed at once": self.confirmed, "refused": self.refused, "killed": self.killed}
        told = [
            f"{name}: " + (", ".join(f"{what} {count}" for what, count in sorted(each.items())) or "none")
            for name, each in pairs.items()
        ]
        told.append(f"settled {self.settled_seconds:.1f} s after the last kill")
        told += [f"FAULT {fault}" for fault in self.faults]
        told += [f"DIFFERENCE {difference}" for difference in self.differences]
        return told or ["nothing was done"]


async def run_chaos(
    *, seconds: float, seed: int, flavour: str = "mysql", clients: int = CLIENTS, kills_min: int = 0
) -> Tally:
    """Run it for so many seconds, and on until so many were killed and a creation was confirmed; a seed has its order.

    A slow machine takes longer to bring back what was killed, and so runs longer.
    """
    tally = Tally()
    chance = random.Random(seed)
    async with running_stand(flavour=flavour) as stand, AgentClient(TOKEN) as agents:
        await stock(agent_url=stand.agent.url, capacity=1000)
        reach = services(agents)
        buyers = [await customer(balance_micros=MONEY) for _ in range(clients)]
        until = time.monotonic() + seconds

        def going_on() -> bool:
            return time.monotonic() < until or tally.killed.total() < kills_min or not tally.confirmed["create"]

        async with asyncio.TaskGroup() as group:
            group.create_task(_kill_at_random(stand, random.Random(chance.random()), going_on, tally))
            for number, buyer in enumerate(buyers):
                group.create_task(_work(reach, buyer, random.Random(chance.random()), going_on, tally, number))
        began = time.monotonic()
        await _settle(stand, tally)
        tally.settled_seconds = time.monotonic() - began
        tally.differences += await differences(stand, reach, buyers)
        tally.faults += [f"agent log: {line}" for line in _unexpected(stand.agent.said())]
        tally.faults += [f"billing log: {line}" for line in _unexpected(stand.billing.said())]
    return tally


async def _kill_at_random(stand: Stand, chance: random.Random, going_on: Callable[[], bool], tally: Tally) -> None:
    victims = stand.victims()
    while going_on():
        await asyncio.sleep(chance.uniform(*CALM_SECONDS))
        name = chance.choice(sorted(victims))
        stop, start = victims[name]
        await asyncio.to_thread(stop)
        tally.killed[name] += 1
        await asyncio.sleep(chance.uniform(*DOWN_SECONDS))
        await asyncio.to_thread(start)


async def _work(
    reach: InstanceServices,
    buyer: Customer,
    chance: random.Random,
    going_on: Callable[[], bool],
    tally: Tally,
    number: int,
) -> None:
    kept: list[UUID] = []
    turn = 0
    while going_on():
        turn += 1
        try:
            await _act(reach, buyer, chance, kept, tally, f"shop{number}-{turn}")
        except ProblemError as problem:
            tally.refused[problem.code] += 1
        except Exception as fault:
            tally.faults.append(f"client {number}: {type(fault).__name__}: {fault}")
        await asyncio.sleep(chance.uniform(0.0, 0.2))


async def _act(
    reach: InstanceServices, buyer: Customer, chance: random.Random, kept: list[UUID], tally: Tally, name: str
) -> None:
    act = "create" if len(kept) < 2 else chance.choice(("create", "suspend", "resume", "rotate", "terminate"))
    if act == "create" and len(kept) >= KEPT_EACH:
        act = "terminate"
    tally.acts[act] += 1
    if act == "create":
        tally.confirmed[act] += await _create(reach, buyer, chance.choice(PLANS), kept, name)
        return
    instance_id = chance.choice(kept)
    await {
        "suspend": partial(buyer.suspend, instance_id),
        "resume": partial(buyer.resume, instance_id),
        "rotate": partial(buyer.rotate, instance_id),
        "terminate": partial(buyer.terminate, instance_id),
    }[act]()
    if act == "terminate":
        kept.remove(instance_id)
    tally.confirmed[act] += await instances.deliver(reach, instance_id, timeout_seconds=DELIVERY_SECONDS)


async def _create(reach: InstanceServices, buyer: Customer, plan: str, kept: list[UUID], name: str) -> bool:
    """Create a database the way the API does: the first lease with the intent, and then its own call."""
    drafted = await reach.passwords.take(ENGINES[plan])
    created = await buyer.begin(name, plan=plan, send_within_seconds=DELIVERY_SECONDS, drafted=drafted)
    assert created.parcel is not None
    kept.append(created.instance.id)
    try:
        ready = await instances.deliver_creation(reach, created.parcel, timeout_seconds=DELIVERY_SECONDS)
    except instances.EngineUnavailableError:
        kept.remove(created.instance.id)
        raise
    return ready is not None


async def _settle(stand: Stand, tally: Tally) -> None:
    """Wait until nothing is on its way: no wish, and no spare that is being made or dropped."""
    await stand.agent.ready()
    deadline = time.monotonic() + SETTLED_WITHIN_SECONDS
    while (waiting := await instances.count_pending(reading())) or not await pool_is_whole(stand):
        if time.monotonic() > deadline:
            tally.differences.append(f"{waiting} instances are still pending, or the pool is not whole")
            return
        await asyncio.sleep(0.2)


def _unexpected(log: str) -> list[str]:
    """Pick the lines that no killing excuses, the cause of a traceback shortened to its end."""
    return [
        f"{line[:200]} ... {line[-300:]}"
        for line in log.splitlines()
        if any(mark in line for mark in UNEXPECTED) and DRIVERS_OWN not in line
    ]


def main() -> int:
    """Run from the command line; status 1 where anything differs in the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--mysql", choices=sorted(FLAVOURS), default="mysql")
    told = parser.parse_args()
    configure_logging("critical", secrets=[])
    print(f"seed {told.seed}, {told.minutes} minutes, {CLIENTS} clients, PostgreSQL and {told.mysql}", flush=True)
    tally = asyncio.run(run_chaos(seconds=told.minutes * 60, seed=told.seed, flavour=told.mysql))
    print("\n".join(tally.lines()))
    agreed = not tally.faults and not tally.differences
    print("registry, engines and control plane agree, and the books are right" if agreed else "they do not agree")
    return 0 if agreed else 1


if __name__ == "__main__":
    sys.exit(main())
