"""The sealing keys that a role of the control plane starts with, held against what its database holds."""

from syneudp import identity, instances, webhooks
from syneudp.kernel.canaries import open_canaries
from syneudp.kernel.database import Connection, transact
from syneudp.kernel.sealing import Keyring

HOLDER = "control"


async def require_keyring(keyring: Keyring) -> None:
    """Raise SettingsInvalidError where these keys cannot open what this database holds."""

    async def sing(tx: Connection) -> None:
        await open_canaries(
            tx,
            keyring,
            holder=HOLDER,
            still_sealed=[
                instances.credentials_sealed_under,
                identity.sessions_sealed_under,
                webhooks.webhook_secrets_sealed_under,
            ],
        )

    await transact(sing)
