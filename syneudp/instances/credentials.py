"""Passwords at rest: sealed, the one in force stays until its successor is confirmed; all go with the instance."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote
from uuid import UUID

from syneudp.engines.contract import Engine
from syneudp.instances.values import ConnectionView
from syneudp.kernel.database import Connection, execute, row, value
from syneudp.kernel.sealing import Keyring

FIRST_VERSION: Final = 1


@dataclass(frozen=True, slots=True, repr=False)
class Credential:
    """A password in the clear, and for how many seconds its predecessor works beside it."""

    password: str
    keep_previous_seconds: int = 0


def seal_password(password: str, *, instance_id: UUID, version: int, keyring: Keyring) -> bytes:
    """Seal a password so that it opens as this version of this instance alone."""
    return keyring.seal(password.encode(), record=instance_id, field=_field(version))


async def store_pending(
    tx: Connection,
    *,
    instance_id: UUID,
    version: int,
    password: str,
    keyring: Keyring,
    now: int,
    keep_previous_seconds: int = 0,
) -> None:
    """Seal a password that is to take force, its predecessor working beside it for so many seconds then."""
    sealed = seal_password(password, instance_id=instance_id, version=version, keyring=keyring)
    await execute(
        tx,
        "INSERT INTO instance_credentials (instance_id, version, sealed, created_at, keep_previous_seconds)"
        " VALUES ($1, $2, $3, $4, $5)",
        instance_id,
        version,
        sealed,
        now,
        keep_previous_seconds,
    )


async def read_password(connection: Connection, *, instance_id: UUID, version: int, keyring: Keyring) -> str | None:
    """Open a version's password; None once it was destroyed. Raises SealBrokenError."""
    found = await read_credential(connection, instance_id=instance_id, version=version, keyring=keyring)
    return None if found is None else found.password


async def read_credential(
    connection: Connection, *, instance_id: UUID, version: int, keyring: Keyring
) -> Credential | None:
    """Open a version's password with what goes with it; None once it was destroyed. Raises SealBrokenError."""
    found = await row(
        connection,
        "SELECT sealed, keep_previous_seconds FROM instance_credentials WHERE instance_id = $1 AND version = $2",
        instance_id,
        version,
    )
    if found is None:
        return None
    password = keyring.unseal(bytes(found["sealed"]), record=instance_id, field=_field(version)).decode()
    return Credential(password=password, keep_previous_seconds=found["keep_previous_seconds"])


async def read_previous_seconds(connection: Connection, *, instance_id: UUID, version: int) -> int:
    """Tell for how many seconds a version's predecessor works beside it."""
    kept = await value(
        connection,
        "SELECT keep_previous_seconds FROM instance_credentials WHERE instance_id = $1 AND version = $2",
        instance_id,
        version,
    )
    return int(kept or 0)


async def credentials_sealed_under(connection: Connection, prefix: bytes) -> bool:
    """Say whether a password stands whose sealed value begins with a key's prefix."""
    sql = "SELECT EXISTS (SELECT FROM instance_credentials WHERE substring(sealed FROM 1 FOR length($1::bytea)) = $1)"
    return bool(await value(connection, sql, prefix))


def connection_uri(engine: Engine, connection: ConnectionView, password: str) -> str:
    """Write the URI that clients take: libpq's or MySQL Shell's (RFC 3986), demanding TLS where it is on."""
    host = f"[{connection.host}]" if ":" in connection.host else connection.host
    login = f"{quote(connection.username, safe='')}:{quote(password, safe='')}"
    place = f"{login}@{host}:{connection.port}/{quote(connection.database, safe='')}"
    demand = {Engine.POSTGRESQL: "?sslmode=require", Engine.MYSQL: "?ssl-mode=REQUIRED"}[engine]
    return f"{engine.value}://{place}{demand if connection.tls else ''}"


def _field(version: int) -> str:
    return f"credential:{version}"
