"""The hosts that a role of the control plane is told of when it starts."""

from syneudp import catalog
from syneudp.catalog import CatalogSettings, HostDeclarationError
from syneudp.kernel.database import Connection, transact
from syneudp.kernel.settings import SettingsInvalidError


async def register_declared_hosts(settings: CatalogSettings) -> None:
    """Make the hosts of SYNEUDP_AGENT_HOSTS known to the catalog.

    Raises SettingsInvalidError where one contradicts the host of that name that is known already.
    """

    async def register(tx: Connection) -> None:
        await catalog.register_hosts(tx, settings.declared_hosts)

    try:
        await transact(register)
    except HostDeclarationError as fault:
        raise SettingsInvalidError([f"SYNEUDP_AGENT_HOSTS: {fault}"]) from None
