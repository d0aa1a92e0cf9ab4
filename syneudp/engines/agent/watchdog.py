"""The limits that a tenant could set again itself, enforced from outside: one bounded pass at a time."""

import asyncio
from typing import Final

from syneudp.engines.agent.errors import EngineUnavailableError
from syneudp.engines.agent.metrics import AgentMetrics
from syneudp.engines.agent.served import ServedEngine
from syneudp.kernel.logging import log

WATCH_EVERY_SECONDS: Final = 2.0
PASS_SECONDS_MAX: Final = 10.0


async def watch(served: ServedEngine, metrics: AgentMetrics) -> None:
    """Look once at every tenant's sessions and end what is over a limit; an engine out of reach is left alone.

    Bounded by PASS_SECONDS_MAX. Every cut is counted and logged.
    """
    try:
        async with asyncio.timeout(PASS_SECONDS_MAX):
            cuts = await served.driver.watch()
    except (TimeoutError, EngineUnavailableError):
        log.info("watch_skipped", engine=served.engine.value)
        return
    for cut in cuts:
        metrics.limits_enforced.labels(served.engine.value, cut.overrun.value).inc()
        log.info(
            "limit_enforced",
            engine=served.engine.value,
            instance_id=str(cut.instance_id),
            limit=cut.overrun.value,
            session_ended=cut.session_ended,
        )
