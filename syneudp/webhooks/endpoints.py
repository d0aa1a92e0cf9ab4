"""A customer's endpoints and the secrets that sign what is sent to them."""

from typing import Any, Final
from uuid import UUID

from syneudp.kernel import clock
from syneudp.kernel.database import Connection, execute, row, rows, value
from syneudp.kernel.identifiers import new_id
from syneudp.kernel.sealing import Keyring
from syneudp.webhooks.errors import EndpointNotFoundError, TooManyEndpointsError
from syneudp.webhooks.rules import generate_key, write_secret
from syneudp.webhooks.values import DisabledFor, Endpoint, EndpointSecret

ENDPOINTS_MAX: Final = 10
OLD_SECRET_SECONDS: Final = 86_400
SEALED_FIELD: Final = "webhook_secret"
COLUMNS: Final = "id, url, disabled_for, disabled_at, created_at"
READ: Final = f"SELECT {COLUMNS} FROM webhook_endpoints WHERE owner_id = $1 AND id = $2"
LIST: Final = f"SELECT {COLUMNS} FROM webhook_endpoints WHERE owner_id = $1 ORDER BY id"
INSERT: Final = "INSERT INTO webhook_endpoints (id, owner_id, url, created_at) VALUES ($1, $2, $3, $4)"
INSERT_KEY: Final = "INSERT INTO webhook_secrets (id, endpoint_id, sealed, created_at) VALUES ($1, $2, $3, $4)"
READ_LASTING: Final = "SELECT id, sealed FROM webhook_secrets WHERE endpoint_id = $1 AND expires_at IS NULL"
READ_COUNTING: Final = (
    "SELECT id, sealed FROM webhook_secrets WHERE endpoint_id = $1 AND (expires_at IS NULL OR expires_at > $2)"
    " ORDER BY id DESC"
)
REMOVALS: Final = (
    "DELETE FROM webhook_deliveries WHERE endpoint_id = $1",
    "DELETE FROM webhook_secrets WHERE endpoint_id = $1",
    "DELETE FROM webhook_endpoints WHERE id = $1",
)


async def add_endpoint(tx: Connection, *, owner_id: UUID, url: str, keyring: Keyring) -> EndpointSecret:
    """Add an endpoint whose URL was checked, with its first secret, which is shown once.

    Raises TooManyEndpointsError for more than 10 a customer.
    """
    await execute(tx, "SELECT pg_advisory_xact_lock(hashtextextended('webhooks of ' || $1::text, 0))", str(owner_id))
    if int(await value(tx, "SELECT count(*) FROM webhook_endpoints WHERE owner_id = $1", owner_id)) >= ENDPOINTS_MAX:
        raise TooManyEndpointsError
    endpoint_id, now = new_id(), await clock.now(tx)
    await execute(tx, INSERT, endpoint_id, owner_id, url, now)
    secret = await _new_secret(tx, endpoint_id, keyring, now=now)
    return EndpointSecret(endpoint=await endpoint(tx, owner_id, endpoint_id), secret=secret)


async def endpoint(connection: Connection, owner_id: UUID, endpoint_id: UUID) -> Endpoint:
    """Read an endpoint of this owner. Raises EndpointNotFoundError."""
    found = await row(connection, READ, owner_id, endpoint_id)
    if found is None:
        raise EndpointNotFoundError
    return _endpoint(found)


async def endpoints_of(connection: Connection, owner_id: UUID) -> list[Endpoint]:
    """List an owner's endpoints, oldest first."""
    return [_endpoint(found) for found in await rows(connection, LIST, owner_id)]


async def present_secret(tx: Connection, *, owner_id: UUID, endpoint_id: UUID, keyring: Keyring) -> EndpointSecret:
    """Open an endpoint's lasting secret again, for the repetition of the call that made it."""
    found = await endpoint(tx, owner_id, endpoint_id)
    secret: Any = await row(tx, READ_LASTING, endpoint_id)
    key = keyring.unseal(secret["sealed"], record=secret["id"], field=SEALED_FIELD)
    return EndpointSecret(endpoint=found, secret=write_secret(key))


async def rotate_secret(tx: Connection, *, owner_id: UUID, endpoint_id: UUID, keyring: Keyring) -> EndpointSecret:
    """Give an endpoint a new secret; the one before signs beside it for 24 hours more, earlier ones end at once."""
    await _lock(tx, owner_id, endpoint_id)
    now = await clock.now(tx)
    await execute(tx, "DELETE FROM webhook_secrets WHERE endpoint_id = $1 AND expires_at IS NOT NULL", endpoint_id)
    await execute(
        tx, "UPDATE webhook_secrets SET expires_at = $2 WHERE endpoint_id = $1", endpoint_id, now + OLD_SECRET_SECONDS
    )
    secret = await _new_secret(tx, endpoint_id, keyring, now=now)
    return EndpointSecret(endpoint=await endpoint(tx, owner_id, endpoint_id), secret=secret)


async def enable_endpoint(tx: Connection, *, owner_id: UUID, endpoint_id: UUID) -> Endpoint:
    """Send to an endpoint again that was disabled; what failed meanwhile is not sent again."""
    await _lock(tx, owner_id, endpoint_id)
    await execute(tx, "UPDATE webhook_endpoints SET disabled_for = NULL, disabled_at = NULL WHERE id = $1", endpoint_id)
    return await endpoint(tx, owner_id, endpoint_id)


async def remove_endpoint(tx: Connection, *, owner_id: UUID, endpoint_id: UUID) -> None:
    """Remove an endpoint with its secrets and the record of its deliveries. Raises EndpointNotFoundError."""
    await _lock(tx, owner_id, endpoint_id)
    for removal in REMOVALS:
        await execute(tx, removal, endpoint_id)


async def counting_keys(tx: Connection, endpoint_id: UUID, keyring: Keyring, *, now: int) -> tuple[bytes, ...]:
    """Open the keys that sign at `now`, the lasting one first. Raises SealBrokenError."""
    return tuple(
        keyring.unseal(found["sealed"], record=found["id"], field=SEALED_FIELD)
        for found in await rows(tx, READ_COUNTING, endpoint_id, now)
    )


async def webhook_secrets_sealed_under(connection: Connection, prefix: bytes) -> bool:
    """Tell whether any signing secret is sealed under the key that writes this prefix."""
    return bool(
        await value(
            connection,
            "SELECT EXISTS (SELECT FROM webhook_secrets WHERE substring(sealed FOR length($1::bytea)) = $1::bytea)",
            prefix,
        )
    )


async def _new_secret(tx: Connection, endpoint_id: UUID, keyring: Keyring, *, now: int) -> str:
    secret_id, key = new_id(), generate_key()
    await execute(tx, INSERT_KEY, secret_id, endpoint_id, keyring.seal(key, record=secret_id, field=SEALED_FIELD), now)
    return write_secret(key)


async def _lock(tx: Connection, owner_id: UUID, endpoint_id: UUID) -> None:
    found = await value(
        tx, "SELECT true FROM webhook_endpoints WHERE owner_id = $1 AND id = $2 FOR UPDATE", owner_id, endpoint_id
    )
    if not found:
        raise EndpointNotFoundError


def _endpoint(found: dict[str, Any]) -> Endpoint:
    disabled_for = found["disabled_for"]
    return Endpoint(**{**found, "disabled_for": None if disabled_for is None else DisabledFor(disabled_for)})
