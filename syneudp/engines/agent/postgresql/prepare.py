"""Making a PostgreSQL server ready for the agent, once, with a superuser that no role keeps."""

from typing import Final
from urllib.parse import unquote, urlsplit

from syneudp.engines.agent.driver import REGISTRY_DATABASE, PrepareOrder
from syneudp.engines.agent.errors import EngineUnpreparedError
from syneudp.engines.agent.postgresql.connections import (
    CONNECT_TIMEOUT_SECONDS,
    Connection,
    unreachable_as_unavailable,
)
from syneudp.engines.agent.postgresql.hosts import connect_writable
from syneudp.engines.agent.postgresql.preparation import (
    AGENT_ROLES,
    TEMPLATE_DATABASE,
    faults_of,
    read_preparation,
    require_supported,
)
from syneudp.engines.agent.postgresql.statements import TENANT_TEMPLATE, VERIFIERS_SCHEMA
from syneudp.engines.verifiers import scram_sha_256

CLOSED_DATABASES: Final = ("postgres", "template1", REGISTRY_DATABASE)
UNFINISHED_TEMPLATE: Final = f"{TEMPLATE_DATABASE}unfinished"
PREPARE_LOCK_KEY: Final = 0x50524550
WEAK_RULES: Final = """
SELECT EXISTS (SELECT FROM pg_hba_file_rules WHERE auth_method IN ('trust', 'peer', 'ident', 'password', 'md5'))
"""
ROLE_RIGHTS: Final = "LOGIN CREATEDB CREATEROLE NOSUPERUSER NOREPLICATION NOBYPASSRLS INHERIT"


async def prepare(order: PrepareOrder) -> None:
    """Make the agent's role, its registry database and the closed doors; idempotent.

    Raises EngineUnsupportedError, EngineUnavailableError, and EngineUnpreparedError for what it may not change itself:
    TLS, pg_hba rules that ask for no password, prepared transactions.
    """
    login, password = _credentials(order.admin_url)
    with unreachable_as_unavailable():
        connection = await _connect(order.superuser_url, database="postgres")
        try:
            require_supported(connection.get_server_version().major * 10_000)
            await connection.execute("SELECT pg_advisory_lock($1)", PREPARE_LOCK_KEY)
            await _make_role(connection, login, password)
            await _make_registry(connection, login)
            await _make_comparison(order.superuser_url, role=await connection.fetchval("SELECT quote_ident($1)", login))
            await _make_template(connection, order.superuser_url)
            await _close_doors(connection)
            faults = await _faults_of_server(connection, require_tls=order.require_tls)
        finally:
            await connection.close(timeout=CONNECT_TIMEOUT_SECONDS)
        faults += await _faults_of_effects(order.superuser_url, login)
    if faults:
        raise EngineUnpreparedError(faults)


def _credentials(admin_url: str) -> tuple[str, str]:
    found = urlsplit(admin_url)
    if not found.username or not found.password:
        raise EngineUnpreparedError(["the admin URL names no login or no password"])
    return unquote(found.username), unquote(found.password)


async def _connect(url: str, *, database: str) -> Connection:
    return await connect_writable(
        url,
        database=database,
        timeout=CONNECT_TIMEOUT_SECONDS,
        server_settings={"application_name": "syneudp-prepare", "search_path": "pg_catalog"},
    )


async def _make_role(connection: Connection, login: str, password: str) -> None:
    role = await connection.fetchval("SELECT quote_ident($1)", login)
    existing = await connection.fetchrow("SELECT rolsuper FROM pg_roles WHERE rolname = $1", login)
    if existing is not None and existing["rolsuper"]:
        raise EngineUnpreparedError(["the admin URL names a superuser; give the agent a login of its own"])
    verb = "CREATE" if existing is None else "ALTER"
    async with connection.transaction():
        await connection.execute(f"{verb} ROLE {role} {ROLE_RIGHTS} PASSWORD '{scram_sha_256(password)}'")
        for granted in AGENT_ROLES:
            await connection.execute(f"GRANT {granted} TO {role}")
        await connection.execute(f"GRANT SET ON PARAMETER temp_file_limit TO {role}")


async def _make_registry(connection: Connection, login: str) -> None:
    role = await connection.fetchval("SELECT quote_ident($1)", login)
    if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", REGISTRY_DATABASE):
        await connection.execute(f"CREATE DATABASE {REGISTRY_DATABASE} OWNER {role} TEMPLATE template0")
    await connection.execute(f"ALTER DATABASE {REGISTRY_DATABASE} OWNER TO {role}")


async def _make_comparison(superuser_url: str, *, role: str) -> None:
    """Let the agent ask whether a tenant's password is still the one it set; it may read no password itself."""
    inside = await _connect(superuser_url, database=REGISTRY_DATABASE)
    try:
        async with inside.transaction():
            await inside.execute(VERIFIERS_SCHEMA)
            await inside.execute(f"GRANT USAGE ON SCHEMA prepared TO {role}")
            await inside.execute(f"GRANT EXECUTE ON FUNCTION prepared.keeps_verifier(text, text) TO {role}")
    finally:
        await inside.close(timeout=CONNECT_TIMEOUT_SECONDS)


async def _make_template(connection: Connection, superuser_url: str) -> None:
    """Make what every tenant's database is copied from: template0, but pg_stat_activity shows one's own sessions only.

    PostgreSQL shows everybody's application_name to everybody, and only a superuser can close that, database by
    database. Built under another name, so that a template by its own name is always whole; its name carries a version.
    """
    if await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", TEMPLATE_DATABASE):
        return
    await connection.execute(f"DROP DATABASE IF EXISTS {UNFINISHED_TEMPLATE} WITH (FORCE)")
    await connection.execute(f"CREATE DATABASE {UNFINISHED_TEMPLATE} TEMPLATE template0 CONNECTION LIMIT 0")
    inside = await _connect(superuser_url, database=UNFINISHED_TEMPLATE)
    try:
        async with inside.transaction():
            await inside.execute(TENANT_TEMPLATE)
    finally:
        await inside.close(timeout=CONNECT_TIMEOUT_SECONDS)
    await connection.execute(f"REVOKE ALL ON DATABASE {UNFINISHED_TEMPLATE} FROM PUBLIC")
    await connection.execute(
        f"ALTER DATABASE {UNFINISHED_TEMPLATE} IS_TEMPLATE true ALLOW_CONNECTIONS false CONNECTION LIMIT -1"
    )
    await connection.execute(f"ALTER DATABASE {UNFINISHED_TEMPLATE} RENAME TO {TEMPLATE_DATABASE}")


async def _close_doors(connection: Connection) -> None:
    for database in CLOSED_DATABASES:
        await connection.execute(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")


async def _faults_of_server(connection: Connection, *, require_tls: bool) -> list[str]:
    faults = []
    if require_tls and not await connection.fetchval("SELECT current_setting('ssl')::boolean"):
        faults.append("the server does not speak TLS")
    if await connection.fetchval(WEAK_RULES):
        faults.append("pg_hba.conf lets somebody in by trust, peer, ident, md5 or a password in the clear")
    return faults


async def _faults_of_effects(superuser_url: str, login: str) -> list[str]:
    connection = await _connect(superuser_url, database=REGISTRY_DATABASE)
    try:
        role = await connection.fetchval("SELECT quote_ident($1)", login)
        await connection.execute(f"SET SESSION AUTHORIZATION {role}")
        return faults_of(await read_preparation(connection))
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT_SECONDS)
