"""The local auth server's ES256 keys: standby, in use, previously used, revoked, as Supabase rotates its own."""

import json
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID, uuid4

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from syneudp.kernel.database import Connection, execute, load_sql, row, rows, value
from syneudp.kernel.sealing import Keyring

PRIVATE_KEY_FIELD: Final = "local_auth_signing_key"
ROTATION_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('local_auth_signing_keys', 0))"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The private key in use and the id its tokens name."""

    id: UUID
    private_key: ec.EllipticCurvePrivateKey = field(repr=False)


async def ensure_signing_keys(tx: Connection, *, keyring: Keyring, now: int) -> None:
    """Make the first key and its standby where there are none; safe beside a second server that starts at once."""
    await execute(tx, ROTATION_LOCK)
    for state in ("in_use", "standby"):
        if await value(tx, "SELECT id FROM local_auth_signing_keys WHERE state = $1", state) is None:
            await _add_key(tx, keyring=keyring, state=state, now=now)


async def rotate_signing_key(tx: Connection, *, keyring: Keyring, now: int) -> UUID:
    """Sign with the standby key from now on and make the next standby; returns the id of the key now in use.

    The standby was published all along, so no verifier meets an unknown key; tokens of the previous key stay good.
    """
    await ensure_signing_keys(tx, keyring=keyring, now=now)
    await execute(tx, "UPDATE local_auth_signing_keys SET state = 'previously_used' WHERE state = 'in_use'")
    await execute(tx, "UPDATE local_auth_signing_keys SET state = 'in_use' WHERE state = 'standby'")
    await _add_key(tx, keyring=keyring, state="standby", now=now)
    return UUID(str(await value(tx, "SELECT id FROM local_auth_signing_keys WHERE state = 'in_use'")))


async def revoke_signing_key(tx: Connection, key_id: UUID) -> bool:
    """Withdraw a previously used key and destroy its private half; False for any other key."""
    sql = (
        "UPDATE local_auth_signing_keys SET state = 'revoked', private_key_sealed = NULL"
        " WHERE id = $1 AND state = 'previously_used'"
    )
    return await execute(tx, sql, key_id) == 1


async def signing_key(connection: Connection, *, keyring: Keyring) -> SigningKey:
    """Open the key in use. Raises SealBrokenError when the sealing key that closed it is not held any more."""
    found = await row(connection, "SELECT id, private_key_sealed FROM local_auth_signing_keys WHERE state = 'in_use'")
    if found is None:
        raise RuntimeError("there is no signing key in use")
    encoded = keyring.unseal(found["private_key_sealed"], record=found["id"], field=PRIVATE_KEY_FIELD)
    private_key = serialization.load_der_private_key(encoded, password=None)
    if not isinstance(private_key, ec.EllipticCurvePrivateKey):
        raise TypeError("the signing key is of another kind")
    return SigningKey(id=found["id"], private_key=private_key)


async def secrets_sealed_under(connection: Connection, prefix: bytes) -> bool:
    """Say whether a signing key or a session stands whose sealed value begins with a sealing key's prefix."""
    return bool(await value(connection, load_sql(__file__, "secrets_sealed_under.sql"), prefix))


async def published_keys(connection: Connection) -> list[dict[str, Any]]:
    """List the public keys that tokens may be verified with, the standby included (RFC 7517)."""
    sql = "SELECT public_jwk FROM local_auth_signing_keys WHERE state <> 'revoked' ORDER BY created_at DESC, id"
    return [json.loads(found["public_jwk"]) for found in await rows(connection, sql)]


async def _add_key(tx: Connection, *, keyring: Keyring, state: str, now: int) -> None:
    key_id = uuid4()
    private_key = ec.generate_private_key(ec.SECP256R1())
    encoded = private_key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = {
        **ECAlgorithm.to_jwk(private_key.public_key(), as_dict=True),
        "kid": str(key_id),
        "alg": "ES256",
        "use": "sig",
        "key_ops": ["verify"],
        "ext": True,
    }
    await execute(
        tx,
        "INSERT INTO local_auth_signing_keys (id, state, private_key_sealed, public_jwk, created_at)"
        " VALUES ($1, $2, $3, $4, $5)",
        key_id,
        state,
        keyring.seal(encoded, record=key_id, field=PRIVATE_KEY_FIELD),
        json.dumps(public),
        now,
    )
