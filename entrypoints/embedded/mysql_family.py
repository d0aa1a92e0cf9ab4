"""What an embedded MySQL and an embedded MariaDB have in common."""

import re
import shutil
import socket
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import quote

from entrypoints.embedded.accounts import (
    Account,
    engine_account,
    hand_over,
    private_folder,
    reachable_programs,
    write_private,
)
from entrypoints.embedded.errors import EmbeddedEngineError
from entrypoints.embedded.packages import unpack
from entrypoints.embedded.processes import Progress, ServerProcess, refuse_busy_port, say_nothing

ROOT: Final = "root"
ROOT_HOSTS: Final = ("localhost", "127.0.0.1", "::1")
SOCKET: Final = "server.sock"
READY_WITHIN_SECONDS: Final = 90.0
STOPPED_WITHIN_SECONDS: Final = 30.0
GREETING_WITHIN_SECONDS: Final = 0.5
GREETING_HEADER_BYTES: Final = 5
PROTOCOL_VERSION: Final = 10
VERSION: Final = re.compile(r"Ver (\d+)\.(\d+)\.(\d+)(-MariaDB)?", re.IGNORECASE)


@dataclass(frozen=True)
class ServerProgram:
    """A server program with whatever has to stand before its name, and the folder it belongs to."""

    command: tuple[str, ...]
    basedir: Path
    messages: Path

    def with_options(self, options: Mapping[str, str | None]) -> list[str]:
        """Write the whole command; an option without a value is a switch. No option file of the machine is read."""
        fixed = {"basedir": str(self.basedir), "lc-messages-dir": str(self.messages)}
        parts = [f"--{name}" if value is None else f"--{name}={value}" for name, value in {**fixed, **options}.items()]
        return [*self.command, "--no-defaults", *parts]


class MySQLFamilyServer(ABC):
    """One embedded server over one folder: root logs in from loopback only, with its password.

    It takes TLS or its socket, nothing else.

    Programs come from `program` where one is named, else from PATH where a supported one is found there, else from
    Debian packages unpacked into `engines`. `settings` go onto the server's command line. All verbs block; they may be
    called from any thread.
    """

    flavour: ClassVar[str]
    title: ClassVar[str]
    package: ClassVar[str]
    from_unstable: ClassVar[bool]
    download_megabytes: ClassVar[int]
    program_names: ClassVar[Sequence[str]]
    supported: ClassVar[Sequence[tuple[int, int]]]

    def __init__(
        self,
        folder: Path,
        *,
        engines: Path,
        port: int,
        root_password: str,
        host: str = "127.0.0.1",
        program: Path | None = None,
        settings: Mapping[str, str] | None = None,
        progress: Progress = say_nothing,
    ) -> None:
        self.host = host
        self.port = port
        self._wanted_folder = folder.absolute()
        self._engines = engines.absolute()
        self.root_password = root_password
        self._named_program = program
        self._settings = dict(settings or {})
        self._progress = progress
        self._account: Account = engine_account()
        self._folder: Path | None = None
        self._found_program: ServerProgram | None = None
        self._process: ServerProcess | None = None

    @property
    def running(self) -> bool:
        """Say whether the server is running."""
        return self._process is not None and self._process.running

    @property
    def pid(self) -> int:
        """Tell the process id of the running server; raises EmbeddedEngineError where it is not running."""
        if self._process is None:
            raise EmbeddedEngineError(f"{self.title} is not running.")
        return self._process.pid

    @property
    def socket_path(self) -> Path:
        """Tell where the server's socket is, inside its own 0700 folder."""
        return self.data_folder / SOCKET

    @property
    def data_folder(self) -> Path:
        """Tell where the data is, which is there once the server was prepared."""
        return self._home() / "data"

    @property
    @abstractmethod
    def certificate(self) -> Path:
        """Tell where the authority is that the server's certificate is to be checked with."""

    @property
    def prepared(self) -> bool:
        """Say whether there is data in the folder."""
        return self._wanted_folder.exists() and self.data_folder.exists()

    def prepare(self) -> None:
        """Fetch the programs and initialise the data folder where there is none yet; idempotent.

        Root's password is set by the first preparation only, and there is no moment without one.
        Raises EmbeddedEngineError.
        """
        program = self._program()
        data = self.data_folder
        if data.exists():
            return
        self._progress(f"Initialising {self.title}")
        partial = data.with_name("data.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        hand_over(partial, self._account, 0o700)
        self._initialise(program, partial)
        partial.rename(data)

    def start(self) -> None:
        """Start the prepared server and wait until it takes logins; raises EmbeddedEngineError."""
        if self.running:
            return
        refuse_busy_port(self.title, self.host, self.port)
        options: dict[str, str | None] = {
            "datadir": str(self.data_folder),
            "tmpdir": str(self._temporary_folder()),
            "socket": SOCKET,
            "pid-file": "server.pid",
            "bind-address": self.host,
            "port": str(self.port),
            "skip-name-resolve": None,
            "secure-file-priv": self._no_file_access(),
            "local-infile": "OFF",
            "require-secure-transport": "ON",
            "character-set-server": "utf8mb4",
            "default-time-zone": "+00:00",
            **self._own_options(),
            **self._settings,
        }
        self._process = ServerProcess(
            self.title,
            self._program().with_options(options),
            account=self._account,
            log=self._home() / "server.log",
            stop_signal="TERM",
        )
        self._process.start(ready=lambda _pid: self._greets(), within_seconds=READY_WITHIN_SECONDS)

    def stop(self) -> None:
        """Stop the server: live sessions are ended and the data is left clean. Stopping twice is fine."""
        if self._process is not None:
            self._process.stop(within_seconds=STOPPED_WITHIN_SECONDS)
            self._process = None

    def url(self, *, user: str, password: str, database: str = "") -> str:
        """Write the address to connect with: mysql://user:password@host:port/database."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return f"mysql://{login}@{host}:{self.port}/{quote(database, safe='')}"

    def root_url(self, database: str = "") -> str:
        """Write root's address."""
        return self.url(user=ROOT, password=self.root_password, database=database)

    @abstractmethod
    def _initialise(self, program: ServerProgram, data: Path) -> None: ...

    @abstractmethod
    def _own_options(self) -> dict[str, str]: ...

    @abstractmethod
    def _no_file_access(self) -> str: ...

    def _home(self) -> Path:
        if self._folder is None:
            self._folder = private_folder(self._wanted_folder, self._account)
        return self._folder

    def _temporary_folder(self) -> Path:
        folder = self._home() / "temporary"
        folder.mkdir(exist_ok=True)
        hand_over(folder, self._account, 0o700)
        return folder

    def _write_private(self, name: str, content: str) -> Path:
        path = self._home() / name
        write_private(path, content, self._account)
        return path

    def _program(self) -> ServerProgram:
        if self._found_program is None:
            self._found_program = self._machines_program() or self._unpacked_program()
        return self._found_program

    def _machines_program(self) -> ServerProgram | None:
        if self._named_program is not None:
            if not self._serves(self._named_program):
                raise EmbeddedEngineError(f"{self._named_program} is no {self.title} that SyneUDP supports.")
            return _installed(self._named_program)
        found = [Path(path) for name in self.program_names if (path := shutil.which(name)) is not None]
        return next((_installed(path) for path in found if self._serves(path)), None)

    def _serves(self, program: Path) -> bool:
        version = read_version(program)
        return version is not None and version[0] == self.flavour and self._supports(version[1])

    def _supports(self, version: tuple[int, int]) -> bool:
        return version in self.supported

    def _unpacked_program(self) -> ServerProgram:
        unpacked = unpack(
            self.package,
            self._engines,
            name=self.flavour,
            from_unstable=self.from_unstable,
            announce=lambda: self._progress(f"Fetching {self.title}, about {self.download_megabytes} MB, once"),
            title=self.title,
        )
        root = reachable_programs(unpacked.root, self._account)
        program = next(path for name in self.program_names for path in root.glob(f"usr/sbin/{name}"))
        return ServerProgram(
            command=(*unpacked.at(root).launcher(), str(program)),
            basedir=root / "usr",
            messages=root / "usr" / "share" / "mysql",
        )

    def _greets(self) -> bool:
        try:
            with socket.create_connection((self.host, self.port), timeout=GREETING_WITHIN_SECONDS) as probe:
                greeting = probe.recv(GREETING_HEADER_BYTES, socket.MSG_WAITALL)
        except OSError:
            return False
        return len(greeting) == GREETING_HEADER_BYTES and greeting[-1] == PROTOCOL_VERSION


def read_version(program: Path) -> tuple[str, tuple[int, int]] | None:
    """Ask a server program for its flavour, `mysql` or `mariadb`, and its major and minor version."""
    try:
        answer = subprocess.run(
            [str(program), "--no-defaults", "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=READY_WITHIN_SECONDS,
            check=False,
        )
    except OSError:
        return None
    found = VERSION.search(answer.stdout)
    if found is None:
        return None
    return ("mariadb" if found[4] else "mysql"), (int(found[1]), int(found[2]))


def sql_text(text: str) -> str:
    """Write a text as a SQL literal that no default sql_mode reads otherwise."""
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def _installed(program: Path) -> ServerProgram:
    prefix = program.resolve().parents[1]
    shares = [share for name in ("mysql", "mariadb") if (share := prefix / "share" / name).is_dir()]
    return ServerProgram(command=(str(program),), basedir=prefix, messages=shares[0] if shares else prefix / "share")
