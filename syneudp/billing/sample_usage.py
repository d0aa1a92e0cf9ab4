"""Measure every host once a minute: what its instances store, how many are connected, how much they do."""

import asyncio
from collections.abc import Callable
from functools import partial
from uuid import UUID

from syneudp import catalog, instances
from syneudp.catalog import HostView
from syneudp.engines.client import AgentError
from syneudp.instances import Filling, Grown, InstanceServices
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, reading, transact
from syneudp.kernel.logging import log


class Samplings:
    """The measurements of this process, one host each; a host that hangs holds up no other."""

    def __init__(self, services: InstanceServices, *, held: Callable[[], None]) -> None:
        self._services = services
        self._held = held
        self._running: dict[UUID, asyncio.Task[None]] = {}

    async def start_due(self) -> int:
        """Start measuring the hosts that are due and that no process has taken yet; answers how many."""
        connection = reading()
        now = await clock.now(connection)
        started = 0
        for host in await catalog.hosts(connection):
            if host.id in self._running or not await instances.claim_sampling(connection, host_id=host.id, now=now):
                continue
            self._running[host.id] = asyncio.create_task(self._measure(host))
            started += 1
        return started

    async def finish(self) -> None:
        """Let go of what is under way: a minute without a sample is worth no waiting."""
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _measure(self, host: HostView) -> None:
        try:
            if await measure_host(self._services, host):
                self._held()
        except AgentError as failure:
            log.warning("host_not_measured", host=host.name, failure=str(failure))
        except Exception:
            log.exception("host_not_measured", host=host.name)
        finally:
            self._running.pop(host.id, None)


async def measure_host(services: InstanceServices, host: HostView) -> int:
    """Measure one host and act on what fills up; answers how many instances wait to be told. Raises AgentError."""
    usage = await services.agents.usage(agent_url=host.agent_url, engine=host.engine)
    connection = reading()
    now = await clock.now(connection)
    written = await transact(partial(instances.record_usage, host_id=host.id, items=usage.items, now=now))
    log.debug("host_measured", host=host.name, instances=len(usage.items), written=written)
    for grown in await instances.grown_of(connection, host_id=host.id):
        await _price(grown)
    fillings = await instances.filling_of(connection, host_id=host.id, now=now)
    return sum([await _climb(filling) for filling in fillings])


async def _price(grown: Grown) -> None:
    async def price(tx: Connection) -> bool:
        locked = await instances.lock_wallet(tx, grown.wallet_id)
        return await instances.price_storage(tx, locked, instance_id=grown.instance_id)

    try:
        await transact(price)
    except Exception:
        log.exception("storage_not_priced", instance=str(grown.instance_id))


async def _climb(filling: Filling) -> bool:
    async def climb(tx: Connection) -> bool:
        locked = await instances.lock_wallet(tx, filling.wallet_id)
        return await instances.climb_storage(tx, locked, instance_id=filling.instance_id)

    try:
        return await transact(climb)
    except Exception:
        log.exception("storage_ladder_failed", instance=str(filling.instance_id))
        return False
