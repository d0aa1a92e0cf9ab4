"""The `agent` role: the service plane of one host, on internal addresses only."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Final

from entrypoints.role_refusals import refusing
from syneudp.engines.agent.app import create_app
from syneudp.engines.agent.background import Background
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


async def run(stopping: asyncio.Event) -> None:
    """Serve until told to stop; calls in flight are finished.

    Raises SettingsInvalidError before anything opens. Ends the process with status 2 where an engine is unprepared or
    unsupported, or where the address is taken; an engine out of reach is tried again while the role runs.
    """
    settings = load_settings(AgentSettings)
    configure_logging(settings.log_level, secrets=settings.secrets(), role=ROLE)
    serving = _serve_role(settings, stopping)
    await refusing(serving, BindRefusedError, EngineUnpreparedError, EngineUnsupportedError)


async def _serve_role(settings: AgentSettings, stopping: asyncio.Event) -> None:
    async with AsyncExitStack() as opened:
        sockets = open_internal_sockets(settings.agent_binds)
        for bound in sockets:
            opened.callback(bound.close)
        host = Host(ServedEngine(driver, warm_pool=settings.warm_pool) for driver in drivers_of(settings))
        for served in host.engines.values():
            opened.push_async_callback(served.close)
        guard = TokenGuard(settings.tokens)
        app = create_app(host, tokens=guard, names=settings.names)
        log.info("role_started", binds=list(settings.agent_binds), engines=[engine.value for engine in host.engines])
        async with asyncio.TaskGroup() as running:
            running.create_task(serve(app, binds=[f"fd://{bound.detach()}" for bound in sockets], stopping=stopping))
            renew = partial(reload_tokens, guard)
            running.create_task(supervise("tokens", renew, every_seconds=RELOAD_EVERY_SECONDS, stopping=stopping))
            for served in host.engines.values():
                running.create_task(_serve_engine(host, served, stopping))


async def _serve_engine(host: Host, served: ServedEngine, stopping: asyncio.Event) -> None:
    """Open one engine and keep it up beside the others; background work is cut off at the end, calls are not."""
    await served.open()
    background, engine = Background(host, served.engine), served.engine.value
    async with asyncio.TaskGroup() as loops:

        def repeat(name: str, work: Callable[[], Awaitable[object]], every_seconds: float) -> asyncio.Task[None]:
            repeated = supervise(f"{name}_{engine}", work, every_seconds=every_seconds, stopping=stopping)
            return loops.create_task(repeated)

        repeat("keep", served.keep, KEEP_EVERY_SECONDS)
        repeat("watch", partial(watch, served, host.metrics), WATCH_EVERY_SECONDS)
        cut_off = [
            repeat("redo", background.redo, KEEP_EVERY_SECONDS),
            repeat("passwords", background.end_outlived, OUTLIVED_EVERY_SECONDS),
        ]
        filling = partial(served.fill, stopping)
        loops.create_task(
            supervise(
                f"fill_{engine}",
                filling,
                every_seconds=KEEP_EVERY_SECONDS,
                stopping=stopping,
                wake=served.spare_taken,
            )
        )
        await stopping.wait()
        for repeated in cut_off:
            repeated.cancel()


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
