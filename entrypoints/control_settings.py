"""What the roles of the control plane have in common: their database, their sealing keys and the agents' token."""

from typing import Annotated, Final

from pydantic import AfterValidator, Field, SecretStr

from syneudp.catalog import CatalogSettings
from syneudp.instances import InstancesSettings
from syneudp.kernel.sealing import Keyring

TOKEN_BYTES_MIN: Final = 32


def _keyring(told: SecretStr) -> SecretStr:
    Keyring.parse(told.get_secret_value())
    return told


def long_enough(told: SecretStr) -> SecretStr:
    """Let pass an agents' token of at least 32 bytes. Raises ValueError."""
    if len(told.get_secret_value().encode()) < TOKEN_BYTES_MIN:
        raise ValueError(f"must be at least {TOKEN_BYTES_MIN} bytes")
    return told


class ControlSettings(CatalogSettings, InstancesSettings):
    """Read by `api` and `billing`; the database is reached as the runtime role, which owns nothing."""

    database_url: SecretStr = Field(validation_alias="SYNEUDP_DATABASE_URL")
    sealing_keys: Annotated[SecretStr, AfterValidator(_keyring)] = Field(validation_alias="SYNEUDP_SEALING_KEYS")
    agent_token: Annotated[SecretStr, AfterValidator(long_enough)] = Field(validation_alias="SYNEUDP_AGENT_TOKEN")

    @property
    def keyring(self) -> Keyring:
        """The keys that customers' passwords are sealed with."""
        return Keyring.parse(self.sealing_keys.get_secret_value())
