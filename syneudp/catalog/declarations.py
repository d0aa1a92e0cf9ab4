"""What a host may be declared as, by settings and by operators alike."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from syneudp.catalog.errors import HostRefusedError
from syneudp.catalog.values import DeclaredHost
from syneudp.engines.contract import Engine

CAPACITY_MAX: Final = 1_000_000
FAULTS: Final = {
    "name": "A host's name has 1 to 63 small letters, digits, dashes and dots, and begins with a letter or digit.",
    "engine": "An engine is postgresql or mysql.",
    "agent_url": "An agent's address is an origin such as http://10.0.0.5:8100, without a path.",
    "capacity": f"A host's capacity is 1 to {CAPACITY_MAX} databases.",
    "capacity_bytes": "A host's capacity in bytes is at least 1.",
}


class HostDeclaration(BaseModel):
    """A host as it is declared: capacity in instances, and in bytes where those are to be counted too."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")]
    engine: Engine
    agent_url: Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.:\[\]-]+$")]
    capacity: Annotated[int, Field(ge=1, le=CAPACITY_MAX)]
    capacity_bytes: Annotated[int, Field(ge=1, lt=2**63)] | None = None


def declared_host(**told: object) -> DeclaredHost:
    """Make a declaration of an operator's words. Raises HostRefusedError with a sentence about the first fault."""
    try:
        return DeclaredHost(**HostDeclaration.model_validate(told).model_dump())
    except ValidationError as faults:
        [place, *_] = faults.errors()[0]["loc"]
        raise HostRefusedError(FAULTS.get(str(place), "This host makes no sense.")) from None
