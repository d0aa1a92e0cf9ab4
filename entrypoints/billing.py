"""The `billing` role: it closes hours, acts on depletion, brings what is wanted to the agents and ends retention."""

import asyncio

from prometheus_client import REGISTRY

from entrypoints.control_settings import ControlSettings
from entrypoints.declared_hosts import register_declared_hosts
from entrypoints.role_refusals import refusing
from entrypoints.sealing_canaries import require_keyring
from syneudp.billing import run_billing
from syneudp.engines.client import AgentClient
from syneudp.instances import InstanceServices
from syneudp.kernel.database import database
from syneudp.kernel.logging import configure_logging, log
from syneudp.kernel.metrics import serve_metrics
from syneudp.kernel.settings import load_settings
from syneudp.wallet import WalletSettings
from syneudp.wallet.payments import PaymentProvider
from syneudp.wallet.payments.open_provider import open_provider

ROLE = "billing"


class BillingRoleSettings(WalletSettings, ControlSettings):
    """Every variable the `billing` role reads."""


async def run(stopping: asyncio.Event) -> None:
    """Bill until told to stop; what is under way is finished.

    Raises SettingsInvalidError before anything opens, and where the sealing keys cannot open what the database holds.
    Ends the process with status 2 where the control database cannot be reached.
    """
    settings = load_settings(BillingRoleSettings)
    configure_logging(settings.log_level, secrets=settings.secrets(), role=ROLE)
    await refusing(open_role(settings, stopping))


async def open_role(settings: BillingRoleSettings, stopping: asyncio.Event) -> None:
    """Open what the role works with, bill, and close it again."""
    url = settings.database_url.get_secret_value()
    async with (
        database(url, application_name=f"syneudp-{ROLE}"),
        AgentClient(settings.agent_token.get_secret_value()) as agents,
        open_provider(settings) as provider,
    ):
        await require_keyring(settings.keyring)
        await register_declared_hosts(settings)
        services = InstanceServices(
            agents=agents, keyring=settings.keyring, runway_seconds=settings.minimum_runway_seconds
        )
        await run_role(services, settings, provider, stopping)


async def run_role(
    services: InstanceServices, settings: BillingRoleSettings, provider: PaymentProvider, stopping: asyncio.Event
) -> None:
    """Run the loops, and serve the metrics beside them where a listener is named for them, until told to stop."""
    async with asyncio.TaskGroup() as group:
        group.create_task(
            run_billing(
                services,
                provider=provider,
                retention_seconds=settings.retention_seconds,
                stopping=stopping,
                local=settings.environment == "local",
            )
        )
        if settings.metrics_bind is not None:
            group.create_task(serve_metrics(settings.metrics_bind, registry=REGISTRY, stopping=stopping))
        log.info("role_started")
