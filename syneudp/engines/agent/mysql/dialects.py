"""What differs between the servers behind the engine name mysql: one small object a dialect, and no ladders of `if`."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from syneudp.engines.agent.errors import EngineUnsupportedError
from syneudp.engines.contract import Limits, Scheme
from syneudp.engines.verifiers import check_verifier

VERSION: Final = re.compile(r"(\d+)\.(\d+)\.\d+")
MARIADB_MINORS: Final = 100
TELLS_TEMP_SPACE: Final = 5
MARIADB_MARK: Final = "mariadb"
SUPPORTED: Final = "MySQL 8.4 and 9.7, MariaDB 10.11 and 11.x"


@dataclass(frozen=True)
class UnsafeSetting:
    """A variable of the server under which tenants are not held, by the values that are unsafe, and why."""

    variable: str
    values: re.Pattern[str]
    fault: str


SYMBOLIC_LINKS: Final = UnsafeSetting(
    variable="have_symlink",
    values=re.compile("YES"),
    fault="tenants may put tables into any folder of the server (DATA DIRECTORY): start it with --skip-symbolic-links",
)
PARTIAL_REVOKES: Final = UnsafeSetting(
    variable="partial_revokes",
    values=re.compile("ON"),
    fault="partial_revokes is on, under which the agent's grant on its tenants' databases means nothing",
)
ENDLESS_SYSTEM_TABLESPACE: Final = UnsafeSetting(
    variable="innodb_data_file_path",
    values=re.compile(".*:autoextend"),
    fault="tables in the system tablespace escape the meter and it may grow without end: give innodb_data_file_path a"
    " max, such as ibdata1:12M:autoextend:max:64M",
)
ENDLESS_TEMPORARY_TABLESPACE: Final = UnsafeSetting(
    variable="innodb_temp_data_file_path",
    values=re.compile(".*:autoextend"),
    fault="temporary tables of one tenant may fill the disk of all: give innodb_temp_data_file_path a max, such as"
    " ibtmp1:12M:autoextend:max:4G",
)


@dataclass(frozen=True)
class Dialect:
    """One flavour in one range of versions.

    `identified` writes how an account proves itself; it raises VerifierInvalidError for anything but a verifier of
    `scheme`. The queries answer under the same column names in every dialect. `agent_privileges` are the agent's own.
    """

    name: str
    flavour: str
    scheme: Scheme
    identified: Callable[[str], str]
    accounts_query: str
    storage_query: str
    transactions_query: str
    prepared_transactions_query: str
    prepared_strangers_query: str
    tells_locks_of_prepared: bool
    watch_query: str
    excess_query: str
    unsafe_settings: tuple[UnsafeSetting, ...]
    limited: Callable[[Limits], str]
    keeps_previous_password: bool
    agent_privileges: tuple[str, ...]
    agent_readable: tuple[str, ...]


@cache
def read_query(name: str) -> str:
    """Read a query that stands beside this file."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def caching_sha2(verifier: str) -> str:
    """Write the MySQL clause; hexadecimal, because the stored form is bytes."""
    check_verifier(Scheme.CACHING_SHA2_PASSWORD, verifier)
    return f"IDENTIFIED WITH caching_sha2_password AS 0x{verifier.encode().hex()}"


def native(verifier: str) -> str:
    """Write the MariaDB clause."""
    check_verifier(Scheme.MYSQL_NATIVE_PASSWORD, verifier)
    return f"IDENTIFIED VIA mysql_native_password USING '{verifier}'"


def connections_only(limits: Limits) -> str:
    """Write an account's resources for MySQL."""
    return f"MAX_USER_CONNECTIONS {int(limits.max_connections)}"


def connections_and_statements(limits: Limits) -> str:
    """Write an account's resources for MariaDB, where a session starts with its account's statement time."""
    return f"{connections_only(limits)} MAX_STATEMENT_TIME {int(limits.statement_seconds)}"


def mysql(name: str) -> Dialect:
    """Describe a MySQL: 8.4 and 9.7 take the same statements."""
    return Dialect(
        name=name,
        flavour="mysql",
        scheme=Scheme.CACHING_SHA2_PASSWORD,
        identified=caching_sha2,
        accounts_query=read_query("accounts_mysql.sql"),
        storage_query=read_query("storage_mysql.sql"),
        transactions_query=read_query("transactions_mysql.sql"),
        prepared_transactions_query="XA RECOVER CONVERT XID",
        prepared_strangers_query=read_query("prepared_strangers_mysql.sql"),
        tells_locks_of_prepared=True,
        watch_query=read_query("watch_mysql.sql"),
        excess_query=read_query("excess_mysql.sql"),
        unsafe_settings=(PARTIAL_REVOKES, ENDLESS_SYSTEM_TABLESPACE),
        limited=connections_only,
        keeps_previous_password=True,
        agent_privileges=("CREATE USER", "PROCESS", "CONNECTION_ADMIN", "XA_RECOVER_ADMIN", "SYSTEM_USER"),
        agent_readable=(
            "mysql.user",
            "mysql.db",
            "mysql.tables_priv",
            "mysql.procs_priv",
            "mysql.role_edges",
            "mysql.global_grants",
            "performance_schema.events_transactions_summary_by_user_by_event_name",
            "performance_schema.threads",
            "performance_schema.events_statements_current",
            "performance_schema.events_transactions_current",
            "performance_schema.data_locks",
        ),
    )


def mariadb(name: str, *, watch_query: str = "watch_mariadb.sql") -> Dialect:
    """Describe a MariaDB: accounts stand in mysql.global_priv, since its mysql.user shows no lock.

    From 11.5 on its process list tells what temporary space a session uses, which is what `watch_query` is for.
    """
    return Dialect(
        name=name,
        flavour="mariadb",
        scheme=Scheme.MYSQL_NATIVE_PASSWORD,
        identified=native,
        accounts_query=read_query("accounts_mariadb.sql"),
        storage_query=read_query("storage_mariadb.sql"),
        transactions_query=read_query("transactions_mariadb.sql"),
        prepared_transactions_query="XA RECOVER",
        prepared_strangers_query=read_query("prepared_strangers_mariadb.sql"),
        tells_locks_of_prepared=False,
        watch_query=read_query(watch_query),
        excess_query=read_query("excess_mariadb.sql"),
        unsafe_settings=(SYMBOLIC_LINKS, ENDLESS_TEMPORARY_TABLESPACE),
        limited=connections_and_statements,
        keeps_previous_password=False,
        agent_privileges=("CREATE USER", "PROCESS", "CONNECTION ADMIN"),
        agent_readable=(
            "mysql.global_priv",
            "mysql.db",
            "mysql.tables_priv",
            "mysql.procs_priv",
            "mysql.roles_mapping",
            "performance_schema.threads",
            "performance_schema.events_transactions_current",
            "performance_schema.events_statements_summary_by_user_by_event_name",
        ),
    )


MYSQL_8_4: Final = mysql("MySQL 8.4")
MYSQL_9_7: Final = mysql("MySQL 9.7")
MARIADB_10_11: Final = mariadb("MariaDB 10.11")
MARIADB_11: Final = mariadb("MariaDB 11")
MARIADB_11_5: Final = mariadb("MariaDB 11.5", watch_query="watch_mariadb_11_5.sql")
MYSQLS: Final = {(8, 4): MYSQL_8_4, (9, 7): MYSQL_9_7}
MARIADBS: Final = {
    (10, 11): MARIADB_10_11,
    **{(11, minor): MARIADB_11 for minor in range(TELLS_TEMP_SPACE)},
    **{(11, minor): MARIADB_11_5 for minor in range(TELLS_TEMP_SPACE, MARIADB_MINORS)},
}


def dialect_of(version_text: str) -> Dialect:
    """Choose the dialect by the server's own VERSION(). Raises EngineUnsupportedError for every other server."""
    found = VERSION.match(version_text)
    number = (int(found[1]), int(found[2])) if found else (0, 0)
    chosen = (MARIADBS if MARIADB_MARK in version_text.lower() else MYSQLS).get(number)
    if chosen is None:
        raise EngineUnsupportedError(f"the server says it is {version_text!r}; SyneUDP supports {SUPPORTED}")
    return chosen
