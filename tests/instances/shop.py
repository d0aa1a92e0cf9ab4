from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID, uuid4

from syneudp import catalog, identity, instances, wallet
from syneudp.catalog import DeclaredHost
from syneudp.engines.client import AgentClient
from syneudp.engines.contract import Engine
from syneudp.instances import Created, InstanceServices, InstanceView
from syneudp.instances.passwords import Drafted
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, reading, rows, transact, value
from syneudp.kernel.sealing import Keyring
from syneudp.wallet import LockedWallet, WalletRecord
from tests.wallet.customers import pass_places_up_to

TOKEN = "an-agent-token-of-the-tests-0123456789"
KEYRING = Keyring({"k1": bytes(range(32))})
UNIT = 1_000_000
LARGE_PRICE = 62_500
ROOMY = 100_000
NOWHERE = "http://127.0.0.1:9"
Result = TypeVar("Result")


def services(agents: AgentClient, *, runway_seconds: int = 3600) -> InstanceServices:
    return InstanceServices(agents=agents, keyring=KEYRING, runway_seconds=runway_seconds)


async def stock(
    *, agent_url: str = NOWHERE, capacity: int = ROOMY, engines: tuple[Engine, ...] = tuple(Engine)
) -> None:
    async def fill(tx: Connection) -> None:
        await instances.seed_plans(tx, currency="EUR")
        await catalog.register_hosts(
            tx,
            [
                DeclaredHost(name=f"host-{engine.value}", engine=engine, agent_url=agent_url, capacity=capacity)
                for engine in engines
            ],
        )

    await transact(fill)


@dataclass(frozen=True)
class Customer:
    id: UUID
    wallet: WalletRecord

    async def locked(self, work: Callable[[Connection, LockedWallet], Awaitable[Result]]) -> Result:
        async def whole(tx: Connection) -> Result:
            return await work(tx, await instances.lock_wallet(tx, self.wallet.id))

        return await transact(whole)

    async def create(
        self, name: str = "books", *, plan: str = "postgresql-large", runway_seconds: int = 3600
    ) -> InstanceView:
        return (await self.begin(name, plan=plan, runway_seconds=runway_seconds)).instance

    async def begin(
        self,
        name: str,
        *,
        plan: str,
        runway_seconds: int = 3600,
        send_within_seconds: float | None = None,
        drafted: Drafted | None = None,
    ) -> Created:
        async def make(tx: Connection, locked: LockedWallet) -> Created:
            return await instances.create_instance(
                tx,
                locked,
                owner_id=self.id,
                name=name,
                plan=await catalog.plan_by_slug(tx, plan, locked.now),
                keyring=KEYRING,
                runway_seconds=runway_seconds,
                send_within_seconds=send_within_seconds,
                drafted=drafted,
            )

        return await self.locked(make)

    async def suspend(self, instance_id: UUID) -> InstanceView:
        return await self.locked(
            lambda tx, locked: instances.suspend_instance(tx, locked, owner_id=self.id, instance_id=instance_id)
        )

    async def resume(self, instance_id: UUID, *, runway_seconds: int = 3600) -> InstanceView:
        return await self.locked(
            lambda tx, locked: instances.resume_instance(
                tx, locked, owner_id=self.id, instance_id=instance_id, runway_seconds=runway_seconds
            )
        )

    async def rotate(self, instance_id: UUID, *, keep_previous_seconds: int = 0) -> InstanceView:
        return await self.locked(
            lambda tx, locked: instances.rotate_credential(
                tx,
                locked,
                owner_id=self.id,
                instance_id=instance_id,
                keyring=KEYRING,
                keep_previous_seconds=keep_previous_seconds,
            )
        )

    async def terminate(self, instance_id: UUID) -> InstanceView:
        return await self.locked(
            lambda tx, locked: instances.terminate_instance(tx, locked, owner_id=self.id, instance_id=instance_id)
        )

    async def rename(self, instance_id: UUID, name: str) -> InstanceView:
        return await self.locked(
            lambda tx, locked: instances.rename_instance(
                tx, locked, owner_id=self.id, instance_id=instance_id, name=name
            )
        )

    async def change_plan(self, instance_id: UUID, plan: str, *, runway_seconds: int = 3600) -> InstanceView:
        async def change(tx: Connection, locked: LockedWallet) -> InstanceView:
            return await instances.change_plan(
                tx,
                locked,
                owner_id=self.id,
                instance_id=instance_id,
                plan=await catalog.plan_by_slug(tx, plan, locked.now),
                runway_seconds=runway_seconds,
            )

        return await self.locked(change)

    async def top_up(self, amount_micros: int, *, runway_seconds: int = 3600) -> list[UUID]:
        async def credit(tx: Connection, locked: LockedWallet) -> list[UUID]:
            await wallet.credit_top_up(
                tx, locked, provider="sandbox", payment_id=str(uuid4()), amount_micros=amount_micros
            )
            return await instances.resume_covered(tx, locked, runway_seconds=runway_seconds)

        return await self.locked(credit)

    async def see(self, instance_id: UUID) -> InstanceView:
        return await instances.instance(reading(), self.id, instance_id)

    async def reveal(self, instance_id: UUID) -> str:
        secret = await transact(
            lambda tx: instances.reveal(tx, owner_id=self.id, instance_id=instance_id, keyring=KEYRING)
        )
        return secret.password

    async def balance(self) -> int:
        overview = await wallet.overview(reading(), self.wallet.id, await clock.now(reading()))
        return overview.balance_micros

    async def events(self, instance_id: UUID) -> list[str]:
        page = await instances.events_of(reading(), self.id, instance_id)
        return [event.kind.value for event in reversed(page.items)]


async def customer(*, balance_micros: int = 10 * UNIT, shard: int | None = None) -> Customer:
    user_id = uuid4()

    async def arrive(tx: Connection) -> WalletRecord:
        if shard is not None:
            await pass_places_up_to(tx, shard)
        await identity.remember_user(tx, user_id=user_id, email=f"{user_id}@example.com")
        return await wallet.open_wallet(tx, user_id=user_id, currency="EUR")

    arrived = Customer(id=user_id, wallet=await transact(arrive))
    if balance_micros:
        await arrived.top_up(balance_micros)
    return arrived


async def segments(instance_id: UUID) -> list[dict[str, int | None]]:
    return await rows(
        reading(),
        "SELECT from_at, until_at, price_micros_per_hour FROM usage_segments WHERE resource_id = $1 AND running"
        " ORDER BY from_at",
        instance_id,
    )


async def placed() -> int:
    return int(await value(reading(), "SELECT sum(placed_instances) FROM hosts"))
