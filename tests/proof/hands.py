"""What the rules of the machine do their work with."""

from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from hypothesis.stateful import (
    RuleBasedStateMachine,
)

from syneudp import wallet
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, reading, rows, transact
from syneudp.wallet import LockedWallet, WalletRecord
from tests.proof.books import Books, snapshot
from tests.proof.model import HOUR, Resource, Tariff, Use, Wallet, month_begins_at
from tests.servers import ControlServer
from tests.wallet.customers import (
    assert_books_hold,
    balance,
    close_hour,
    locked,
    usage_posted,
)

FIRST_HOUR = month_begins_at(2049, 12) // HOUR - 30
SHARD = 7
WALLETS = 2
RESOURCES = 3
Work = Callable[[Connection, LockedWallet], Awaitable[Any]]


class Hands(RuleBasedStateMachine):
    """What the rules do their work with: two customers of one shard, a clock, and a model beside each."""

    server: ControlServer
    posted: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.books = Books(self.server)
        self.epoch = FIRST_HOUR * HOUR
        self.closed_through = FIRST_HOUR
        self.tariffs: dict[UUID, Tariff] = {}
        self.things = [[uuid4() for _ in range(RESOURCES)] for _ in range(WALLETS)]
        self.records: list[WalletRecord] = []
        self.models: list[Wallet] = []
        self.reckoned = True

    def teardown(self) -> None:
        try:
            if self.records:
                self._end()
        finally:
            self.books.close()

    def _end(self) -> None:
        self.epoch = max(self.epoch, *(model.last_event_at for model in self.models), self.closed_through * HOUR)
        self._run(self._reckon())
        self.epoch = (self.epoch // HOUR + 1) * HOUR
        while self.closed_through < self.epoch // HOUR:
            self._close()
        for which, (model, record) in enumerate(zip(self.models, self.records, strict=True)):
            now = self._settled(which)
            assert self._run(usage_posted(record)) == model.charged_in_all(now)
            assert self._run(balance(record)) == model.available(now)
        self._run(assert_books_hold())
        told = self._run(rows(reading(), "SELECT reason, count(*) AS times FROM transfers GROUP BY reason"))
        self.posted.update({each["reason"]: each["times"] for each in told})

    def _settled(self, which: int) -> int:
        model = self.models[which]
        now = model.now(self.epoch, self.closed_through * HOUR)
        self._do(which, _nothing)
        model.settle(now)
        return now

    def _close(self) -> None:
        assert self._run(close_hour(SHARD, self.closed_through)) is not None
        self._closed()

    def _closed(self) -> None:
        self.closed_through += 1
        for model in self.models:
            ends_at = model.depletes_at()
            if ends_at is not None and ends_at < self.closed_through * HOUR:
                model.settle(model.now(self.epoch, (self.closed_through - 1) * HOUR))
            model.posted_through_at = self.closed_through * HOUR

    def _stopped(self, which: int, use: Use, now: int) -> None:
        ends_at = self.models[which].depletes_at()
        end = max(now, use.from_at) + use.running
        use.until_at = max(end if ends_at is None else min(end, ends_at), use.from_at)

    def _begun(self, resource: Resource, resource_id: UUID, now: int) -> int:
        begun = int(self._last(resource_id)["from_at"])
        earliest = max(now, max((use.until_at or 0 for use in resource.uses), default=0))
        assert earliest <= begun <= earliest + 1
        return begun

    def _last(self, resource_id: UUID) -> dict[str, Any]:
        found = self._run(
            rows(
                reading(),
                "SELECT from_at, until_at FROM usage_segments WHERE resource_id = $1 ORDER BY from_at DESC LIMIT 1",
                resource_id,
            )
        )
        return dict(found[0])

    def _refused(self, which: int, work: Work, refusal: type[Exception]) -> None:
        self._unchanged(locked(self.records[which], work), refusal)

    def _unchanged(self, refused: Coroutine[Any, Any, object], refusal: type[Exception]) -> None:
        before = self._run(snapshot())
        with pytest.raises(refusal):
            self._run(refused)
        assert self._run(snapshot()) == before

    def _pay(self, which: int, amount: int) -> None:
        now = self._settled(which)
        self._do(which, self._paying(str(uuid4()), amount))
        self.models[which].credit(amount, now)

    def _do(self, which: int, work: Work) -> Any:
        return self._run(locked(self.records[which], work))

    def _run(self, work: Any) -> Any:
        with clock.frozen(self.epoch):
            return self.books.run(work)

    def _opening(self, resource_id: UUID, tariff_id: UUID, *, running: bool) -> Work:
        return lambda tx, held: wallet.open_segment(
            tx, held, resource_id=resource_id, tariff_id=tariff_id, running=running
        )

    def _closing(self, resource_id: UUID) -> Work:
        return lambda tx, held: wallet.close_segment(tx, held, resource_id=resource_id)

    def _paying(self, key: str, amount: int) -> Work:
        return lambda tx, held: wallet.credit_top_up(tx, held, provider="sandbox", payment_id=key, amount_micros=amount)

    async def _set_price(self, tariff_id: UUID, begins_at: int, price: int, storage: int) -> bool:
        return await transact(
            lambda tx: wallet.add_tariff_version(
                tx,
                tariff_id=tariff_id,
                begins_at=begins_at,
                price_micros_per_hour=price,
                storage_price_micros_per_gib_hour=storage,
            )
        )

    async def _reckon(self) -> None:
        for record in self.records:
            await locked(record, wallet.recompute_depletion)
        for reckoning in await wallet.pending_reckonings(reading(), limit=1_000_000):
            await transact(partial(wallet.finish_reckoning, reckoning=reckoning))


async def _nothing(tx: Connection, held: LockedWallet) -> None:
    return
