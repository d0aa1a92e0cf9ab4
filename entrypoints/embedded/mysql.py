"""MySQL out of Debian unstable's packages."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

from entrypoints.embedded.mysql_family import ROOT, ROOT_HOSTS, MySQLFamilyServer, ServerProgram, sql_text
from entrypoints.embedded.processes import run_to_end

SYSTEM_TABLESPACE: Final = "ibdata1:12M:autoextend:max:64M"
UNMETERED_ENGINES: Final = "MyISAM,MRG_MYISAM,MEMORY,CSV,ARCHIVE,BLACKHOLE,FEDERATED"


class MySQLServer(MySQLFamilyServer):
    """An embedded MySQL, 8.4 or 9.7; it makes its own certificates."""

    flavour: ClassVar[str] = "mysql"
    title: ClassVar[str] = "MySQL"
    package: ClassVar[str] = "mysql-server-core"
    from_unstable: ClassVar[bool] = True
    download_megabytes: ClassVar[int] = 60
    program_names: ClassVar[Sequence[str]] = ("mysqld",)
    supported: ClassVar[Sequence[tuple[int, int]]] = ((8, 4), (9, 7))

    @property
    def certificate(self) -> Path:
        """Tell where the authority is that signed the server's certificate."""
        return self.data_folder / "ca.pem"

    def _initialise(self, program: ServerProgram, data: Path) -> None:
        password = sql_text(self.root_password)
        statements = [f"ALTER USER '{ROOT}'@'localhost' IDENTIFIED BY {password};"]
        for host in ROOT_HOSTS[1:]:
            statements += [
                f"CREATE USER '{ROOT}'@'{host}' IDENTIFIED BY {password};",
                f"GRANT ALL ON *.* TO '{ROOT}'@'{host}' WITH GRANT OPTION;",
            ]
        first_statements = self._write_private("first-statements.sql", "\n".join(statements) + "\n")
        options = {"datadir": str(data), "initialize": None, "init-file": str(first_statements)}
        try:
            run_to_end("Initialising MySQL", program.with_options(options), account=self._account)
        finally:
            first_statements.unlink(missing_ok=True)

    def _own_options(self) -> dict[str, str]:
        return {
            "mysqlx": "OFF",
            "disabled-storage-engines": UNMETERED_ENGINES,
            "skip-log-bin": "ON",
            "innodb-data-file-path": SYSTEM_TABLESPACE,
        }

    def _no_file_access(self) -> str:
        return "NULL"
