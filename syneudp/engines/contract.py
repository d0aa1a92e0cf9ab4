"""What the two planes say to each other: every changing call carries an instance's whole desired state."""

from enum import StrEnum
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

GENERATION_MAX: Final = 2**62
CONNECTIONS_MAX: Final = 10_000
TEMP_BYTES_MAX: Final = 2**40
SECONDS_MAX: Final = 7 * 86_400
PREVIOUS_PASSWORD_SECONDS_MAX: Final = 7 * 86_400
VERIFIER_LENGTH_MAX: Final = 256
PAGE_LIMIT_MAX: Final = 1000
PASSWORD_CHANGED: Final = "verifier"
DATABASE_MISSING: Final = "database_missing"

Generation = Annotated[int, Field(ge=1, le=GENERATION_MAX, strict=True)]


class Engine(StrEnum):
    """The two engine names that customers and both planes use; MariaDB serves the second one too."""

    POSTGRESQL = "postgresql"
    MYSQL = "mysql"


class State(StrEnum):
    """What the control plane wants of an instance, and what an agent has made of it."""

    RUNNING = "running"
    SUSPENDED = "suspended"
    TERMINATED = "terminated"


class Scheme(StrEnum):
    """Password verifiers: RFC 5803 for SCRAM, the engines' own stored forms for the others."""

    SCRAM_SHA_256 = "SCRAM-SHA-256"
    CACHING_SHA2_PASSWORD = "caching_sha2_password"
    MYSQL_NATIVE_PASSWORD = "mysql_native_password"


class Message(BaseModel):
    """A frozen value on the wire that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Limits(Message):
    """What a tenant may use; 0 means unlimited except for connections and temporary files.

    Counts, bytes and seconds. statement_seconds and idle_transaction_seconds are how long one statement may run and one
    transaction may stand idle; memory_bytes is what one session may ask for a sort or a join. may_grow false refuses
    writes that add data where the engine can, and leaves deletes and reads.
    """

    max_connections: Annotated[int, Field(ge=1, le=CONNECTIONS_MAX, strict=True)]
    temp_bytes: Annotated[int, Field(ge=0, le=TEMP_BYTES_MAX, strict=True)]
    statement_seconds: Annotated[int, Field(ge=0, le=SECONDS_MAX, strict=True)] = 0
    idle_transaction_seconds: Annotated[int, Field(ge=0, le=SECONDS_MAX, strict=True)] = 0
    memory_bytes: Annotated[int, Field(ge=0, le=TEMP_BYTES_MAX, strict=True)] = 0
    may_grow: Annotated[bool, Field(strict=True)] = True


class Desired(Message):
    """The whole state that the control plane wants; a higher generation always wins over a lower one.

    previous_password_seconds lets the password before a rotation work beside the new one for that long, where the
    engine can (MySQL); 0 ends it at once.
    """

    generation: Generation
    state: State
    credential_version: Generation
    verifiers: Annotated[
        dict[Scheme, Annotated[str, Field(min_length=1, max_length=VERIFIER_LENGTH_MAX)]],
        Field(min_length=1, max_length=len(Scheme)),
    ]
    limits: Limits
    previous_password_seconds: Annotated[int, Field(ge=0, le=PREVIOUS_PASSWORD_SECONDS_MAX, strict=True)] = 0


class CreateDatabase(Desired):
    """The desired state of an instance that the agent may not know yet."""

    instance_id: UUID


class Endpoint(Message):
    """Where customers connect."""

    host: str
    port: int
    tls: bool


class Applied(Message):
    """What the engine is in after a changing call; sessions_ended counts the ones that the call cut."""

    instance_id: UUID
    database: str
    username: str
    state: State
    endpoint: Endpoint
    applied_generation: int
    credential_version: int
    sessions_ended: int = 0


class DatabaseReport(Message):
    """Registry and engine compared for one instance; applied_generation 0 means that nothing was applied yet.

    storage_bytes may be those of the last usage pass.

    The drift PASSWORD_CHANGED is no fault: the tenant set a password of its own in SQL, which works until a rotation.
    DATABASE_MISSING is none that sending again mends: the database is gone, by the tenant's own DROP or on the engine.
    """

    instance_id: UUID
    database: str
    username: str
    state: State
    accepted_generation: int
    applied_generation: int
    credential_version: int
    storage_bytes: int
    sessions: int
    drift: list[str]


class DatabaseReports(Message):
    """One page of reports, ordered by instance id, and the databases that the registry does not know."""

    items: list[DatabaseReport]
    unknown: list[str] = []
    next_cursor: str | None


class UsageItem(Message):
    """What one instance uses now; transactions is the engine's own running count."""

    instance_id: UUID
    storage_bytes: int
    sessions: int
    transactions: int


class UsageReport(Message):
    """Every instance of an engine, read in one pass."""

    items: list[UsageItem]


class EngineReport(Message):
    """One engine as its agent sees it."""

    engine: Engine
    flavour: Literal["postgresql", "mysql", "mariadb"]
    version: str
    endpoint: Endpoint
    instances: int
    spares: int


class HostReport(Message):
    """The engines that one agent serves."""

    engines: list[EngineReport]
