"""Finish what is pending: every outbox row that is due is delivered, many at once, few to each host."""

import asyncio
from typing import Final
from uuid import UUID

from syneudp import instances
from syneudp.instances import InstanceServices
from syneudp.kernel import clock
from syneudp.kernel.database import reading
from syneudp.kernel.logging import log

AT_ONCE: Final = 32
AT_ONCE_PER_HOST: Final = 12
CALL_SECONDS: Final = 10.0
FETCHED: Final = 200


class Deliveries:
    """The deliveries of this process. A host that hangs takes its own places alone, so that others go on.

    `freed` is set whenever a place has become free.
    """

    def __init__(self, services: InstanceServices, *, freed: asyncio.Event) -> None:
        self._services = services
        self._running: dict[UUID, asyncio.Task[None]] = {}
        self._per_host: dict[UUID, int] = {}
        self._freed = freed

    async def start_due(self) -> int:
        """Start what is due and has a place, and answer how many; the rest is met again in the next round."""
        pending = await instances.pending_deliveries(reading(), await clock.now(reading()), FETCHED)
        started = 0
        for delivery in pending:
            busy = self._per_host.get(delivery.host_id, 0)
            if delivery.instance_id in self._running or busy >= AT_ONCE_PER_HOST:
                continue
            if len(self._running) >= AT_ONCE:
                break
            self._per_host[delivery.host_id] = busy + 1
            self._running[delivery.instance_id] = asyncio.create_task(
                self._deliver(delivery.instance_id, delivery.host_id)
            )
            started += 1
        return started

    async def finish(self) -> None:
        """Wait for what is under way; what a crash leaves here is delivered again by whoever comes next."""
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _deliver(self, instance_id: UUID, host_id: UUID) -> None:
        try:
            await instances.deliver(self._services, instance_id, timeout_seconds=CALL_SECONDS)
        except Exception:
            log.exception("delivery_failed", instance=str(instance_id))
        finally:
            self._running.pop(instance_id, None)
            self._per_host[host_id] -= 1
            if not self._per_host[host_id]:
                del self._per_host[host_id]
            self._freed.set()
