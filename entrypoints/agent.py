"""The `agent` role: the service plane of one host, on internal addresses only."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Final

from syneudp.engines.agent.app import create_app
from syneudp.engines.agent.driver import Driver
from syneudp.engines.agent.errors import EngineUnpreparedError, EngineUnsupportedError
from syneudp.engines.agent.guard import TokenGuard
from syneudp.engines.agent.host import Host
from syneudp.engines.agent.listen import open_internal_sockets
from syneudp.engines.agent.mysql import MySQLDriver
from syneudp.engines.agent.postgresql import PostgreSQLDriver
from syneudp.engines.agent.served import ServedEngine
from syneudp.engines.agent.settings import AgentSettings
from syneudp.engines.agent.tokens import RELOAD_EVERY_SECONDS, reload_tokens
from syneudp.engines.agent.watchdog import WATCH_EVERY_SECONDS, watch
from syneudp.kernel.addresses import BindRefusedError, split_bind
from syneudp.kernel.logging import configure_logging, log
from syneudp.kernel.loops import supervise
from syneudp.kernel.server import serve
from syneudp.kernel.settings import load_settings

ROLE: Final = "agent"
KEEP_EVERY_SECONDS: Final = 10.0
OUTLIVED_EVERY_SECONDS: Final = 0.5
REFUSED_STATUS: Final = 2


async def run(stopping: asyncio.Event) -> None:
    """Serve until told to stop; calls in flight are finished.

    Raises SettingsInvalidError before anything opens. Ends the process with status 2 where an engine is unprepared or
    unsupported, or where the address is taken; an engine out of reach is tried again while the role runs.
    """
    settings = load_settings(AgentSettings)
    configure_logging(settings.log_level, secrets=settings.secrets(), role=ROLE)
    try:
        await _serve_role(settings, stopping)
    except (BindRefusedError, EngineUnpreparedError, EngineUnsupportedError, OSError) as refusal:
        log.error("role_refused", reason=str(refusal))
        sys.exit(REFUSED_STATUS)
    log.info("role_stopped")


async def _serve_role(settings: AgentSettings, stopping: asyncio.Event) -> None:
    async with AsyncExitStack() as opened:
        sockets = open_internal_sockets(settings.agent_binds)
        for bound in sockets:
            opened.callback(bound.close)
        host = Host(ServedEngine(driver, warm_pool=settings.warm_pool) for driver in drivers_of(settings))
        for served in host.engines.values():
            opened.push_async_callback(served.close)
            await served.open()
        guard = TokenGuard(settings.tokens)
        app = create_app(host, tokens=guard, names=settings.names)
        log.info("role_started", binds=list(settings.agent_binds), engines=[engine.value for engine in host.engines])
        async with asyncio.TaskGroup() as running:
            running.create_task(serve(app, binds=[f"fd://{bound.detach()}" for bound in sockets], stopping=stopping))
            renew = partial(reload_tokens, guard)
            running.create_task(supervise("tokens", renew, every_seconds=RELOAD_EVERY_SECONDS, stopping=stopping))
            for served in host.engines.values():
                name = f"keep_{served.engine.value}"
                running.create_task(supervise(name, served.keep, every_seconds=KEEP_EVERY_SECONDS, stopping=stopping))
                running.create_task(
                    supervise(
                        f"fill_{served.engine.value}",
                        partial(served.fill, stopping),
                        every_seconds=KEEP_EVERY_SECONDS,
                        stopping=stopping,
                        wake=served.spare_taken,
                    )
                )
                name = f"passwords_{served.engine.value}"
                running.create_task(
                    supervise(name, served.end_outlived, every_seconds=OUTLIVED_EVERY_SECONDS, stopping=stopping)
                )
                name, look = f"watch_{served.engine.value}", partial(watch, served, host.metrics)
                running.create_task(supervise(name, look, every_seconds=WATCH_EVERY_SECONDS, stopping=stopping))


def drivers_of(settings: AgentSettings) -> Sequence[Driver]:
    """Build a driver for each engine that has an admin URL."""
    drivers: list[Driver] = []
    if settings.postgresql_admin_url is not None and settings.postgresql_endpoint is not None:
        host, port = split_bind(settings.postgresql_endpoint)
        drivers.append(
            PostgreSQLDriver(
                admin_url=settings.postgresql_admin_url.get_secret_value(), endpoint_host=host, endpoint_port=port
            )
        )
    if settings.mysql_admin_url is not None and settings.mysql_endpoint is not None:
        host, port = split_bind(settings.mysql_endpoint)
        drivers.append(
            MySQLDriver(admin_url=settings.mysql_admin_url.get_secret_value(), endpoint_host=host, endpoint_port=port)
        )
    return drivers
