"""The variables the catalog reads: the currency prices are in and the hosts to register at start."""

import json
from typing import Annotated

from pydantic import BeforeValidator, Field

from syneudp.catalog.declarations import HostDeclaration
from syneudp.catalog.values import DeclaredHost
from syneudp.kernel.settings import Settings


def _listed(told: object) -> object:
    if not isinstance(told, str):
        return told
    try:
        listed: object = json.loads(told)
    except ValueError as unreadable:
        raise ValueError("must be a JSON list of {name, engine, agent_url, capacity}") from unreadable
    return listed


class CatalogSettings(Settings):
    """`SYNEUDP_CURRENCY` and `SYNEUDP_AGENT_HOSTS`, a JSON list of `{name, engine, agent_url, capacity}`."""

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = Field("EUR", validation_alias="SYNEUDP_CURRENCY")
    agent_hosts: Annotated[tuple[HostDeclaration, ...], BeforeValidator(_listed)] = Field(
        (), validation_alias="SYNEUDP_AGENT_HOSTS"
    )

    @property
    def declared_hosts(self) -> list[DeclaredHost]:
        """The hosts to register at start."""
        return [DeclaredHost(**host.model_dump()) for host in self.agent_hosts]
