"""`python -m tests.bench.scale`: what an agent's calls cost with 2,000 instances on one engine, against 50.

Everything goes through the agent's HTTP interface: an instance made from a spare and one made without, a suspend with a
session open, a page of 50 of the list, and the measurement of the whole engine for each instance on it. Both fleets
stand on the same server in one run, the second grown out of the first; servers and their folders go when it ends.
"""

import argparse
import asyncio
import copy
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final

from syneudp.engines.agent.spares import fill
from syneudp.engines.client import AgentClient
from syneudp.engines.contract import State
from syneudp.kernel.identifiers import new_id
from syneudp.kernel.logging import configure_logging
from tests.bench.figures import say_machine, say_table
from tests.bench.stand import Endpoint, connect_mysql, connect_postgresql
from tests.bench.suspend import KINDS, Stand, Tenant, serve_agent

PAGE: Final = 50
AT_ONCE: Final = 8
SPARES: Final = 4
TARGET: Final = 1.3
CALLS: Final = (
    "create from a spare",
    "create without a spare",
    "suspend",
    "list, a page of 50",
    "usage, per instance",
    "usage, whole",
    "watch, whole",
    "fill, per spare",
)
JUDGED: Final = CALLS[:5]


@dataclass
class Fleet:
    """All instances of one engine, and one tenant after whose likeness they are made."""

    stand: Stand
    client: AgentClient
    url: str
    pattern: Tenant
    standing: int = 0
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def another(self) -> Tenant:
        tenant = copy.copy(self.pattern)
        tenant.instance_id, tenant.generation = new_id(), 0
        return tenant

    async def grow(self, to: int) -> None:
        wanted = iter(range(self.standing, to))

        async def make() -> None:
            for _ in wanted:
                await self.another().want("create", State.RUNNING)

        async with asyncio.TaskGroup() as making:
            for _ in range(AT_ONCE):
                making.create_task(make())
        self.standing = to

    async def measure(self, rounds: int) -> dict[str, float]:
        self.seconds = {call: [] for call in CALLS}
        for _ in range(rounds):
            await self._round()
        return {call: statistics.median(taken) * 1000 for call, taken in self.seconds.items()}

    async def _round(self) -> None:
        cold, warm = self.another(), self.another()
        await self._timed("create without a spare", lambda: cold.want("create", State.RUNNING))
        began = time.perf_counter()
        await fill(self.stand.driver, size=SPARES)
        self.seconds["fill, per spare"].append((time.perf_counter() - began) / SPARES)
        await self._timed("create from a spare", lambda: warm.want("create", State.RUNNING))
        await self._suspend(warm)
        await self._timed(
            "list, a page of 50",
            lambda: self.client.reports(
                agent_url=self.url, engine=self.stand.engine, limit=PAGE, cursor=str(self.pattern.instance_id)
            ),
        )
        whole = await self._timed(
            "usage, whole", lambda: self.client.usage(agent_url=self.url, engine=self.stand.engine)
        )
        self.seconds["usage, per instance"].append(whole / self.standing)
        await self._timed("watch, whole", self.stand.driver.watch)
        for tenant in (cold, warm):
            await tenant.want("terminate", State.TERMINATED)
        await fill(self.stand.driver, size=0)

    async def _suspend(self, tenant: Tenant) -> None:
        made = await tenant.want("resume", State.RUNNING)
        endpoint = Endpoint(made.endpoint.host, made.endpoint.port, made.database, made.username, tenant.password)
        opened = (
            await connect_postgresql(endpoint)
            if self.stand.engine.value == "postgresql"
            else await connect_mysql(endpoint)
        )
        try:
            await self._timed("suspend", lambda: tenant.want("suspend", State.SUSPENDED))
        finally:
            await asyncio.wait_for(opened.close(), 5) if self.stand.engine.value == "postgresql" else opened.close()

    async def _timed(self, call: str, work: Callable[[], Awaitable[object]]) -> float:
        began = time.perf_counter()
        await work()
        taken = time.perf_counter() - began
        self.seconds[call].append(taken)
        return taken


async def measure(name: str, *, few: int, many: int, rounds: int) -> list[list[str]]:
    async with AsyncExitStack() as opened:
        stand = await opened.enter_async_context(KINDS[name]())
        client, url = await serve_agent(opened, stand)
        fleet = Fleet(stand, client, url, Tenant(client, url, stand.engine, connections=8))
        await fleet.pattern.want("create", State.RUNNING)
        fleet.standing = 1
        taken = []
        for size in (few, many):
            await fleet.grow(size)
            taken.append(await fleet.measure(rounds))
            print(f"{name}: {size} instances measured", flush=True)
    before, after = taken
    lines = []
    for call in CALLS:
        ratio = after[call] / before[call]
        verdict = "" if call not in JUDGED else "met" if ratio <= TARGET else "missed"
        lines.append([name, call, f"{before[call]:.2f}", f"{after[call]:.2f}", f"{ratio:.2f}", verdict])
    return lines


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scale", description=__doc__)
    parser.add_argument("--engine", choices=KINDS, action="append")
    parser.add_argument("--few", type=int, default=50)
    parser.add_argument("--many", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=40)
    asked = parser.parse_args()
    configure_logging("error")
    engines = asked.engine or ["postgresql", "mysql"]
    say_machine(*engines)
    lines = []
    for name in engines:
        lines += await measure(name, few=asked.few, many=asked.many, rounds=asked.rounds)
    header = ["engine", "call", f"{asked.few}: ms", f"{asked.many}: ms", "ratio", f"at most {TARGET}"]
    say_table(f"The agent's calls, medians of {asked.rounds} rounds", header, lines)


if __name__ == "__main__":
    asyncio.run(main())
