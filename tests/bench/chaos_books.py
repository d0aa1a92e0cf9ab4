"""Kill two api and two billing processes at random while customers pay and use databases, then audit the books.

python -m tests.bench.chaos_books --minutes 5
"""

import argparse
import asyncio
import base64
import random
import secrets
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from entrypoints.embedded import free_port
from syneudp import instances
from syneudp.commands.ledger_audit import audit_books
from syneudp.engines.client import AgentClient
from syneudp.engines.contract import Engine
from syneudp.identity import AuthServer, AuthTokens, IdentitySettings
from syneudp.identity.local_auth import LocalAuthSettings, create_local_auth
from syneudp.instances import InstanceServices
from syneudp.kernel import clock
from syneudp.kernel.database import reading, rows
from syneudp.kernel.logging import configure_logging
from tests.bench.chaos_stand import migrate_apart
from tests.billing.past import HOUR, billing_environment, lag, pending, rewind_shards
from tests.instances.agents import Role, agent_of_postgresql, customers_postgresql
from tests.instances.shop import TOKEN, customer, services, stock
from tests.servers import TEMPLATE, ControlDatabase, ControlServer, opened_control, passing_folder, running_postgresql
from tests.web.stand import served, stand_variables

PROCESSES_EACH = 2
CUSTOMERS_SINCE = 10
HOURS_MISSED = 40
CLIENTS = 6
CALM_SECONDS = (0.5, 2.5)
DOWN_SECONDS = (0.1, 1.5)
CALL_SECONDS = 15.0
SETTLED_WITHIN_SECONDS = 180.0
PAYMENTS_MICROS = (5_000, 400_000, 2_000_000)
RETRIED = frozenset({429, 500, 502, 503, 504})
USED = (
    "SELECT w.id, coalesce(sum(div(s.area, 3600)), 0)::bigint AS due,"
    " (SELECT coalesce(-sum(e.amount_micros), 0)::bigint FROM entries e JOIN transfers t ON t.id = e.transfer_id"
    "  WHERE e.account_id = w.account_id AND t.reason LIKE 'usage%') AS posted"
    " FROM wallets w JOIN shards h ON h.shard = w.shard LEFT JOIN LATERAL ("
    "  SELECT resource_id, sum(price_micros_per_hour"
    "   * greatest(coalesce(until_at, h.closed_through * 3600) - from_at, 0)) AS area"
    "  FROM usage_segments WHERE wallet_id = w.id GROUP BY resource_id) s ON true GROUP BY w.id"
)
PAID = (
    "SELECT u.email, coalesce(sum(t.amount_micros), 0)::bigint AS micros, count(*) AS payments FROM top_ups t"
    " JOIN wallets w ON w.id = t.wallet_id JOIN users u ON u.id = w.user_id GROUP BY u.email"
)


@dataclass
class Tally:
    """What was asked for and answered, what was killed, and what is wrong in the end."""

    answers: Counter[str] = field(default_factory=Counter)
    killed: Counter[str] = field(default_factory=Counter)
    paid: Counter[str] = field(default_factory=Counter)
    payments: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Print it for a person."""
        told = [
            f"{name}: " + (", ".join(f"{what} {count}" for what, count in sorted(each.items())) or "none")
            for name, each in (("answers", self.answers), ("killed", self.killed))
        ]
        told.append(f"{sum(self.payments.values())} payments acknowledged, each credited once")
        return told + [f"FAULT {fault}" for fault in self.faults]


@dataclass(frozen=True)
class Stand:
    roles: dict[str, Role]
    api_urls: list[str]
    variables: dict[str, str]


async def run_chaos(*, seconds: float, seed: int) -> Tally:
    """Run it for so many seconds; the same seed kills in the same order."""
    tally, chance = Tally(), random.Random(seed)
    async with _running_stand() as stand, aiohttp.ClientSession() as session:
        until = time.monotonic() + seconds
        emails = [f"client{number}@example.com" for number in range(CLIENTS)]
        clients = [await _Client.arrive(stand, session, email, chance.random(), tally) for email in emails]
        async with asyncio.TaskGroup() as group:
            group.create_task(_kill_at_random(stand, random.Random(chance.random()), until, tally))
            for client in clients:
                group.create_task(client.live(until))
        await _settle(tally)
        await _judge(tally)
    return tally


@asynccontextmanager
async def _running_stand() -> AsyncIterator[Stand]:
    async with AsyncExitStack() as opened:
        keeper = opened.enter_context(running_postgresql())
        engine = opened.enter_context(customers_postgresql())
        agent = opened.enter_context(agent_of_postgresql(engine))
        folder = opened.enter_context(passing_folder())
        server = ControlServer(keeper)
        await server.make_roles()
        await asyncio.to_thread(migrate_apart, (await server.create_empty(TEMPLATE)).owner_url)
        control = await opened.enter_async_context(opened_control(server))
        agents = await opened.enter_async_context(AgentClient(TOKEN))
        await agent.ready()
        await _live_in_the_past(control, services(agents), agent.url)
        keys = f"k1:{base64.b64encode(bytes(range(32))).decode()}"
        shared = {"SYNEUDP_SEALING_KEYS": keys, "SYNEUDP_AGENT_TOKEN": TOKEN, "SYNEUDP_MINIMUM_RUNWAY_SECONDS": "1"}
        variables = {**stand_variables(control), **shared}
        auth = create_local_auth(LocalAuthSettings.model_validate(variables))
        await opened.enter_async_context(served(auth, variables["SYNEUDP_AUTH_BIND"]))
        binds = [f"127.0.0.1:{free_port()}" for _ in range(PROCESSES_EACH)]
        roles = {
            f"api{number}": Role(
                "api",
                {**variables, "SYNEUDP_BIND": bind, "SYNEUDP_PUBLIC_URL": f"http://{bind}"},
                folder / f"api{number}.log",
            )
            for number, bind in enumerate(binds)
        } | {
            f"billing{number}": Role("billing", billing_environment(control), folder / f"billing{number}.log")
            for number in range(PROCESSES_EACH)
        }
        for role in roles.values():
            opened.callback(role.kill)
            role.start()
        yield Stand(roles=roles, api_urls=[f"http://{bind}" for bind in binds], variables=variables)


async def _live_in_the_past(control: ControlDatabase, reach: InstanceServices, agent_url: str) -> None:
    await stock(agent_url=agent_url, engines=(Engine.POSTGRESQL,))
    first_hour = await rewind_shards(control, hours=HOURS_MISSED)
    with clock.frozen(first_hour * HOUR + 700):
        for number in range(CUSTOMERS_SINCE):
            buyer = await customer(balance_micros=PAYMENTS_MICROS[number % len(PAYMENTS_MICROS)])
            for name in ("one", "two"):
                made = await buyer.create(name, plan="postgresql-small", runway_seconds=1)
                await instances.deliver(reach, made.id, timeout_seconds=20)


async def _kill_at_random(stand: Stand, chance: random.Random, until: float, tally: Tally) -> None:
    while time.monotonic() < until:
        await asyncio.sleep(chance.uniform(*CALM_SECONDS))
        name = chance.choice(sorted(stand.roles))
        await asyncio.to_thread(stand.roles[name].kill)
        tally.killed[name] += 1
        await asyncio.sleep(chance.uniform(*DOWN_SECONDS))
        stand.roles[name].start()


class _Client:
    """A customer with a program: asks either api process, and asks again with the same key until it is answered."""

    def __init__(
        self,
        stand: Stand,
        session: aiohttp.ClientSession,
        email: str,
        headers: dict[str, str],
        seed: float,
        tally: Tally,
    ) -> None:
        self._stand = stand
        self._session = session
        self._email = email
        self._headers = headers
        self._chance = random.Random(seed)
        self._tally = tally
        self._turn = 0

    @classmethod
    async def arrive(
        cls, stand: Stand, session: aiohttp.ClientSession, email: str, seed: float, tally: Tally
    ) -> "_Client":
        async with AuthServer(IdentitySettings.model_validate(stand.variables)) as auth:
            tokens = await auth.sign_up(email=email, password=secrets.token_urlsafe(24))
        assert isinstance(tokens, AuthTokens)
        return cls(stand, session, email, {"Authorization": f"Bearer {tokens.access_token}"}, seed, tally)

    async def live(self, until: float) -> None:
        """Pay and use until the time is over; what was begun is asked for until it is answered."""
        await self._pay()
        while time.monotonic() < until:
            self._turn += 1
            await self._chance.choice((self._pay, self._create, self._change, self._change, self._look))()
            await asyncio.sleep(self._chance.uniform(0.0, 0.3))

    async def _pay(self) -> None:
        amount = self._chance.choice(PAYMENTS_MICROS)
        status, _ = await self._ask("POST", "/wallet/top-ups", {"amount_micros": amount}, key=secrets.token_hex(8))
        if status == 201:
            self._tally.paid[self._email] += amount
            self._tally.payments[self._email] += 1
        else:
            self._tally.faults.append(f"a payment was answered {status}")

    async def _create(self) -> None:
        wanted = {"name": f"shop-{self._turn}", "engine": "postgresql", "plan": "postgresql-small"}
        await self._ask("POST", "/instances", wanted, key=secrets.token_hex(8))

    async def _change(self) -> None:
        live = [each for each in await self._instances() if each["status"] not in {"terminating", "terminated"}]
        if not live:
            return
        one = self._chance.choice(live)
        act = self._chance.choice(("suspend", "resume", "rotate", "terminate") if len(live) < 4 else ("terminate",))
        if act == "terminate":
            await self._ask("DELETE", f"/instances/{one['id']}")
        else:
            await self._ask("POST", f"/instances/{one['id']}/{act}", key=secrets.token_hex(8))

    async def _look(self) -> None:
        _, told = await self._ask("GET", "/wallet")
        if told.get("balance_micros", 0) < 0 or told.get("available_micros", 0) < 0:
            self._tally.faults.append(f"a wallet shows {told}")

    async def _instances(self) -> list[dict[str, Any]]:
        status, told = await self._ask("GET", "/instances?limit=100")
        return list(told["items"]) if status == 200 else []

    async def _ask(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> tuple[int, Any]:
        headers = self._headers | ({} if key is None else {"Idempotency-Key": key})
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
        for _ in range(400):
            url = f"{self._chance.choice(self._stand.api_urls)}/api/v1{path}"
            try:
                async with self._session.request(method, url, json=body, headers=headers, timeout=timeout) as answer:
                    self._tally.answers[f"{method} {answer.status}"] += 1
                    if answer.status not in RETRIED:
                        return answer.status, await answer.json()
                    if answer.status == 500:
                        self._tally.faults.append(f"{method} {path}: {await answer.text()}")
            except (aiohttp.ClientError, TimeoutError):
                self._tally.answers["cut off"] += 1
            await asyncio.sleep(0.2)
        self._tally.faults.append(f"{method} {path} was never answered")
        return 0, {}


async def _settle(tally: Tally) -> None:
    deadline = time.monotonic() + SETTLED_WITHIN_SECONDS
    while await lag() or await pending():
        if time.monotonic() > deadline:
            tally.faults.append(f"{await lag()} shards behind and {await pending()} instances pending in the end")
            return
        await asyncio.sleep(0.3)


async def _judge(tally: Tally) -> None:
    tally.faults += [f"books: {finding.rule} {finding.row} {finding.detail}" for finding in await audit_books()]
    for used in await rows(reading(), USED):
        if used["due"] != used["posted"]:
            tally.faults.append(f"wallet {used['id']} was charged {used['posted']} for {used['due']}")
    credited = {found["email"]: found for found in await rows(reading(), PAID)}
    for email, micros in tally.paid.items():
        found = credited[email]
        if (found["micros"], found["payments"]) != (micros, tally.payments[email]):
            tally.faults.append(f"{email} paid {micros} in {tally.payments[email]} and was credited {found}")


def main() -> int:
    """Run from the command line; status 1 where anything is wrong in the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    told = parser.parse_args()
    configure_logging("critical", secrets=[])
    print(f"seed {told.seed}, {told.minutes} minutes, {CLIENTS} clients", flush=True)
    tally = asyncio.run(run_chaos(seconds=told.minutes * 60, seed=told.seed))
    print("\n".join(tally.lines()))
    print("the books are right" if not tally.faults else "the books are not right")
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
