"""MariaDB out of the packages of the machine's own release."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

from entrypoints.embedded.certificates import make_certificate
from entrypoints.embedded.errors import EmbeddedEngineError
from entrypoints.embedded.mysql_family import ROOT, ROOT_HOSTS, MySQLFamilyServer, ServerProgram
from entrypoints.embedded.processes import run_to_end

TEMPORARY_TABLESPACE: Final = "ibtmp1:12M:autoextend:max:4G"
SYSTEM_SCRIPTS: Final = (
    "mysql_system_tables.sql",
    "mysql_performance_tables.sql",
    "mysql_system_tables_data.sql",
    "maria_add_gis_sp_bootstrap.sql",
    "mysql_sys_schema.sql",
)


class MariaDBServer(MySQLFamilyServer):
    """An embedded MariaDB, 10.11 or 11.x, with a certificate made for it."""

    flavour: ClassVar[str] = "mariadb"
    title: ClassVar[str] = "MariaDB"
    package: ClassVar[str] = "mariadb-server-core"
    from_unstable: ClassVar[bool] = False
    download_megabytes: ClassVar[int] = 15
    program_names: ClassVar[Sequence[str]] = ("mariadbd", "mysqld")
    supported: ClassVar[Sequence[tuple[int, int]]] = ((10, 11), *((11, minor) for minor in range(100)))

    @property
    def certificate(self) -> Path:
        """Tell where the server's certificate is, which signs itself and so is its own authority."""
        return self._certificate_pair()[0]

    def _initialise(self, program: ServerProgram, data: Path) -> None:
        options: dict[str, str | None] = {"datadir": str(data), "bootstrap": None, "skip-networking": None}
        run_to_end(
            "Initialising MariaDB",
            program.with_options(options),
            account=self._account,
            input_text=self._first_statements(program.messages),
        )

    def _first_statements(self, scripts: Path) -> str:
        missing = [name for name in SYSTEM_SCRIPTS if not (scripts / name).is_file()]
        if missing:
            raise EmbeddedEngineError(f"MariaDB cannot be initialised: {missing[0]} is not in {scripts}.")
        hosts = ", ".join(f"'{host}'" for host in ROOT_HOSTS)
        opened = "IDENTIFIED VIA mysql_native_password USING"
        statements = [
            "CREATE DATABASE mysql;",
            "USE mysql;",
            "SET @auth_root_socket = NULL;",
            *((scripts / name).read_text(encoding="utf-8") for name in SYSTEM_SCRIPTS),
            f"DELETE FROM mysql.global_priv WHERE User = '' OR (User = '{ROOT}' AND Host NOT IN ({hosts}));",
            "DELETE FROM mysql.proxies_priv;",
            "FLUSH PRIVILEGES;",
            *(f"ALTER USER '{ROOT}'@'{host}' {opened} '{self._root_hash()}';" for host in ROOT_HOSTS),
        ]
        return "\n".join([*statements, ""])

    def _root_hash(self) -> str:
        inner = hashlib.sha1(self.root_password.encode(), usedforsecurity=False).digest()
        return "*" + hashlib.sha1(inner, usedforsecurity=False).hexdigest().upper()

    def _own_options(self) -> dict[str, str]:
        certificate, key = self._certificate_pair()
        return {
            "ssl-cert": str(certificate),
            "ssl-key": str(key),
            "ssl-ca": str(certificate),
            "enforce-storage-engine": "InnoDB",
            "symbolic-links": "OFF",
            "innodb-temp-data-file-path": TEMPORARY_TABLESPACE,
            "userstat": "ON",
            "performance-schema": "ON",
            "performance-schema-instrument": "transaction=ON",
            "performance-schema-consumer-events-transactions-current": "ON",
            "skip-log-bin": "ON",
        }

    def _no_file_access(self) -> str:
        return str(self._empty_folder())

    def _empty_folder(self) -> Path:
        folder = self._home() / "no-files"
        folder.mkdir(exist_ok=True)
        folder.chmod(0o555)
        return folder

    def _certificate_pair(self) -> tuple[Path, Path]:
        return make_certificate(self._home(), host=self.host, account=self._account)
