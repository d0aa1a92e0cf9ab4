import asyncpg
import pytest

from tests.attack.postgresql.conftest import Pair

OTHERS_PASSWORDS = [
    "SELECT rolpassword FROM pg_authid",
    "SELECT passwd FROM pg_shadow",
    "ALTER ROLE {them} PASSWORD 'mine now'",
    "ALTER USER {them} WITH PASSWORD NULL",
    "ALTER ROLE syneudp_agent PASSWORD 'mine now'",
    "ALTER ROLE {them} RENAME TO gone",
    "DROP ROLE {them}",
    "ALTER ROLE {them} SET search_path = evil",
]
OTHERS_SESSIONS = [
    "SELECT pg_terminate_backend({pid})",
    "SELECT pg_cancel_backend({pid})",
    "SELECT pg_log_backend_memory_contexts({pid})",
]
OTHER_ROLES = [
    "SET ROLE {them}",
    "SET ROLE syneudp_agent",
    "SET ROLE postgres",
    "SET ROLE pg_monitor",
    "SET ROLE pg_database_owner",
    "SET SESSION AUTHORIZATION {them}",
    "SET SESSION AUTHORIZATION postgres",
    "GRANT {them} TO {me}",
    "GRANT {me} TO {them}",
    "GRANT pg_read_all_data TO {me}",
    "GRANT pg_execute_server_program TO {me}",
    "CREATE ROLE friend LOGIN",
    "ALTER ROLE {me} SUPERUSER",
    "ALTER ROLE {me} CREATEDB",
    "ALTER ROLE {me} CREATEROLE",
    "ALTER ROLE {me} REPLICATION",
    "ALTER ROLE {me} BYPASSRLS",
    "REASSIGN OWNED BY {them} TO {me}",
    "DROP OWNED BY {them}",
]
OWN_LIMITS = [
    "ALTER ROLE {me} CONNECTION LIMIT 1000",
    "ALTER ROLE {me} VALID UNTIL 'infinity'",
    "SET temp_file_limit = -1",
    "SET LOCAL temp_file_limit = -1",
    "SELECT set_config('temp_file_limit', '-1', false)",
    "ALTER ROLE {me} SET temp_file_limit = -1",
    "ALTER ROLE {me} RESET temp_file_limit",
    "ALTER ROLE {me} IN DATABASE {own} SET temp_file_limit = -1",
    "ALTER DATABASE {own} SET temp_file_limit = -1",
    "ALTER DATABASE {own} CONNECTION LIMIT 1000",
    "SET max_connections = 1000",
    "SET session_replication_role = replica",
    "SET log_statement = 'none'",
    "ALTER SYSTEM SET temp_file_limit = -1",
]
OWN_DATABASE = [
    "DROP DATABASE {own}",
    "DROP DATABASE IF EXISTS {own} WITH (FORCE)",
    "ALTER DATABASE {own} CONNECTION LIMIT -1",
    "ALTER DATABASE {own} ALLOW_CONNECTIONS false",
    "ALTER DATABASE {own} RESET ALL",
    "ALTER DATABASE {own} SET TABLESPACE pg_default",
    "ALTER DATABASE {own} RENAME TO mine",
    "ALTER DATABASE {own} OWNER TO {me}",
    "ALTER DATABASE {own} SET search_path = evil",
    "ALTER DATABASE {own} ALLOW_CONNECTIONS true",
    "ALTER DATABASE {own} IS_TEMPLATE true",
    "COMMENT ON DATABASE {own} IS 'look'",
    "COMMENT ON ROLE {me} IS 'look'",
    "CREATE DATABASE another",
    "CREATE DATABASE another TEMPLATE {other}",
    "ALTER SCHEMA public OWNER TO {me}",
    "DROP SCHEMA public CASCADE",
    "CREATE TABLESPACE mine LOCATION '/tmp'",
]
OTHERS_DATABASES = [
    "DROP DATABASE {other}",
    "DROP DATABASE IF EXISTS {other} WITH (FORCE)",
    "ALTER DATABASE {other} RENAME TO mine",
    "ALTER DATABASE {other} CONNECTION LIMIT 0",
    "SELECT pg_database_size('{other}')",
    "ALTER DATABASE {other} OWNER TO {me}",
    "GRANT CONNECT ON DATABASE {other} TO {me}",
    "ALTER DATABASE {other} ALLOW_CONNECTIONS false",
    "ALTER DATABASE template1 ALLOW_CONNECTIONS false",
]
SERVER_FILES = [
    "SELECT pg_read_file('postgresql.conf')",
    "SELECT pg_read_binary_file('PG_VERSION')",
    "SELECT pg_ls_dir('.')",
    "SELECT pg_ls_waldir()",
    "SELECT pg_ls_logdir()",
    "SELECT pg_ls_tmpdir()",
    "SELECT pg_stat_file('PG_VERSION')",
    "SELECT pg_current_logfile()",
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_export(1, '/tmp/x')",
    "COPY (SELECT 1) TO '/tmp/x'",
    "CREATE TABLE stolen (line text); COPY stolen FROM '/etc/passwd'",
    "SELECT * FROM pg_hba_file_rules",
    "SELECT * FROM pg_file_settings",
    "SELECT pg_relation_filepath(1262), pg_read_file('global/1262')",
]
CODE = [
    "CREATE FUNCTION f() RETURNS int LANGUAGE c AS 'libc.so.6', 'getpid'",
    "CREATE FUNCTION f() RETURNS int LANGUAGE internal AS 'pg_backend_pid'",
    "LOAD '/tmp/evil.so'",
    "LOAD 'dblink'",
    "SET session_preload_libraries = 'dblink'",
    "CREATE EXTENSION plpython3u",
    "CREATE LANGUAGE plperlu",
    "CREATE EXTENSION pg_stat_statements",
    "CREATE EXTENSION adminpack",
    "CREATE EXTENSION file_fdw",
    "CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION nothing()",
    "CREATE ACCESS METHOD mine TYPE INDEX HANDLER bthandler",
    "CREATE FUNCTION pg_catalog.evil() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "UPDATE pg_class SET relowner = 10",
    "DO LANGUAGE plperlu 'system(1)'",
]
NETWORK = [
    "COPY (SELECT 1) TO PROGRAM 'id'",
    "CREATE TABLE stolen (line text); COPY stolen FROM PROGRAM 'id'",
    "CREATE EXTENSION dblink",
    "CREATE EXTENSION postgres_fdw",
    "CREATE FOREIGN DATA WRAPPER mine",
    "CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1' PUBLICATION p WITH (connect = false)",
    "SELECT pg_create_logical_replication_slot('s', 'pgoutput')",
    "SELECT pg_create_physical_replication_slot('s')",
]
SERVER = [
    "SELECT pg_reload_conf()",
    "SELECT pg_rotate_logfile()",
    "SELECT pg_switch_wal()",
    "SELECT pg_promote()",
    "SELECT pg_backup_start('x')",
    "SELECT pg_stat_reset()",
    "CHECKPOINT",
    "BEGIN; PREPARE TRANSACTION 'outlives'",
    "SELECT pg_replication_origin_create('o')",
    "SELECT * FROM pg_stat_get_activity(NULL)",
    "ALTER FUNCTION pg_catalog.syneudp_stat_get_activity(integer) SECURITY INVOKER",
    "CREATE OR REPLACE VIEW pg_catalog.pg_stat_activity AS SELECT 1",
]
REFUSED_OTHERWISE: dict[str, type[asyncpg.PostgresError]] = {
    "SET max_connections = 1000": asyncpg.CantChangeRuntimeParamError,
    "CREATE EXTENSION plpython3u": asyncpg.FeatureNotSupportedError,
    "CREATE LANGUAGE plperlu": asyncpg.FeatureNotSupportedError,
    "CREATE EXTENSION adminpack": asyncpg.FeatureNotSupportedError,
    "DO LANGUAGE plperlu 'system(1)'": asyncpg.UndefinedObjectError,
    "BEGIN; PREPARE TRANSACTION 'outlives'": asyncpg.ObjectNotInPrerequisiteStateError,
}


@pytest.mark.parametrize("statement", OTHERS_PASSWORDS)
async def test_another_tenants_password_is_out_of_reach(lasting_pair: Pair, statement: str) -> None:
    await refused(lasting_pair, statement)
    await (await lasting_pair.victim.connect()).close()


@pytest.mark.parametrize("statement", OTHERS_SESSIONS)
async def test_another_tenants_sessions_cannot_be_touched(lasting_pair: Pair, statement: str) -> None:
    await refused(lasting_pair, statement)
    assert await lasting_pair.victim_session.fetchval("SELECT 1") == 1


@pytest.mark.parametrize("statement", OTHER_ROLES)
async def test_no_other_role_is_to_be_had(lasting_pair: Pair, statement: str) -> None:
    await refused(lasting_pair, statement)
    assert await lasting_pair.session.fetchval("SELECT current_user") == lasting_pair.attacker.username


@pytest.mark.parametrize("statement", OWN_LIMITS)
async def test_own_limits_cannot_be_lifted(lasting_pair: Pair, statement: str) -> None:
    await refused(lasting_pair, statement)


@pytest.mark.parametrize("statement", OWN_DATABASE)
async def test_the_database_itself_is_not_the_tenants(lasting_pair: Pair, statement: str) -> None:
    await refused(lasting_pair, statement)
    assert (await lasting_pair.attacker.report()).drift == []


@pytest.mark.parametrize("statement", OTHERS_DATABASES)
async def test_another_tenants_database_is_out_of_reach(lasting_pair: Pair, statement: str) -> None:
    await refused(lasting_pair, statement)
    assert (await lasting_pair.victim.report()).drift == []
    assert await lasting_pair.victim_session.fetchval("SELECT word FROM kept") == "precious"


@pytest.mark.parametrize("statement", SERVER_FILES)
async def test_server_files_are_out_of_reach(lasting_pair: Pair, statement: str) -> None:
    await refused(lasting_pair, statement)


@pytest.mark.parametrize("statement", CODE)
async def test_no_code_gets_into_the_server(lasting_pair: Pair, statement: str) -> None:
    await refused(lasting_pair, statement)


@pytest.mark.parametrize("statement", NETWORK)
async def test_the_server_opens_no_connections_for_a_tenant(lasting_pair: Pair, statement: str) -> None:
    await refused(lasting_pair, statement)


@pytest.mark.parametrize("statement", SERVER)
async def test_the_server_takes_no_orders_from_a_tenant(lasting_pair: Pair, statement: str) -> None:
    await refused(lasting_pair, statement)


async def refused(pair: Pair, statement: str) -> None:
    with pytest.raises(REFUSED_OTHERWISE.get(statement, asyncpg.InsufficientPrivilegeError)):
        await pair.session.execute(pair.fill(statement))
    await pair.session.execute("ROLLBACK")
