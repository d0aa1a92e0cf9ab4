from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from syneudp import wallet
from syneudp.kernel.database import Connection, reading, rows, transact
from syneudp.wallet import LockedWallet, Reckoning, WalletRecord
from tests.wallet.customers import HOUR, locked

STEP = 64 << 20


@dataclass
class Tariff:
    """A tariff as it was told to the wallet, kept beside it: what each second costs by plain reading."""

    id: UUID = field(default_factory=uuid4)
    versions: list[tuple[int, int, int]] = field(default_factory=list)

    async def cost(self, begins_at: int, price: int, storage_price: int = 0) -> bool:
        async def add(tx: Connection) -> bool:
            return await wallet.add_tariff_version(
                tx,
                tariff_id=self.id,
                begins_at=begins_at,
                price_micros_per_hour=price,
                storage_price_micros_per_gib_hour=storage_price,
            )

        added = await transact(add)
        if added:
            self.versions.append((begins_at, price, storage_price))
        return added

    def price(self, at: int, *, running: bool = True, steps: int = 0) -> int:
        _, price, storage_price = max(version for version in self.versions if version[0] <= at)
        return (price if running else 0) + steps * storage_price // 16


async def use(record: WalletRecord, resource_id: UUID, tariff: Tariff, *, running: bool = True) -> bool:
    async def begin(tx: Connection, held: LockedWallet) -> bool:
        if await wallet.reprice_segment(tx, held, resource_id=resource_id, tariff_id=tariff.id, running=running):
            return True
        return await wallet.open_segment(tx, held, resource_id=resource_id, tariff_id=tariff.id, running=running)

    return await locked(record, begin)


async def store(record: WalletRecord, resource_id: UUID, stored_bytes: int) -> bool:
    return await locked(
        record,
        lambda tx, held: wallet.plan_storage(tx, held, resource_id=resource_id, stored_bytes=stored_bytes),
    )


async def used(resource_id: UUID) -> list[tuple[int, int | None, int]]:
    found = await rows(
        reading(),
        "SELECT from_at, until_at, price_micros_per_hour FROM usage_segments WHERE resource_id = $1 ORDER BY from_at",
        resource_id,
    )
    return [(each["from_at"], each["until_at"], each["price_micros_per_hour"]) for each in found]


async def integral(
    resource_id: UUID, tariffs: Sequence[Tariff], steps: Sequence[tuple[int, int]], *, until: int
) -> int:
    """Sum price over every second of use up to an instant, by what tariffs and storage were told, in 1/3600 micros."""
    by_id = {tariff.id: tariff for tariff in tariffs}
    total = 0
    for segment in await rows(
        reading(),
        "SELECT from_at, until_at, tariff_id, running FROM usage_segments WHERE resource_id = $1",
        resource_id,
    ):
        at = segment["from_at"]
        end = min(until, segment["until_at"] or until)
        while at < end:
            stop = min(end, (at // HOUR + 1) * HOUR)
            stored = max(((begins, count) for begins, count in steps if begins <= at), default=(0, 0))[1]
            price = by_id[segment["tariff_id"]].price(at, running=segment["running"], steps=stored)
            total += price * (stop - at)
            at = stop
    return total


async def reckonings() -> list[Reckoning]:
    return await wallet.pending_reckonings(reading(), limit=1000)
