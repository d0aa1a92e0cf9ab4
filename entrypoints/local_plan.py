"""Where the development launcher puts everything: ports, folders, secrets, and each program's own variables."""

import base64
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from entrypoints.local_state import Secrets
from entrypoints.local_terminal import LaunchError

PROJECT: Final = Path(__file__).resolve().parents[1]
LOOPBACK: Final = "127.0.0.1"
PORT_MAX: Final = 65_535
PASSWORD_BYTES: Final = 32
LOGIN_BYTES: Final = 10
SEALING_KEY_BYTES: Final = 32
INSTANCES_A_HOST: Final = 100

CONTROL_DATABASE: Final = "syneudp"
OWNER: Final = "syneudp_owner"
RUNTIME: Final = "syneudp_runtime"
AGENT_LOGIN: Final = "syneudp_agent"

KEPT_VARIABLES: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")
LAUNCHERS_OWN: Final = ("SYNEUDP_STATE", "SYNEUDP_ROLE", "SYNEUDP_MYSQL_PROGRAM")
HANDED_ON: Final = ("SYNEUDP_", "STRIPE_")
FOR_ONE_PROGRAM_ONLY: Final = {
    "SYNEUDP_MIGRATION_DATABASE_URL": ("migrate",),
    "SYNEUDP_DATABASE_URL": ("seed", "local-auth", "billing", "api"),
    "SYNEUDP_SEALING_KEYS": ("billing", "api"),
    "STRIPE_SECRET_KEY": ("billing", "api"),
    "STRIPE_WEBHOOK_SECRET": ("api",),
    "STRIPE_WEBHOOK_SECRET_NEXT": ("api",),
    "SYNEUDP_POSTGRESQL_SUPERUSER_URL": ("prepare",),
    "SYNEUDP_MYSQL_SUPERUSER_URL": ("prepare",),
    "SYNEUDP_POSTGRESQL_ADMIN_URL": ("agent", "prepare"),
    "SYNEUDP_MYSQL_ADMIN_URL": ("agent", "prepare"),
}


@dataclass(frozen=True)
class Ports:
    """The ports of one stack, all on loopback."""

    api: int
    agent: int
    auth: int
    control: int
    postgresql: int
    mysql: int

    @classmethod
    def shifted(cls, offset: int) -> "Ports":
        """Return the usual ports, each shifted by an offset."""
        return cls(
            api=8000 + offset,
            agent=8100 + offset,
            auth=9999 + offset,
            control=15431 + offset,
            postgresql=15432 + offset,
            mysql=13306 + offset,
        )


def read_offset(environment: Mapping[str, str]) -> int:
    """Read PORT_OFFSET; raises LaunchError where it is no number or leads past the last port."""
    text = environment.get("PORT_OFFSET", "") or "0"
    if not text.isascii() or not text.isdigit():
        raise LaunchError("PORT_OFFSET must be a whole number of ports to shift by, such as 1000.")
    offset = int(text)
    ports = Ports.shifted(offset)
    if max(ports.control, ports.postgresql, ports.mysql) > PORT_MAX:
        raise LaunchError(f"PORT_OFFSET leads past port {PORT_MAX}; choose a smaller one.")
    return offset


def state_folder(environment: Mapping[str, str]) -> Path:
    """Return the state folder: SYNEUDP_STATE, or .syneudp beside the project."""
    chosen = environment.get("SYNEUDP_STATE", "")
    return Path(chosen).expanduser().absolute() if chosen else PROJECT / ".syneudp"


def make_password() -> str:
    """Make a password that needs no quoting anywhere; 256 random bits."""
    return secrets.token_hex(PASSWORD_BYTES)


def make_login() -> str:
    """Make a login of the agent that no tenant can guess, since MariaDB does not protect administrative accounts."""
    return f"agent_{secrets.token_hex(LOGIN_BYTES)}"


def make_sealing_keys() -> str:
    """Make a keyring of one key, in the form of SYNEUDP_SEALING_KEYS."""
    return "local1:" + base64.b64encode(secrets.token_bytes(SEALING_KEY_BYTES)).decode("ascii")


class LocalPlan:
    """The whole stack of one state folder on paper: addresses, secrets and the variables each program gets."""

    def __init__(self, *, state: Path, keep: Secrets, environment: Mapping[str, str]) -> None:
        self.state = state
        self.ports = Ports.shifted(read_offset(environment))
        self._environment = environment
        self.control_superuser_password = keep.take("control-superuser-password", make_password)
        self.postgresql_superuser_password = keep.take("postgresql-superuser-password", make_password)
        self.mysql_root_password = keep.take("mysql-root-password", make_password)
        self.owner_password = keep.take("control-owner-password", make_password)
        self.runtime_password = keep.take("control-runtime-password", make_password)
        self._postgresql_agent_password = keep.take("postgresql-agent-password", make_password)
        self._mysql_agent_login = keep.take("mysql-agent-login", make_login)
        self._mysql_agent_password = keep.take("mysql-agent-password", make_password)
        self.agent_token = keep.take("agent-token", make_password)
        self._sealing_keys = keep.take("sealing-keys", make_sealing_keys)
        self._auth_sealing_keys = keep.take("auth-sealing-keys", make_sealing_keys)

    @property
    def api_url(self) -> str:
        """The console's and the API's address as the person at this machine reaches it."""
        return self._environment.get("SYNEUDP_PUBLIC_URL") or f"http://{self.api_bind}"

    @property
    def api_bind(self) -> str:
        """Where the api role listens."""
        return self._environment.get("SYNEUDP_BIND") or f"{LOOPBACK}:{self.ports.api}"

    @property
    def agent_bind(self) -> str:
        """Where the agent listens."""
        return self._environment.get("SYNEUDP_AGENT_BIND") or f"{LOOPBACK}:{self.ports.agent}"

    @property
    def auth_bind(self) -> str:
        """Where the local auth server listens."""
        return self._environment.get("SYNEUDP_AUTH_BIND") or f"{LOOPBACK}:{self.ports.auth}"

    @property
    def auth_url(self) -> str:
        """The local auth server's address."""
        return f"http://{self.auth_bind}"

    def control_url(self, *, user: str, password: str) -> str:
        """Write the address of the control database."""
        return f"postgresql://{user}:{password}@{LOOPBACK}:{self.ports.control}/{CONTROL_DATABASE}?sslmode=require"

    def listeners(self) -> dict[str, tuple[str, int]]:
        """Name every address that the stack listens on, with whose it is."""
        return {
            "the control database": (LOOPBACK, self.ports.control),
            "PostgreSQL": (LOOPBACK, self.ports.postgresql),
            "MySQL": (LOOPBACK, self.ports.mysql),
            "the local auth server": _host_and_port(self.auth_bind),
            "the agent": _host_and_port(self.agent_bind),
            "the console and API": _host_and_port(self.api_bind),
        }

    def variables(self, program: str) -> dict[str, str]:
        """Return the environment of one program: what it needs, and whatever of its variables the launcher was given.

        A variable that carries another program's credentials is not handed on.
        """
        own = {name: text for name in KEPT_VARIABLES if (text := self._environment.get(name))}
        own |= {"SYNEUDP_ENVIRONMENT": "local", "PYTHONUNBUFFERED": "1", **self._needed(program)}
        for name, text in self._environment.items():
            plain = name.removesuffix("_FILE")
            if not name.startswith(HANDED_ON) or plain in LAUNCHERS_OWN:
                continue
            if program in FOR_ONE_PROGRAM_ONLY.get(plain, (program,)):
                own.pop(plain, None)
                own[name] = text
        return own

    def operator_variables(self) -> str:
        """Write what an operator command needs against this stack, as lines a shell can read."""
        needed = {"SYNEUDP_ENVIRONMENT": "local", **self._needed("seed"), "SYNEUDP_AGENT_TOKEN": self.agent_token}
        return "".join(f"export {name}='{text}'\n" for name, text in needed.items())

    def _needed(self, program: str) -> dict[str, str]:
        ports = self.ports
        migration = {"SYNEUDP_MIGRATION_DATABASE_URL": self.control_url(user=OWNER, password=self.owner_password)}
        seed = {
            "SYNEUDP_DATABASE_URL": self.control_url(user=RUNTIME, password=self.runtime_password),
            "SYNEUDP_AGENT_HOSTS": self._agent_hosts(),
        }
        billing = {
            **seed,
            "SYNEUDP_SEALING_KEYS": self._sealing_keys,
            "SYNEUDP_AGENT_TOKEN": self.agent_token,
            "SYNEUDP_PAYMENTS": "sandbox",
        }
        api = {
            **billing,
            "SYNEUDP_BIND": self.api_bind,
            "SYNEUDP_PUBLIC_URL": self.api_url,
            "SUPABASE_AUTH_URL": self.auth_url,
        }
        admin = {
            "SYNEUDP_POSTGRESQL_ADMIN_URL": self._engine_url(
                AGENT_LOGIN, self._postgresql_agent_password, "postgresql"
            ),
            "SYNEUDP_MYSQL_ADMIN_URL": self._engine_url(self._mysql_agent_login, self._mysql_agent_password, "mysql"),
        }
        prepare = {
            **admin,
            "SYNEUDP_POSTGRESQL_SUPERUSER_URL": self._engine_url(
                "postgres", self.postgresql_superuser_password, "postgresql"
            ),
            "SYNEUDP_MYSQL_SUPERUSER_URL": self._engine_url("root", self.mysql_root_password, "mysql"),
        }
        agent = {
            **admin,
            "SYNEUDP_AGENT_BIND": self.agent_bind,
            "SYNEUDP_AGENT_TOKEN": self.agent_token,
            "SYNEUDP_POSTGRESQL_ENDPOINT": f"{LOOPBACK}:{ports.postgresql}",
            "SYNEUDP_MYSQL_ENDPOINT": f"{LOOPBACK}:{ports.mysql}",
        }
        local_auth = {
            "SYNEUDP_DATABASE_URL": seed["SYNEUDP_DATABASE_URL"],
            "SYNEUDP_SEALING_KEYS": self._auth_sealing_keys,
            "SYNEUDP_AUTH_BIND": self.auth_bind,
        }
        return {
            "migrate": migration,
            "seed": seed,
            "prepare": prepare,
            "agent": agent,
            "local-auth": local_auth,
            "billing": billing,
            "api": api,
        }[program]

    def _engine_url(self, login: str, password: str, engine: str) -> str:
        if engine == "postgresql":
            return f"postgresql://{login}:{password}@{LOOPBACK}:{self.ports.postgresql}/postgres?sslmode=require"
        return f"mysql://{login}:{password}@{LOOPBACK}:{self.ports.mysql}/"

    def _agent_hosts(self) -> str:
        return json.dumps(
            [
                {
                    "name": f"local-{engine}",
                    "engine": engine,
                    "agent_url": f"http://{self.agent_bind}",
                    "capacity": INSTANCES_A_HOST,
                }
                for engine in ("postgresql", "mysql")
            ]
        )


def _host_and_port(bind: str) -> tuple[str, int]:
    parts = urlsplit(f"//{bind}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if host is None or port is None:
        raise LaunchError(f"{bind} is no address to listen on; write it as ADDRESS:PORT.")
    return host, port


def launcher_environment() -> dict[str, str]:
    """Return the environment this launcher was started with."""
    return dict(os.environ)
