"""The variables of the agent role."""

import re
from dataclasses import dataclass
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from syneudp.kernel.addresses import BindRefusedError, internal_binds, split_bind
from syneudp.kernel.settings import Settings

TOKEN_BYTES_MIN: Final = 32
WARM_POOL_MAX: Final = 256
HOST_PART: Final = re.compile(r"[0-9A-Za-z_.:%/-]{1,255}")


@dataclass(frozen=True, slots=True)
class Bind:
    """The name to listen on in lower case, and the internal addresses with their port that it stood for at start."""

    name: str
    literals: tuple[str, ...]


def _resolved(bind: object) -> object:
    if not isinstance(bind, str):
        return bind
    try:
        name, _ = split_bind(bind)
        return Bind(name=name.lower(), literals=tuple(internal_binds(bind)))
    except BindRefusedError as refusal:
        raise ValueError(str(refusal)) from None


def _names(text: object) -> object:
    return frozenset(name.strip().lower() for name in text.split(",")) if isinstance(text, str) else text


def _long_enough(token: SecretStr) -> SecretStr:
    if len(token.get_secret_value().encode()) < TOKEN_BYTES_MIN:
        raise ValueError(f"must be at least {TOKEN_BYTES_MIN} bytes long")
    return token


def _endpoint(endpoint: str) -> str:
    try:
        split_bind(endpoint)
    except BindRefusedError:
        raise ValueError("must be HOST:PORT, an IPv6 address in brackets") from None
    return endpoint


def _host_parts(text: object) -> object:
    if not isinstance(text, str):
        return text
    parts = tuple(part.strip() for part in text.split(","))
    if not all(HOST_PART.fullmatch(part) for part in parts):
        raise ValueError("must be MySQL host parts parted by commas, such as 10.9.0.%")
    if "%" in parts:
        raise ValueError("must not be every host")
    return parts


def _with_scheme(*schemes: str) -> AfterValidator:
    def check(url: SecretStr) -> SecretStr:
        if url.get_secret_value().partition("://")[0] not in schemes:
            raise ValueError(f"must start with {schemes[0]}://")
        return url

    return AfterValidator(check)


Token = Annotated[SecretStr, AfterValidator(_long_enough)]
HostAndPort = Annotated[str, AfterValidator(_endpoint)]
PostgreSQLUrl = Annotated[SecretStr, _with_scheme("postgresql", "postgres")]
MySQLUrl = Annotated[SecretStr, _with_scheme("mysql")]


class TokenSettings(Settings):
    """Which tokens the agent accepts; both may stand in files, which are read again while it runs."""

    agent_token: Token = Field(validation_alias="SYNEUDP_AGENT_TOKEN")
    agent_token_next: Token | None = Field(None, validation_alias="SYNEUDP_AGENT_TOKEN_NEXT")

    @property
    def tokens(self) -> tuple[str, ...]:
        """List the tokens that are accepted: one, or two during a rotation."""
        held = (self.agent_token, self.agent_token_next)
        return tuple(token.get_secret_value() for token in held if token is not None)


class AgentSettings(TokenSettings):
    """Where the agent listens, who may talk to it, which engines it serves.

    The name in SYNEUDP_AGENT_BIND is resolved here, to internal addresses only, and never again.
    `agent_names` are what a Host header may say beside internal addresses and the name in SYNEUDP_AGENT_BIND.
    `warm_pool` is how many databases each engine keeps ready made; 0 keeps none.
    """

    agent_bind: Annotated[Bind, BeforeValidator(_resolved)] = Field(validation_alias="SYNEUDP_AGENT_BIND")
    agent_names: Annotated[frozenset[str], BeforeValidator(_names)] = Field(
        frozenset(), validation_alias="SYNEUDP_AGENT_NAMES"
    )
    postgresql_admin_url: PostgreSQLUrl | None = Field(None, validation_alias="SYNEUDP_POSTGRESQL_ADMIN_URL")
    postgresql_endpoint: HostAndPort | None = Field(None, validation_alias="SYNEUDP_POSTGRESQL_ENDPOINT")
    mysql_admin_url: MySQLUrl | None = Field(None, validation_alias="SYNEUDP_MYSQL_ADMIN_URL")
    mysql_endpoint: HostAndPort | None = Field(None, validation_alias="SYNEUDP_MYSQL_ENDPOINT")
    warm_pool: int = Field(8, validation_alias="SYNEUDP_WARM_POOL", ge=0, le=WARM_POOL_MAX)

    @model_validator(mode="after")
    def _serves_something(self) -> Self:
        pairs = {
            "POSTGRESQL": (self.postgresql_admin_url, self.postgresql_endpoint),
            "MYSQL": (self.mysql_admin_url, self.mysql_endpoint),
        }
        for name, (admin_url, endpoint) in pairs.items():
            if (admin_url is None) != (endpoint is None):
                raise ValueError(f"set SYNEUDP_{name}_ADMIN_URL and SYNEUDP_{name}_ENDPOINT together")
        if self.postgresql_admin_url is None and self.mysql_admin_url is None:
            raise ValueError("set SYNEUDP_POSTGRESQL_ADMIN_URL, SYNEUDP_MYSQL_ADMIN_URL or both")
        return self

    @property
    def agent_binds(self) -> tuple[str, ...]:
        """List where the agent listens, as literal addresses with their port."""
        return self.agent_bind.literals

    @property
    def names(self) -> frozenset[str]:
        """List every name of the agent in lower case."""
        return self.agent_names | {self.agent_bind.name, "localhost"}


class PrepareSettings(Settings):
    """What `syneudp engines prepare` reads: an engine is prepared where its superuser's URL is given.

    `agent_hosts` are the hosts the agent may log in from as MySQL writes them, parted by commas (`10.9.0.%,localhost`);
    on PostgreSQL pg_hba.conf says it.
    """

    postgresql_superuser_url: PostgreSQLUrl | None = Field(None, validation_alias="SYNEUDP_POSTGRESQL_SUPERUSER_URL")
    postgresql_admin_url: PostgreSQLUrl | None = Field(None, validation_alias="SYNEUDP_POSTGRESQL_ADMIN_URL")
    mysql_superuser_url: MySQLUrl | None = Field(None, validation_alias="SYNEUDP_MYSQL_SUPERUSER_URL")
    mysql_admin_url: MySQLUrl | None = Field(None, validation_alias="SYNEUDP_MYSQL_ADMIN_URL")
    agent_hosts: Annotated[tuple[str, ...], BeforeValidator(_host_parts)] = Field(
        ("127.0.0.1",), validation_alias="SYNEUDP_AGENT_MYSQL_HOSTS"
    )

    @model_validator(mode="after")
    def _prepares_something(self) -> Self:
        pairs = {
            "POSTGRESQL": (self.postgresql_superuser_url, self.postgresql_admin_url),
            "MYSQL": (self.mysql_superuser_url, self.mysql_admin_url),
        }
        for name, (superuser_url, admin_url) in pairs.items():
            if superuser_url is not None and admin_url is None:
                raise ValueError(f"set SYNEUDP_{name}_ADMIN_URL beside SYNEUDP_{name}_SUPERUSER_URL")
        if self.postgresql_superuser_url is None and self.mysql_superuser_url is None:
            raise ValueError("set SYNEUDP_POSTGRESQL_SUPERUSER_URL, SYNEUDP_MYSQL_SUPERUSER_URL or both")
        return self
