"""What the web roles' routes work with, made once by the entrypoint and never changed."""

import asyncio
from dataclasses import dataclass, field

from quart import Quart, current_app

from syneudp.identity import AuthServer, BearerVerifier, WebSessions
from syneudp.instances import InstanceServices
from syneudp.kernel.sealing import Keyring
from syneudp.wallet.payments import PaymentProvider
from syneudp.web.settings import WebSettings

SERVICES_KEY = "syneudp-services"


@dataclass(frozen=True, slots=True)
class WebServices:
    """Everything a route may reach beside the control database, which `kernel.database` holds open for the role.

    `retention_seconds` is how long the data of databases that ran out of money is kept. `stopping` is set once the role
    is told to stop, so that an answer without an end of its own can end in time.
    """

    settings: WebSettings
    auth: AuthServer
    bearer: BearerVerifier
    sessions: WebSessions
    keyring: Keyring
    instances: InstanceServices
    retention_seconds: int
    payments: PaymentProvider
    stopping: asyncio.Event = field(default_factory=asyncio.Event)


def hold_services(app: Quart, services: WebServices) -> None:
    """Give an app its services; `current_services` hands them to its routes."""
    app.extensions[SERVICES_KEY] = services


def current_services() -> WebServices:
    """Hand out the services of the app that answers the present request."""
    services: WebServices = current_app.extensions[SERVICES_KEY]
    return services
