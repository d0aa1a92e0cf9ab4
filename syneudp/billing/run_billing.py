"""The loops of the billing role. Any number of processes may run them side by side."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from syneudp import instances
from syneudp.billing.begin_months import begin_months
from syneudp.billing.close_hours import close_hours
from syneudp.billing.compare_hosts import compare_hosts
from syneudp.billing.deliveries import Deliveries
from syneudp.billing.end_retention import end_retention
from syneudp.billing.extend_books import extend_books
from syneudp.billing.poll_payments import poll_payments
from syneudp.billing.raise_alerts import raise_alerts
from syneudp.billing.reckon_prices import reckon_prices
from syneudp.billing.rounds import remembered
from syneudp.billing.sample_usage import Samplings
from syneudp.billing.send_webhooks import WebhookDeliveries, announce_alerts, prune_webhooks
from syneudp.billing.watch_depletion import settle_due
from syneudp.billing.watch_hosts import watch_hosts
from syneudp.instances import InstanceServices
from syneudp.kernel import clock
from syneudp.kernel.database import reading
from syneudp.kernel.loops import pause, supervise
from syneudp.wallet.payments import PaymentProvider
from syneudp.webhooks import WebhookSender

CLOSE_EVERY_SECONDS: Final = 5.0
DELIVER_EVERY_SECONDS: Final = 0.5
BEGIN_MONTHS_EVERY_SECONDS: Final = 1.0
RECKON_EVERY_SECONDS: Final = 2.0
RETENTION_EVERY_SECONDS: Final = 60.0
POLL_EVERY_SECONDS: Final = 60.0
COMPARE_EVERY_SECONDS: Final = 120.0
RECOVER_EVERY_SECONDS: Final = 10.0
WATCH_HOSTS_EVERY_SECONDS: Final = 5.0
SAMPLE_EVERY_SECONDS: Final = 2.0
DOWNSAMPLE_EVERY_SECONDS: Final = 300.0
RAISE_ALERTS_EVERY_SECONDS: Final = 2.0
SEND_WEBHOOKS_EVERY_SECONDS: Final = 1.0
PRUNE_WEBHOOKS_EVERY_SECONDS: Final = 3600.0
EXTEND_EVERY_SECONDS: Final = 86_400.0


async def run_billing(
    services: InstanceServices,
    *,
    provider: PaymentProvider,
    retention_seconds: int,
    stopping: asyncio.Event,
    local: bool = False,
) -> None:
    """Repeat everything the billing role does until told to stop, then finish the deliveries under way.

    `local` lets webhook endpoints be on this very machine.
    """
    async with WebhookSender(local=local) as sender:
        await _repeat(services, sender, provider, retention_seconds=retention_seconds, stopping=stopping)


async def _repeat(
    services: InstanceServices,
    sender: WebhookSender,
    provider: PaymentProvider,
    *,
    retention_seconds: int,
    stopping: asyncio.Event,
) -> None:
    sending, telling = asyncio.Event(), asyncio.Event()
    deliveries = Deliveries(services, freed=sending)
    hooks = WebhookDeliveries(sender, services.keyring, freed=telling)
    samplings = Samplings(services, held=sending.set)

    async def close() -> None:
        await close_hours(stopped=stopping.is_set, held=sending.set)

    async def watch() -> None:
        await pause(await settle_due(held=sending.set), stopping)

    async def reckon() -> None:
        await reckon_prices(stopped=stopping.is_set, held=sending.set)

    async def retain() -> None:
        if await end_retention(
            provider=provider, retention_seconds=retention_seconds, runway_seconds=services.runway_seconds
        ):
            sending.set()

    async def alert() -> None:
        await raise_alerts(retention_seconds=retention_seconds)
        if await announce_alerts():
            telling.set()

    async def downsample() -> None:
        await instances.downsample(reading(), now=await clock.now(reading()))

    poll = partial(poll_payments, provider, runway_seconds=services.runway_seconds, moved=sending.set)
    begin = partial(begin_months, runway_seconds=services.runway_seconds, held=sending.set)
    loops: list[tuple[str, Callable[[], Awaitable[object]], float, asyncio.Event | None]] = [
        ("close_hours", close, CLOSE_EVERY_SECONDS, None),
        ("watch_depletion", watch, 0.0, None),
        ("begin_months", begin, BEGIN_MONTHS_EVERY_SECONDS, None),
        ("deliver", deliveries.start_due, DELIVER_EVERY_SECONDS, sending),
        ("raise_alerts", alert, RAISE_ALERTS_EVERY_SECONDS, None),
        ("send_webhooks", hooks.start_due, SEND_WEBHOOKS_EVERY_SECONDS, telling),
        ("prune_webhooks", prune_webhooks, PRUNE_WEBHOOKS_EVERY_SECONDS, None),
        ("reckon_prices", reckon, RECKON_EVERY_SECONDS, None),
        ("end_retention", retain, RETENTION_EVERY_SECONDS, None),
        ("poll_payments", poll, POLL_EVERY_SECONDS, None),
        ("compare_hosts", partial(compare_hosts, services), COMPARE_EVERY_SECONDS, None),
        ("watch_hosts", partial(watch_hosts, services.agents), WATCH_HOSTS_EVERY_SECONDS, None),
        ("recover_hosts", partial(compare_hosts, services, quarantined_only=True), RECOVER_EVERY_SECONDS, None),
        ("sample_usage", samplings.start_due, SAMPLE_EVERY_SECONDS, None),
        ("downsample", downsample, DOWNSAMPLE_EVERY_SECONDS, None),
        ("extend_books", extend_books, EXTEND_EVERY_SECONDS, None),
    ]
    try:
        async with asyncio.TaskGroup() as group:
            for name, work, every_seconds, wake in loops:
                group.create_task(
                    supervise(name, remembered(name, work), every_seconds=every_seconds, stopping=stopping, wake=wake)
                )
    finally:
        await samplings.finish()
        await hooks.finish()
        await deliveries.finish()
