"""The local auth server as a process of its own, beside the roles."""

import asyncio

from syneudp.identity.local_auth import LocalAuthSettings, create_local_auth, prepare_local_auth
from syneudp.kernel.addresses import internal_binds
from syneudp.kernel.database import database
from syneudp.kernel.logging import configure_logging, log
from syneudp.kernel.server import serve
from syneudp.kernel.settings import load_settings


async def run(stopping: asyncio.Event) -> None:
    """Serve until told to stop.

    Raises SettingsInvalidError outside the local environment or with a sealing key missing, and BindRefusedError for an
    address that is not internal, all before a socket opens.
    """
    settings = load_settings(LocalAuthSettings)
    binds = internal_binds(settings.auth_bind)
    configure_logging(settings.log_level, secrets=settings.secrets(), role="auth")
    async with database(settings.database_url.get_secret_value(), application_name="syneudp-auth"):
        await prepare_local_auth(settings)
        log.info("local_auth_serving", binds=binds)
        await serve(create_local_auth(settings), binds=binds, stopping=stopping)
