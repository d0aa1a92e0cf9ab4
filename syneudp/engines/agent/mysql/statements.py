"""The statements that shape a tenant, as text: pure, so that each dialect's can be read in a test.

Nothing but names that the agent chose, checked verifiers and integers gets into them.
"""

from dataclasses import dataclass, replace
from typing import Final

from syneudp.engines.agent.driver import NAME_PATTERN, RegistryRow
from syneudp.engines.agent.mysql.dialects import Dialect
from syneudp.engines.agent.spares import SAMPLE, digest_of
from syneudp.engines.contract import Scheme

COLUMN_OF_PRIVILEGE: Final = {
    "SELECT": "Select_priv",
    "INSERT": "Insert_priv",
    "UPDATE": "Update_priv",
    "DELETE": "Delete_priv",
    "CREATE": "Create_priv",
    "DROP": "Drop_priv",
    "ALTER": "Alter_priv",
    "REFERENCES": "References_priv",
    "INDEX": "Index_priv",
    "CREATE TEMPORARY TABLES": "Create_tmp_table_priv",
    "LOCK TABLES": "Lock_tables_priv",
    "CREATE VIEW": "Create_view_priv",
    "SHOW VIEW": "Show_view_priv",
    "CREATE ROUTINE": "Create_routine_priv",
    "ALTER ROUTINE": "Alter_routine_priv",
    "EXECUTE": "Execute_priv",
    "TRIGGER": "Trigger_priv",
}
TENANT_PRIVILEGES: Final = tuple(COLUMN_OF_PRIVILEGE)
GROWING_PRIVILEGES: Final = frozenset(
    {"INSERT", "UPDATE", "CREATE", "ALTER", "INDEX", "CREATE VIEW", "CREATE ROUTINE", "ALTER ROUTINE", "TRIGGER"}
)


SAMPLE_VERIFIERS: Final = {
    Scheme.CACHING_SHA2_PASSWORD: f"$A$005${'.' * 63}",
    Scheme.MYSQL_NATIVE_PASSWORD: f"*{'0' * 40}",
}


@dataclass(frozen=True)
class PreparedTransaction:
    """The identifier of a prepared XA transaction, which a tenant chose and so may hold any byte."""

    format_id: int
    global_part: bytes
    branch: bytes


def quoted(name: str) -> str:
    """Quote a name that the agent chose. Raises ValueError for any other."""
    return f"`{_own(name)}`"


def account(username: str) -> str:
    """Write a tenant's account: one host part, every host. Raises ValueError for a name the agent did not choose."""
    return f"'{_own(username)}'@'%'"


def create_database(row: RegistryRow) -> str:
    """Make the database, which nobody was granted yet."""
    return f"CREATE DATABASE IF NOT EXISTS {quoted(row.database)} CHARACTER SET utf8mb4"


def create_user(dialect: Dialect, row: RegistryRow, *, tls: bool) -> str:
    """Make the user, locked."""
    return f"CREATE USER IF NOT EXISTS {account(row.username)} {_clauses(dialect, row, tls=tls, locked=True)}"


def alter_user(dialect: Dialect, row: RegistryRow, *, tls: bool, locked: bool) -> str:
    """Set limits and lock, and a verifier that was not set yet, in one statement."""
    return f"ALTER USER {account(row.username)} {_clauses(dialect, row, tls=tls, locked=locked)}"


def shut_out(dialect: Dialect, row: RegistryRow, *, tls: bool) -> list[str]:
    """Refuse the user by any password it has, set limits and a verifier that was not set yet, and take all it holds."""
    discarding = [discard_password(row)] if dialect.keeps_previous_password else []
    return [alter_user(dialect, row, tls=tls, locked=True), *discarding, revoke_all(row)]


def retain_password(dialect: Dialect, row: RegistryRow) -> str:
    """Set the verifier and let the password that it replaces go on working beside it, as MySQL alone can."""
    return f"ALTER USER {account(row.username)} {dialect.identified(row.verifier)} RETAIN CURRENT PASSWORD"


def discard_password(row: RegistryRow) -> str:
    """Refuse the password that was kept beside the present one; fine where there is none."""
    return f"ALTER USER {account(row.username)} DISCARD OLD PASSWORD"


def limit_user(dialect: Dialect, row: RegistryRow, *, tls: bool) -> str:
    """Set the limits alone, so that a password the tenant changed keeps working."""
    return f"ALTER USER {account(row.username)} {_limits(dialect, row, tls=tls)}"


def lock_user(row: RegistryRow) -> str:
    """Refuse new logins, whatever else the account is."""
    return f"ALTER USER {account(row.username)} ACCOUNT LOCK"


def granted_privileges(row: RegistryRow) -> tuple[str, ...]:
    """List what a running tenant holds on its database; what adds data is left out where it may not grow."""
    if row.limits.may_grow:
        return TENANT_PRIVILEGES
    return tuple(privilege for privilege in TENANT_PRIVILEGES if privilege not in GROWING_PRIVILEGES)


def granted_columns(row: RegistryRow) -> frozenset[str]:
    """List the same as the columns of mysql.db name it."""
    return frozenset(COLUMN_OF_PRIVILEGE[privilege] for privilege in granted_privileges(row))


def grant_all(row: RegistryRow) -> str:
    """Hand the database over: an explicit list without EVENT and without GRANT OPTION."""
    return f"GRANT {', '.join(granted_privileges(row))} ON {quoted(row.database)}.* TO {account(row.username)}"


def revoke_all(row: RegistryRow) -> str:
    """Take everything back, wherever it was granted."""
    return f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {account(row.username)}"


def drop_database(row: RegistryRow) -> str:
    """Drop the database; gone already is fine."""
    return f"DROP DATABASE IF EXISTS {quoted(row.database)}"


def make_writable(row: RegistryRow) -> str:
    """Undo the READ ONLY that a tenant of MySQL may set on its database, under which not even the agent drops it."""
    return f"ALTER DATABASE {quoted(row.database)} READ ONLY = 0"


def drop_user(row: RegistryRow) -> str:
    """Drop the user; gone already is fine."""
    return f"DROP USER IF EXISTS {account(row.username)}"


def kill(session_id: int) -> str:
    """End one session."""
    return f"KILL CONNECTION {int(session_id)}"


def kill_query(session_id: int) -> str:
    """Cancel one session's statement."""
    return f"KILL QUERY {int(session_id)}"


def roll_back_prepared(transaction: PreparedTransaction) -> str:
    """Undo a prepared transaction by its XA identifier."""
    branch = f"X'{transaction.global_part.hex()}', X'{transaction.branch.hex()}'"
    return f"XA ROLLBACK {branch}, {int(transaction.format_id)}"


def spare_shape(dialect: Dialect, *, tls: bool) -> str:
    """Tell the digest of all that makes a spare on this server."""
    row = replace(SAMPLE, verifier=SAMPLE_VERIFIERS[dialect.scheme])
    return digest_of(create_user(dialect, row, tls=tls), create_database(row), grant_all(row))


def _clauses(dialect: Dialect, row: RegistryRow, *, tls: bool, locked: bool) -> str:
    lock = "ACCOUNT LOCK" if locked else "ACCOUNT UNLOCK"
    identified = f"{dialect.identified(row.verifier)} " if row.sets_verifier else ""
    return f"{identified}{_limits(dialect, row, tls=tls)} PASSWORD EXPIRE NEVER {lock}"


def _limits(dialect: Dialect, row: RegistryRow, *, tls: bool) -> str:
    require = "REQUIRE SSL" if tls else "REQUIRE NONE"
    return f"{require} WITH {dialect.limited(row.limits)}"


def _own(name: str) -> str:
    if NAME_PATTERN.fullmatch(name) is None:
        raise ValueError("this is no name that the agent chose")
    return name
