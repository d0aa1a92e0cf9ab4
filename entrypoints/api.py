"""The `api` role: the JSON API and the console on one listener."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace

from prometheus_client import REGISTRY

from entrypoints.control_settings import ControlSettings
from entrypoints.declared_hosts import register_declared_hosts
from entrypoints.role_refusals import refusing
from entrypoints.sealing_canaries import require_keyring
from syneudp.engines.client import AgentClient
from syneudp.identity import AuthServer, BearerVerifier, IdentitySettings, WebSessions
from syneudp.instances import InstanceServices
from syneudp.kernel.addresses import internal_binds
from syneudp.kernel.database import Plans, database
from syneudp.kernel.logging import configure_logging, log
from syneudp.kernel.metrics import serve_metrics
from syneudp.kernel.server import serve
from syneudp.kernel.settings import load_settings
from syneudp.wallet.payments.open_provider import open_provider
from syneudp.web.app import create_app
from syneudp.web.services import WebServices
from syneudp.web.settings import WebSettings

ROLE = "api"


class ApiSettings(WebSettings, IdentitySettings, ControlSettings):
    """Every variable the `api` role reads."""


async def run(stopping: asyncio.Event) -> None:
    """Serve until told to stop; requests in flight are finished.

    Raises SettingsInvalidError before anything opens, and where the sealing keys cannot open what the database holds.
    Ends the process with status 2 where the address is taken or the control database cannot be reached.
    """
    settings = load_settings(ApiSettings)
    configure_logging(settings.log_level, secrets=settings.secrets(), role=ROLE)
    await refusing(open_role(settings, stopping))


async def open_role(settings: ApiSettings, stopping: asyncio.Event) -> None:
    """Open what the role works with, serve, and close it again."""
    async with AsyncExitStack() as opened:
        url = settings.database_url.get_secret_value()
        await opened.enter_async_context(database(url, application_name=f"syneudp-{ROLE}", plans=Plans.ONCE))
        services = replace(await open_services(opened, settings), stopping=stopping)
        await require_keyring(settings.keyring)
        await register_declared_hosts(settings)
        await serve_role(services, settings, stopping)


async def open_services(opened: AsyncExitStack, settings: ApiSettings) -> WebServices:
    """Open the clients of the auth server, the agents and the payment provider, to be closed with `opened`."""
    auth = await opened.enter_async_context(AuthServer(settings))
    agents = await opened.enter_async_context(AgentClient(settings.agent_token.get_secret_value()))
    payments = await opened.enter_async_context(open_provider(settings))
    bearer = BearerVerifier(settings, auth)
    keyring = settings.keyring
    return WebServices(
        settings=settings,
        auth=auth,
        bearer=bearer,
        sessions=WebSessions(auth=auth, bearer=bearer, keyring=keyring),
        keyring=keyring,
        instances=InstanceServices(agents=agents, keyring=keyring, runway_seconds=settings.minimum_runway_seconds),
        retention_seconds=settings.retention_seconds,
        payments=payments,
    )


async def serve_role(services: WebServices, settings: ApiSettings, stopping: asyncio.Event) -> None:
    """Serve the application, and the metrics beside it where a listener is named for them, until told to stop.

    With sandbox payments the name in SYNEUDP_BIND must be internal, and all its addresses are listened on.
    """
    binds = internal_binds(settings.bind) if settings.payments == "sandbox" else [settings.bind]
    async with asyncio.TaskGroup() as listeners:
        listeners.create_task(serve(create_app(services), binds=binds, stopping=stopping))
        if settings.metrics_bind is not None:
            listeners.create_task(serve_metrics(settings.metrics_bind, registry=REGISTRY, stopping=stopping))
        log.info("role_started", binds=binds)
