"""Preparing a MySQL or MariaDB for the agent, once, as its superuser; and the agent's look at whether that was done."""

import re
from collections.abc import Sequence
from typing import Final

from syneudp.engines.agent.driver import REGISTRY_DATABASE, PrepareOrder
from syneudp.engines.agent.errors import EngineUnpreparedError
from syneudp.engines.agent.mysql.connections import Login, Session, connected, read_login
from syneudp.engines.agent.mysql.dialects import Dialect, dialect_of
from syneudp.engines.agent.mysql.statements import TENANT_PRIVILEGES
from syneudp.engines.contract import Engine
from syneudp.engines.verifiers import verifiers_for

TENANT_DATABASES: Final = "db%"
EVERY_HOST: Final = "%"
HOST_PATTERN: Final = re.compile(r"[0-9A-Za-z.:/_%-]{1,255}")
USER_PATTERN: Final = re.compile(r"[0-9A-Za-z_]{1,32}")
PRIVILEGES_QUERY: Final = "SELECT PRIVILEGE_TYPE AS name FROM information_schema.USER_PRIVILEGES WHERE GRANTEE = %(me)s"
HANDED_ON_QUERY: Final = (
    "SELECT PRIVILEGE_TYPE AS name FROM information_schema.SCHEMA_PRIVILEGES"
    " WHERE GRANTEE = %(me)s AND TABLE_SCHEMA = %(databases)s AND IS_GRANTABLE = 'YES'"
)
OPEN_ADMINS_QUERY: Final = (
    "SELECT User AS username FROM mysql.user WHERE Host = %(everywhere)s"
    " AND 'Y' IN (Super_priv, Create_user_priv, Grant_priv)"
)
ACCOUNTS_QUERY: Final = "SELECT Host AS host FROM mysql.user WHERE User = %(username)s"


async def prepare(order: PrepareOrder) -> None:
    """Make the agent's account and registry and close every admin account that may log in from anywhere; idempotent.

    Raises EngineUnavailableError, EngineUnsupportedError, EngineUnpreparedError for what preparing cannot mend, and
    ValueError for a name or host part that no agent's account can have.
    """
    superuser, agent = read_login(order.superuser_url), read_login(order.admin_url)
    _refuse_unusable(superuser, agent, order.agent_hosts)
    async with connected(superuser) as session:
        dialect = dialect_of(str(await session.value("SELECT VERSION()")))
        await _refuse_unmendable(session, dialect, require_tls=order.require_tls)
        await session.run(f"CREATE DATABASE IF NOT EXISTS {REGISTRY_DATABASE} CHARACTER SET utf8mb4")
        for host in order.agent_hosts:
            await _make_agent(session, dialect, agent, host)
        for record in await session.rows(ACCOUNTS_QUERY, {"username": agent.user}):
            if record["host"] not in order.agent_hosts:
                await session.run(f"DROP USER {_account(agent.user, record['host'])}")
        await _close_admins(session, order.agent_hosts)


async def refuse_unprepared(session: Session, dialect: Dialect) -> None:
    """Look for the effects of `prepare` with the agent's own eyes. Raises EngineUnpreparedError listing what lacks."""
    user, _, host = str(await session.value("SELECT CURRENT_USER()")).rpartition("@")
    me = f"'{user}'@'{host}'"
    held = {record["name"] for record in await session.rows(PRIVILEGES_QUERY, {"me": me})}
    handed_on = {
        record["name"] for record in await session.rows(HANDED_ON_QUERY, {"me": me, "databases": TENANT_DATABASES})
    }
    registry = await session.value(
        "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %(name)s", {"name": REGISTRY_DATABASE}
    )
    faults = [f"the agent's account lacks {name}" for name in dialect.agent_privileges if name not in held]
    faults += [f"the agent's account cannot hand on {name}" for name in TENANT_PRIVILEGES if name not in handed_on]
    if host == EVERY_HOST:
        faults.append("the agent's account may log in from every host")
    if "SUPER" in held:
        faults.append("the agent's account is a superuser")
    if not registry:
        faults.append(f"the database {REGISTRY_DATABASE} is missing")
    faults += await _unsafe_settings(session, dialect)
    if faults:
        raise EngineUnpreparedError(faults)


def grants_of_agent(dialect: Dialect, agent: str) -> list[str]:
    """Write the agent's grants: exactly what it needs, and the right to hand on exactly what tenants get."""
    return [
        f"GRANT {', '.join(dialect.agent_privileges)} ON *.* TO {agent}",
        f"GRANT {', '.join(TENANT_PRIVILEGES)} ON `{TENANT_DATABASES}`.* TO {agent} WITH GRANT OPTION",
        f"GRANT ALL ON {REGISTRY_DATABASE}.* TO {agent}",
        *(f"GRANT SELECT ON {table} TO {agent}" for table in dialect.agent_readable),
    ]


async def _make_agent(session: Session, dialect: Dialect, agent: Login, host: str) -> None:
    account = _account(agent.user, host)
    verifier = verifiers_for(Engine.MYSQL, agent.password)[dialect.scheme]
    require = "REQUIRE SSL" if session.speaks_tls else "REQUIRE NONE"
    clauses = f"{dialect.identified(verifier)} {require} PASSWORD EXPIRE NEVER ACCOUNT UNLOCK"
    await session.run(f"CREATE USER IF NOT EXISTS {account} {clauses}")
    await session.run(f"ALTER USER {account} {clauses}")
    await session.run(f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {account}")
    for statement in grants_of_agent(dialect, account):
        await session.run(statement)


async def _close_admins(session: Session, hosts: Sequence[str]) -> None:
    for record in await session.rows(OPEN_ADMINS_QUERY, {"everywhere": EVERY_HOST}):
        username = record["username"]
        taken = {found["host"] for found in await session.rows(ACCOUNTS_QUERY, {"username": username})}
        account = _account(username, EVERY_HOST)
        if hosts[0] in taken:
            await session.run(f"DROP USER {account}")
        else:
            await session.run(f"RENAME USER {account} TO {_account(username, hosts[0])}")


async def _refuse_unmendable(session: Session, dialect: Dialect, *, require_tls: bool) -> None:
    faults = await _unsafe_settings(session, dialect)
    if require_tls and not session.speaks_tls:
        faults.append("the server speaks no TLS")
    if faults:
        raise EngineUnpreparedError(faults)


async def _unsafe_settings(session: Session, dialect: Dialect) -> list[str]:
    wanted = {unsafe.variable: unsafe for unsafe in dialect.unsafe_settings}
    found = await session.rows("SHOW GLOBAL VARIABLES")
    return [
        wanted[record["Variable_name"]].fault
        for record in found
        if record["Variable_name"] in wanted and wanted[record["Variable_name"]].values.fullmatch(record["Value"])
    ]


def _refuse_unusable(superuser: Login, agent: Login, hosts: Sequence[str]) -> None:
    if superuser.user == agent.user:
        raise ValueError("the agent needs an account of its own, not the superuser's")
    if USER_PATTERN.fullmatch(agent.user) is None or not agent.password:
        raise ValueError("the agent's account needs a name of letters, digits and _, and a password")
    if not hosts or EVERY_HOST in hosts or not all(HOST_PATTERN.fullmatch(host) for host in hosts):
        raise ValueError("the agent's hosts are MySQL host parts such as 127.0.0.1 or 10.9.0.%, and never % alone")


def _account(user: str, host: str) -> str:
    return f"{_literal(user)}@{_literal(host)}"


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"
