"""`syneudp engines prepare`: makes engines ready for the agent, once, with superusers that no role keeps."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from syneudp.engines.agent import mysql, postgresql
from syneudp.engines.agent.driver import PrepareOrder
from syneudp.engines.agent.errors import EngineUnavailableError, EngineUnpreparedError, EngineUnsupportedError
from syneudp.engines.agent.settings import PrepareSettings
from syneudp.kernel.logging import configure_logging
from syneudp.kernel.settings import load_settings

FAILED_STATUS: Final = 1
Prepare = Callable[[PrepareOrder], Awaitable[None]]


async def run(_stopping: asyncio.Event) -> None:
    """Prepare every engine whose superuser's URL is given; idempotent.

    Raises SettingsInvalidError; ends the process with status 1, a sentence for each fault printed, where an engine
    cannot be prepared.
    """
    settings = load_settings(PrepareSettings)
    configure_logging(settings.log_level, secrets=settings.secrets(), role="prepare")
    faults = []
    for name, prepare, order in orders_of(settings):
        try:
            await prepare(order)
        except EngineUnavailableError:
            faults.append(f"{name}: the server does not answer, or refuses the superuser's login")
        except EngineUnpreparedError as error:
            faults += [f"{name}: {fault}" for fault in error.faults]
        except EngineUnsupportedError as error:
            faults.append(f"{name}: {error}")
        else:
            print(f"{name}: prepared")
    for fault in faults:
        print(fault, file=sys.stderr)
    if faults:
        sys.exit(FAILED_STATUS)


def orders_of(settings: PrepareSettings) -> Iterator[tuple[str, Prepare, PrepareOrder]]:
    """Name each engine that is to be prepared, with its verb and its order."""
    pairs = (
        ("postgresql", postgresql.prepare, settings.postgresql_superuser_url, settings.postgresql_admin_url),
        ("mysql", mysql.prepare, settings.mysql_superuser_url, settings.mysql_admin_url),
    )
    for name, prepare, superuser_url, admin_url in pairs:
        if superuser_url is not None and admin_url is not None:
            yield (
                name,
                prepare,
                PrepareOrder(
                    superuser_url=superuser_url.get_secret_value(),
                    admin_url=admin_url.get_secret_value(),
                    agent_hosts=settings.agent_hosts,
                    require_tls=name == "postgresql",
                ),
            )
