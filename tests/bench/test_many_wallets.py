import time

import asyncpg

from syneudp.billing import close_hours
from syneudp.commands.ledger_audit import audit_books
from syneudp.kernel import clock
from syneudp.kernel.database import reading, row
from tests.bench.many_wallets import HOUR, begin_shards_at, fill
from tests.servers import ControlDatabase

WALLETS = 600
EACH = 5


async def test_the_books_of_the_benchmark_hold_after_its_closes(control: ControlDatabase) -> None:
    first = int(time.time()) // HOUR - 3
    owner = await asyncpg.connect(control.owner_url)
    try:
        await begin_shards_at(owner, first)
        await fill(owner, first=1, wallets=WALLETS, instances_each=EACH, from_at=first * HOUR)
    finally:
        await owner.close()
    for hour in (first, first + 1):
        with clock.frozen((hour + 1) * HOUR + 3):
            assert await close_hours(stopped=lambda: False, held=lambda: None) == 256
            assert await close_hours(stopped=lambda: False, held=lambda: None) == 0
    totals = await row(
        reading(),
        "SELECT sum(segments)::bigint AS segments, sum(wallets)::bigint AS wallets FROM hour_closes WHERE hour = $1",
        first + 1,
    )
    assert totals == {"segments": WALLETS * EACH, "wallets": WALLETS}
    with clock.frozen((first + 2) * HOUR + 3):
        assert await audit_books() == []
