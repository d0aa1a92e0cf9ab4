"""Announce what customers were told, and bring it to their endpoints: many at once, few to each."""

import asyncio
from collections import Counter
from typing import Any, Final
from uuid import UUID

from syneudp import instances, wallet, webhooks
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, transact
from syneudp.kernel.logging import log
from syneudp.kernel.sealing import Keyring
from syneudp.wallet import Announcement
from syneudp.webhooks import Parcel, WebhookSender

AT_ONCE: Final = 32
AT_ONCE_PER_ENDPOINT: Final = 2
ANNOUNCED_AT_ONCE: Final = 500
NAMED_MAX: Final = 50


async def announce_alerts() -> int:
    """Queue every alert that is not announced yet to its customer's endpoints, once; answers how many alerts."""
    announced = 0
    while announced < ANNOUNCED_AT_ONCE and await transact(_announce):
        announced += 1
    return announced


class WebhookDeliveries:
    """The deliveries of this process. A slow endpoint takes its own two places alone, so that others go on.

    `freed` is set whenever a place has become free.
    """

    def __init__(self, sender: WebhookSender, keyring: Keyring, *, freed: asyncio.Event) -> None:
        self._sender = sender
        self._keyring = keyring
        self._freed = freed
        self._running: set[asyncio.Task[None]] = set()
        self._per_endpoint: Counter[UUID] = Counter()

    async def start_due(self) -> int:
        """Claim and start what is due and has a place, and answer how many; the rest is met again next round."""
        started = 0
        while len(self._running) < AT_ONCE:
            busy = [endpoint_id for endpoint_id, count in self._per_endpoint.items() if count >= AT_ONCE_PER_ENDPOINT]
            parcel = await webhooks.claim_delivery(keyring=self._keyring, busy=busy)
            if parcel is None:
                break
            self._per_endpoint[parcel.endpoint_id] += 1
            task = asyncio.create_task(self._send(parcel))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            started += 1
        return started

    async def finish(self) -> None:
        """Wait for what is under way; what a crash leaves here is sent again once its lease has ended."""
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _send(self, parcel: Parcel) -> None:
        try:
            outcome = await webhooks.send_delivery(self._sender, parcel)
            log.info(
                "webhook_sent",
                endpoint=str(parcel.endpoint_id),
                message=str(parcel.message_id),
                attempts=parcel.attempts,
                status=outcome.status,
                failure=outcome.failure,
            )
        except Exception:
            log.exception("webhook_not_sent", endpoint=str(parcel.endpoint_id))
        finally:
            self._per_endpoint[parcel.endpoint_id] -= 1
            if not self._per_endpoint[parcel.endpoint_id]:
                del self._per_endpoint[parcel.endpoint_id]
            self._freed.set()


async def prune_webhooks() -> int:
    """Forget the messages that were settled long ago."""
    return await transact(webhooks.prune_messages)


async def _announce(tx: Connection) -> bool:
    taken = await wallet.take_unannounced(tx)
    if taken is None:
        return False
    alert = taken.alert
    names = await instances.names_of(tx, taken.user_id, alert.resource_ids)
    await webhooks.publish(
        tx, owner_id=taken.user_id, kind=f"wallet.{alert.kind}", data=_data(taken, names), at=alert.raised_at
    )
    return True


def _data(taken: Announcement, names: dict[UUID, str]) -> dict[str, Any]:
    alert = taken.alert
    concerned = [{"id": str(each), "name": names[each]} for each in alert.resource_ids if each in names]
    return {
        "alert_id": str(alert.id),
        "currency": taken.currency,
        "balance_micros": alert.balance_micros,
        "available_micros": alert.available_micros,
        "burn_micros_per_hour": alert.burn_micros_per_hour,
        "ends_at": None if alert.ends_at is None else clock.rfc3339(alert.ends_at),
        "instance_count": len(concerned),
        "instances": concerned[:NAMED_MAX],
    }
