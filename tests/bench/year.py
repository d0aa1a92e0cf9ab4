"""Let many customers live through a simulated year, and compare every wallet with plain integers in the end.

python -m tests.bench.year --hours 8784 --customers 1000
"""

import argparse
import asyncio
import multiprocessing
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID, uuid4

from syneudp import wallet
from syneudp.billing.extend_books import extend_books
from syneudp.billing.reckon_prices import reckon_prices
from syneudp.commands.ledger_audit import audit_books
from syneudp.kernel import clock
from syneudp.kernel.database import PATIENT_SECONDS, reading, rows, transact
from syneudp.kernel.logging import configure_logging
from tests.bench.chaos_stand import migrate_apart
from tests.bench.figures import say_machine
from tests.bench.lives import YEAR_HOURS, Street, live_apart
from tests.proof.model import HOUR, Tariff
from tests.servers import TEMPLATE, ControlDatabase, ControlServer, opened_control, running_postgresql
from tests.wallet.customers import begin_shards_at, settle

FIRST_HOUR = 683_736
SHARDS = 4
SEASONS = 12
ACTS = 20
PRICES = (0, 1, 3_599, 13_889, 27_777, 62_501)
STORAGE_PRICES = (0, 137, 57_600)
TARIFFS = 4
LARGER = {"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min"}
POSTED = (
    "SELECT w.id, a.balance_micros, coalesce(owed.balance_micros, 0) AS owed_micros,"
    " coalesce(-used.amount_micros, 0)::bigint AS used_micros, coalesce(used.charges, 0) AS charges"
    " FROM wallets w JOIN accounts a ON a.id = w.account_id"
    " LEFT JOIN wallet_debts d ON d.wallet_id = w.id LEFT JOIN accounts owed ON owed.id = d.account_id"
    " LEFT JOIN (SELECT e.account_id, sum(e.amount_micros) AS amount_micros, count(*) AS charges"
    " FROM entries e JOIN transfers t ON t.id = e.transfer_id WHERE t.reason LIKE 'usage%' GROUP BY e.account_id) used"
    " ON used.account_id = w.account_id"
)


@dataclass
class Year:
    """What was done, what was posted, and whatever differs in the end."""

    done: Counter[str] = field(default_factory=Counter)
    charges: int = 0
    charged_micros: int = 0
    seconds: float = 0.0
    audit_seconds: float = 0.0
    differences: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Print it for a person."""
        return [
            "done: " + ", ".join(f"{what} {count:,}" for what, count in sorted(self.done.items())),
            f"charges posted: {self.charges:,}, {self.charged_micros:,} micro-units in all",
            f"{self.seconds:.0f} s, of which the audit took {self.audit_seconds:.0f} s",
            *(f"DIFFERENCE {difference}" for difference in self.differences),
        ]


async def run_year(
    control: ControlDatabase,
    *,
    hours: int,
    customers: int,
    shards: int = SHARDS,
    acts: int = ACTS,
    seasons: int = SEASONS,
    seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> Year:
    """Live through so many hours in an open, still empty control database: a process a shard, a new price a season.

    The shards that have no customers begin at the first hour and are never closed: a new price must lie ahead of every
    shard's last hour.
    """
    began, year, chance = time.monotonic(), Year(), random.Random(seed)
    await begin_shards_at(control, FIRST_HOUR)
    borders = [FIRST_HOUR + hours * number // seasons for number in range(seasons + 1)]
    tariffs: dict[UUID, Tariff] = {}
    with clock.frozen(FIRST_HOUR * HOUR):
        await extend_books()
        for _ in range(TARIFFS):
            await _set_price(tariffs, uuid4(), 0, chance)
        streets = [Street(shard, FIRST_HOUR, tariffs, random.Random(chance.random())) for shard in range(shards)]
        for street in streets:
            homes = customers // shards + (street.shard < customers % shards)
            await street.settle_in(homes, hours=hours, acts=acts)
    with ProcessPoolExecutor(shards, mp_context=multiprocessing.get_context("spawn")) as processes:
        for begin, end in zip(borders, borders[1:], strict=False):
            await _season(streets, begin, end, chance, year)
            living = [
                asyncio.wrap_future(processes.submit(_lived, control.url, street, end, last=end == borders[-1]))
                for street in streets
            ]
            streets = await asyncio.gather(*living)
            say(f"  {end - FIRST_HOUR} hours after {time.monotonic() - began:.0f} s")
    year.done += sum((street.done for street in streets), Counter())
    with clock.frozen(borders[-1] * HOUR):
        await _compare(streets, borders[-1] * HOUR, year)
        audited = time.monotonic()
        year.differences += [f"audit: {finding}" for finding in await audit_books()]
        year.audit_seconds = time.monotonic() - audited
    year.seconds = time.monotonic() - began
    return year


def _lived(url: str, street: Street, until_hour: int, *, last: bool) -> Street:
    return asyncio.run(live_apart(url, street, until_hour, last=last))


async def _season(streets: Sequence[Street], begin: int, end: int, chance: random.Random, year: Year) -> None:
    """Announce a price for a later hour of the season, and have the wallets that it concerns looked at."""
    if end - begin < 2:
        return
    known = streets[0].tariffs
    tariff_id = chance.choice(list(known))
    with clock.frozen(begin * HOUR):
        await _set_price(known, tariff_id, chance.randrange(begin + 1, end) * HOUR, chance)
        await reckon_prices(stopped=lambda: False, held=lambda: None)
    for street in streets:
        street.tariffs[tariff_id].versions = list(known[tariff_id].versions)
    year.done["prices set"] += 1


async def _set_price(tariffs: dict[UUID, Tariff], tariff_id: UUID, begins_at: int, chance: random.Random) -> None:
    price, storage = chance.choice(PRICES), chance.choice(STORAGE_PRICES)
    setting = partial(
        wallet.add_tariff_version,
        tariff_id=tariff_id,
        begins_at=begins_at,
        price_micros_per_hour=price,
        storage_price_micros_per_gib_hour=storage,
    )
    assert await transact(setting)
    tariffs.setdefault(tariff_id, Tariff([])).versions.append((begins_at, price, storage))


async def _compare(streets: Sequence[Street], ended_at: int, year: Year) -> None:
    """Hold each wallet's postings against its model, reckoned from scratch."""
    for street in streets:
        for customer in street.customers:
            await settle(customer.record)
            customer.settle(customer.model.now(ended_at, ended_at), ended_at)
    told = {found["id"]: found for found in await rows(reading(), POSTED, timeout_seconds=PATIENT_SECONDS)}
    for customer in (customer for street in streets for customer in street.customers):
        found, model = told[customer.record.id], customer.model
        charged = model.charged_from_scratch(model.last_event_at)
        year.charges += found["charges"]
        year.charged_micros += found["used_micros"]
        for what, posted, expected in (
            ("charged", found["used_micros"], charged),
            ("balance", found["balance_micros"], model.money - charged),
            ("debt", -found["owed_micros"], model.debt),
        ):
            if posted != expected:
                year.differences.append(f"wallet {customer.record.id} {what}: {posted} posted, {expected} expected")


async def main() -> int:
    """Run from the command line; status 1 where anything differs in the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=int, default=YEAR_HOURS)
    parser.add_argument("--customers", type=int, default=1_000)
    parser.add_argument("--acts", type=int, default=ACTS, help="of each customer, on average")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    told = parser.parse_args()
    configure_logging("critical", secrets=[])
    say_machine("PostgreSQL 17")
    print(f"seed {told.seed}: {told.customers} customers, {told.hours} hours", flush=True)
    with running_postgresql(settings=LARGER) as postgresql:
        server = ControlServer(postgresql)
        await server.make_roles()
        await asyncio.to_thread(migrate_apart, (await server.create_empty(TEMPLATE)).owner_url)
        async with opened_control(server) as control:
            year = await run_year(
                control,
                hours=told.hours,
                customers=told.customers,
                acts=told.acts,
                seed=told.seed,
                say=partial(print, flush=True),
            )
    print("\n".join(year.lines()))
    print("they differ" if year.differences else "every wallet is what plain integers say, and the audit is green")
    return 1 if year.differences else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
