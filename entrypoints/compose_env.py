"""``make env``: the secrets that docker-compose.yml needs, generated once into a file that only its owner reads."""

import base64
import json
import os
import secrets
import sys
from pathlib import Path
from typing import Final
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import ec

from entrypoints.local_plan import PROJECT, make_password, make_sealing_keys
from entrypoints.local_state import write_private
from entrypoints.local_terminal import LaunchError

COORDINATE_BYTES: Final = 32
PASSWORDS: Final = (
    "CONTROL_SUPERUSER_PASSWORD",
    "CONTROL_OWNER_PASSWORD",
    "CONTROL_RUNTIME_PASSWORD",
    "CONTROL_AUTH_PASSWORD",
    "POSTGRESQL_SUPERUSER_PASSWORD",
    "POSTGRESQL_AGENT_PASSWORD",
    "MYSQL_ROOT_PASSWORD",
    "MYSQL_AGENT_PASSWORD",
    "SYNEUDP_AGENT_TOKEN",
    "GOTRUE_JWT_SECRET",
)
CHOICES: Final = {
    "SYNEUDP_ENVIRONMENT": "local",
    "SYNEUDP_PAYMENTS": "sandbox",
    "GOTRUE_MAILER_AUTOCONFIRM": "true",
}
FAILED_STATUS: Final = 1


def make_signing_key() -> str:
    """Make the auth server's ES256 key as a JSON list of one private JWK (RFC 7517), the only one that may sign."""
    numbers = ec.generate_private_key(ec.SECP256R1()).private_numbers()
    coordinates = {
        "x": numbers.public_numbers.x,
        "y": numbers.public_numbers.y,
        "d": numbers.private_value,
    }
    key: dict[str, object] = {
        "kty": "EC",
        "crv": "P-256",
        "alg": "ES256",
        "use": "sig",
        "kid": str(uuid4()),
        "key_ops": ["sign", "verify"],
    }
    for name, number in coordinates.items():
        key[name] = base64.urlsafe_b64encode(number.to_bytes(COORDINATE_BYTES, "big")).rstrip(b"=").decode("ascii")
    return json.dumps([key], separators=(",", ":"))


def make_environment() -> dict[str, str]:
    """Make a whole set of secrets, with the choices that let the stack be tried on one machine."""
    service = f"10.213.{secrets.randbelow(200) + 20}"
    return {
        **{name: make_password() for name in PASSWORDS},
        "SYNEUDP_SEALING_KEYS": make_sealing_keys(),
        "AUTH_SEALING_KEYS": make_sealing_keys(),
        "GOTRUE_JWT_KEYS": make_signing_key(),
        "SYNEUDP_SERVICE_NETWORK": f"{service}.0/24",
        "SYNEUDP_SERVICE_HOSTS": f"{service}.%",
        **CHOICES,
    }


def main() -> int:
    """Write the env file, unless there is one; returns the exit status."""
    path = Path(os.environ.get("SYNEUDP_ENV_FILE") or PROJECT / ".env")
    if path.exists():
        sys.stdout.write(f"{path} is there already and was left as it is.\n")
        return 0
    text = "".join(f"{name}='{told}'\n" for name, told in make_environment().items())
    try:
        write_private(path, text)
    except LaunchError as error:
        sys.stderr.write(f"{error}\n")
        return FAILED_STATUS
    sys.stdout.write(f"Secrets for docker compose are in {path}, readable by you alone.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
