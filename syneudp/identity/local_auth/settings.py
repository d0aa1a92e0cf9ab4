"""The variables of the local auth server, which serves the local environment and internal addresses alone."""

from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from syneudp.kernel.addresses import BindRefusedError, split_bind
from syneudp.kernel.sealing import Keyring
from syneudp.kernel.settings import Settings

ACCESS_LIFETIME_SECONDS: Final = 3_600
ACCESS_LIFETIME_SECONDS_MIN: Final = 5


def _bind(text: str) -> str:
    try:
        split_bind(text)
    except BindRefusedError as refused:
        raise ValueError(str(refused)) from refused
    return text


def _sealing_keys(secret: SecretStr) -> SecretStr:
    Keyring.parse(secret.get_secret_value())
    return secret


Bind = Annotated[str, AfterValidator(_bind)]
SealingKeys = Annotated[SecretStr, AfterValidator(_sealing_keys)]


class LocalAuthSettings(Settings):
    """`SYNEUDP_AUTH_*`; addresses are confirmed by themselves unless `SYNEUDP_AUTH_CONFIRM_EMAILS` is true."""

    auth_bind: Bind = Field(validation_alias="SYNEUDP_AUTH_BIND")
    database_url: SecretStr = Field(validation_alias="SYNEUDP_DATABASE_URL")
    sealing_keys: SealingKeys = Field(validation_alias="SYNEUDP_SEALING_KEYS")
    confirm_emails: bool = Field(False, validation_alias="SYNEUDP_AUTH_CONFIRM_EMAILS")
    access_lifetime_seconds: int = Field(
        ACCESS_LIFETIME_SECONDS,
        ge=ACCESS_LIFETIME_SECONDS_MIN,
        le=ACCESS_LIFETIME_SECONDS,
        validation_alias="SYNEUDP_AUTH_ACCESS_SECONDS",
    )
    issuer_named: str | None = Field(None, validation_alias="SUPABASE_JWT_ISSUER")

    @model_validator(mode="after")
    def _local_only(self) -> Self:
        if self.environment != "local":
            raise ValueError("the local auth server runs where SYNEUDP_ENVIRONMENT is local, and nowhere else")
        return self

    @property
    def issuer(self) -> str:
        """The `iss` its tokens carry."""
        return self.issuer_named or f"http://{self.auth_bind}"

    @property
    def keyring(self) -> Keyring:
        """The keys its own secrets are sealed with."""
        return Keyring.parse(self.sealing_keys.get_secret_value())
