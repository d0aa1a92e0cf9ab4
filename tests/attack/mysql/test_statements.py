import pytest
from pymysql.constants import ER

from tests.attack.mysql.conftest import Pair, refused_with
from tests.mysql_tenants import fetched

OTHERS_DATABASES = [
    "USE {other}",
    "SELECT * FROM {other}.kept",
    "SELECT * FROM {other}.seen",
    "CALL {other}.told()",
    "INSERT INTO {other}.kept VALUES (2, 'mine')",
    "DELETE FROM {other}.kept",
    "TRUNCATE {other}.kept",
    "DROP TABLE {other}.kept",
    "ALTER TABLE {other}.kept ADD COLUMN mine INT",
    "CREATE TABLE {other}.mine (n INT)",
    "CREATE TABLE likes LIKE {other}.kept",
    "CREATE TABLE copied AS SELECT * FROM {other}.kept",
    "CREATE TABLE bound (n INT, FOREIGN KEY (n) REFERENCES {other}.kept (id))",
    "CREATE TABLE bound (n INT, FOREIGN KEY (n) REFERENCES {other}.kept (id) ON DELETE CASCADE)",
    "CREATE TABLE bound (n INT, FOREIGN KEY (n) REFERENCES {other}.missing (id))",
    "CREATE TABLE bound (n INT, FOREIGN KEY (n) REFERENCES syneudpagent.databases (database_name))",
    "CREATE TABLE merged (id INT, word VARCHAR(20)) ENGINE = MRG_MyISAM UNION = ({other}.kept)",
    "CREATE VIEW watched AS SELECT * FROM {other}.kept",
    "CREATE SQL SECURITY DEFINER VIEW watched AS SELECT * FROM {other}.kept",
    "CREATE TRIGGER {other}.watched BEFORE INSERT ON {other}.kept FOR EACH ROW SET NEW.id = 1",
    "CREATE TRIGGER watched BEFORE INSERT ON {other}.kept FOR EACH ROW SET NEW.id = 1",
    "CREATE EVENT {other}.tick ON SCHEDULE EVERY 1 SECOND DO SELECT 1",
    "RENAME TABLE {other}.kept TO {own}.kept",
    "RENAME TABLE mine TO {other}.mine",
    "ALTER TABLE mine RENAME {other}.mine",
    "HANDLER {other}.kept OPEN",
    "LOCK TABLES {other}.kept READ",
    "CHECK TABLE {other}.kept",
    "CHECKSUM TABLE {other}.kept",
    "ANALYZE TABLE {other}.kept",
    "OPTIMIZE TABLE {other}.kept",
    "EXPLAIN SELECT * FROM {other}.kept",
    "DESCRIBE {other}.kept",
    "SHOW TABLES FROM {other}",
    "SHOW TABLE STATUS FROM {other}",
    "SHOW TRIGGERS FROM {other}",
    "SHOW EVENTS FROM {other}",
    "SHOW COLUMNS FROM {other}.kept",
    "SHOW INDEX FROM {other}.kept",
    "SHOW CREATE TABLE {other}.kept",
    "SHOW CREATE DATABASE {other}",
    "DROP DATABASE {other}",
    "ALTER DATABASE {other} CHARACTER SET latin1",
    "SELECT * FROM syneudpagent.databases",
    "SELECT salt FROM syneudpagent.lock_names",
    "USE syneudpagent",
]
OTHERS_PASSWORDS = [
    "SELECT * FROM mysql.user",
    "SELECT * FROM mysql.db",
    "SELECT * FROM mysql.proxies_priv",
    "SHOW GRANTS FOR '{them}'@'%'",
    "SHOW CREATE USER '{them}'@'%'",
    "ALTER USER '{them}'@'%' IDENTIFIED BY 'mine now'",
    "ALTER USER '{them}'@'%' ACCOUNT LOCK",
    "ALTER USER 'syneudp_agent'@'127.0.0.1' IDENTIFIED BY 'mine now'",
    "RENAME USER '{them}'@'%' TO 'gone'@'%'",
    "DROP USER '{them}'@'%'",
    "INSERT INTO mysql.user SELECT * FROM mysql.user",
    "UPDATE mysql.db SET User = '{me}'",
]
OTHERS_SESSIONS = [
    "KILL {id}",
    "KILL QUERY {id}",
    "SELECT * FROM performance_schema.threads",
    "SELECT * FROM performance_schema.events_statements_current",
    "SELECT * FROM performance_schema.events_statements_history",
    "SELECT * FROM performance_schema.session_connect_attrs",
    "SELECT * FROM performance_schema.metadata_locks",
    "SELECT * FROM performance_schema.user_variables_by_thread",
    "SELECT * FROM performance_schema.variables_by_thread",
    "SELECT * FROM performance_schema.prepared_statements_instances",
    "SELECT * FROM performance_schema.accounts",
    "SELECT * FROM performance_schema.users",
    "SELECT * FROM performance_schema.events_statements_summary_by_digest",
    "SELECT * FROM sys.session",
    "SELECT * FROM sys.processlist",
    "CALL sys.ps_setup_enable_consumer('events')",
    "SHOW ENGINE INNODB STATUS",
    "SELECT * FROM information_schema.INNODB_TRX",
]
OTHER_ROLES = [
    "SET ROLE '{them}'",
    "SET ROLE root",
    "CREATE ROLE friend",
    "CREATE USER 'friend'@'%' IDENTIFIED BY 'x'",
    "GRANT PROXY ON 'root'@'localhost' TO '{me}'@'%'",
    "GRANT PROXY ON '{them}'@'%' TO '{me}'@'%'",
    "GRANT PROXY ON '{me}'@'%' TO 'made'@'%'",
    "GRANT ALL ON *.* TO '{me}'@'%'",
    "GRANT SELECT ON {other}.* TO '{me}'@'%'",
    "GRANT SELECT ON {own}.* TO '{them}'@'%'",
    "GRANT SELECT ON {own}.mine TO '{them}'@'%'",
    "GRANT EVENT ON {own}.* TO '{me}'@'%'",
    "REVOKE ALL PRIVILEGES, GRANT OPTION FROM '{them}'@'%'",
    "CREATE DEFINER = 'root'@'localhost' PROCEDURE as_root() SELECT 1",
    "CREATE DEFINER = 'syneudp_agent'@'127.0.0.1' PROCEDURE as_agent() SELECT 1",
    "CREATE DEFINER = '{them}'@'%' PROCEDURE as_them() SELECT 1",
    "CREATE DEFINER = '{them}'@'%' VIEW as_them AS SELECT 1",
    "CREATE DEFINER = '{them}'@'%' TRIGGER as_them BEFORE INSERT ON mine FOR EACH ROW SET NEW.id = 1",
]
OWN_LIMITS = [
    "ALTER USER '{me}'@'%' WITH MAX_USER_CONNECTIONS 0",
    "ALTER USER CURRENT_USER() WITH MAX_USER_CONNECTIONS 0",
    "ALTER USER CURRENT_USER() REQUIRE NONE",
    "ALTER USER CURRENT_USER() ACCOUNT UNLOCK",
    "ALTER USER CURRENT_USER() PASSWORD EXPIRE NEVER",
    "SET SESSION max_user_connections = 1000",
    "SET GLOBAL max_user_connections = 0",
    "SET GLOBAL max_connections = 10000",
    "SET GLOBAL event_scheduler = ON",
    "SET GLOBAL innodb_file_per_table = OFF",
    "SET GLOBAL general_log = ON",
    "SET SESSION sql_log_bin = 0",
    "CREATE EVENT tick ON SCHEDULE EVERY 1 SECOND DO SELECT 1",
]
OWN_DATABASE = [
    "DROP USER '{me}'@'%'",
    "RENAME USER '{me}'@'%' TO 'mine'@'%'",
    "CREATE DATABASE another",
    "CREATE DATABASE dbaaaaaaaaaaaaaaaaaaaa",
]
SERVER_FILES = [
    "SELECT 1 INTO OUTFILE '/tmp/tenant'",
    "SELECT 1 INTO DUMPFILE '/tmp/tenant'",
    "LOAD DATA INFILE '/etc/passwd' INTO TABLE mine",
    "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE mine",
    "LOAD XML INFILE '/etc/passwd' INTO TABLE mine",
    "CREATE TABLE filed (n INT) ENGINE = CSV",
    "CREATE TABLE filed (n INT) ENGINE = MyISAM DATA DIRECTORY = '/tmp'",
]
CODE = [
    "CREATE FUNCTION run RETURNS STRING SONAME 'run.so'",
    "CREATE AGGREGATE FUNCTION run RETURNS STRING SONAME 'run.so'",
    "INSTALL PLUGIN run SONAME 'run.so'",
    "UNINSTALL PLUGIN InnoDB",
    "DROP FUNCTION sys.version_major",
]
NETWORK = [
    "CREATE SERVER far FOREIGN DATA WRAPPER mysql OPTIONS (HOST '127.0.0.1')",
    "CREATE TABLE far (n INT) ENGINE = FEDERATED CONNECTION = 'mysql://root@127.0.0.1/mysql/user'",
    "CREATE TABLE far (n INT) ENGINE = SPIDER",
    "CREATE TABLE far (n INT) ENGINE = CONNECT",
    "CREATE TABLE far (n INT) ENGINE = S3",
    "BINLOG 'AAAA'",
]
SERVER = [
    "SHUTDOWN",
    "FLUSH TABLES",
    "FLUSH TABLES WITH READ LOCK",
    "FLUSH TABLES mine WITH READ LOCK",
    "FLUSH PRIVILEGES",
    "FLUSH STATUS",
    "FLUSH USER_RESOURCES",
    "LOCK TABLES mysql.user READ",
    "RESET REPLICA",
    "PURGE BINARY LOGS BEFORE NOW()",
    "SHOW BINARY LOGS",
    "SET GLOBAL read_only = ON",
]
DIALECT = {
    "mysql": [
        "SHOW CREATE PROCEDURE {other}.told",
        "SET PASSWORD FOR '{them}'@'%' = 'mine now'",
        "ALTER USER CURRENT_USER() IDENTIFIED BY 'x' RETAIN CURRENT PASSWORD",
        "SELECT * FROM mysql.tables",
        "SELECT INTERNAL_TABLE_ROWS('{other}', 'kept', '', '', '', '', '', '')",
        "SELECT * FROM performance_schema.data_locks",
        "GRANT '{them}'@'%' TO '{me}'@'%'",
        "GRANT BACKUP_ADMIN ON *.* TO '{me}'@'%'",
        "SET PERSIST max_connections = 10",
        "SET GLOBAL offline_mode = ON",
        "SET SESSION connection_memory_limit = 18446744073709551615",
        "ALTER INSTANCE RELOAD TLS",
        "ALTER INSTANCE DISABLE INNODB REDO_LOG",
        "CREATE TABLESPACE mine ADD DATAFILE '/tmp/mine.ibd'",
        "CREATE TABLE placed (n INT) TABLESPACE `{other}/kept`",
        "CREATE TABLE placed (n INT) TABLESPACE mysql",
        "CREATE TABLE placed (n INT) DATA DIRECTORY = '/tmp'",
        "IMPORT TABLE FROM '/tmp/mine.sdi'",
        "LOCK INSTANCE FOR BACKUP",
        "CLONE LOCAL DATA DIRECTORY = '/tmp/clone'",
        "CLONE INSTANCE FROM 'root'@'127.0.0.1':3306 IDENTIFIED BY 'x'",
        "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1'",
        "START GROUP_REPLICATION",
        "INSTALL COMPONENT 'file://component_x'",
        "RESTART",
        "SET RESOURCE GROUP USR_default",
        "XA RECOVER",
    ],
    "mariadb": [
        "SET PASSWORD FOR '{them}'@'%' = PASSWORD('mine now')",
        "SELECT * FROM mysql.global_priv",
        "EXECUTE IMMEDIATE 'SELECT * FROM mysql.global_priv'",
        "SHOW EXPLAIN FOR {id}",
        "SHOW SLAVE STATUS",
        "BACKUP STAGE START",
        "BACKUP LOCK {other}.kept",
        "CHANGE MASTER TO MASTER_HOST = '127.0.0.1'",
        "INSTALL SONAME 'ha_connect'",
        "SET SESSION enforce_storage_engine = NULL",
        "SET SESSION server_id = 7",
        "SET SESSION wsrep_on = OFF",
        "CREATE TABLE filed (n INT) ENGINE = Aria",
    ],
}
OTHER_REFUSALS = {
    "session variable is read-only": 1621,
    "no such user and none is made": 1133,
    "proxy grant refused": 1698,
    "no such role": 1959,
    "tablespace name refused": 3119,
    "storage engine disabled": 3161,
    "role not granted": 3530,
    "dictionary table refused": 3554,
    "internal function refused": 3566,
    "reserved tablespace": 3723,
    "local files disabled by MySQL": 3948,
    "local files disabled by MariaDB": 4166,
}
DENIED = {
    ER.DBACCESS_DENIED_ERROR,
    ER.ACCESS_DENIED_ERROR,
    ER.TABLEACCESS_DENIED_ERROR,
    ER.COLUMNACCESS_DENIED_ERROR,
    ER.SPECIFIC_ACCESS_DENIED_ERROR,
    ER.PROCACCESS_DENIED_ERROR,
    ER.CANT_CREATE_USER_WITH_GRANT,
    ER.KILL_DENIED_ERROR,
    ER.OPTION_PREVENTS_STATEMENT,
    ER.UNKNOWN_STORAGE_ENGINE,
    ER.GLOBAL_VARIABLE,
    ER.SP_DOES_NOT_EXIST,
    ER.XAER_RMERR,
    *OTHER_REFUSALS.values(),
}


async def denied(pair: Pair, statement: str) -> None:
    assert await refused_with(pair, statement) in DENIED


@pytest.mark.parametrize("statement", OTHERS_DATABASES)
async def test_another_tenants_database_is_out_of_reach(lasting_pair: Pair, statement: str) -> None:
    await denied(lasting_pair, statement)
    assert await fetched(lasting_pair.victim_session, "SELECT * FROM kept") == [(1, "precious")]


@pytest.mark.parametrize("statement", OTHERS_PASSWORDS)
async def test_another_tenants_account_and_password_are_out_of_reach(lasting_pair: Pair, statement: str) -> None:
    await denied(lasting_pair, statement)
    async with lasting_pair.victim.connected():
        pass


@pytest.mark.parametrize("statement", OTHERS_SESSIONS)
async def test_another_tenants_sessions_can_be_neither_ended_nor_looked_at(lasting_pair: Pair, statement: str) -> None:
    assert await refused_with(lasting_pair, statement) in DENIED | {1109, 1146, 1305}
    assert await fetched(lasting_pair.victim_session, "SELECT 1") == [(1,)]


@pytest.mark.parametrize("statement", OTHER_ROLES)
async def test_no_other_role_is_to_be_had(lasting_pair: Pair, statement: str) -> None:
    await denied(lasting_pair, statement)
    assert await lasting_pair.attacker.drift() == []


@pytest.mark.parametrize("statement", OWN_LIMITS)
async def test_own_limits_cannot_be_lifted(lasting_pair: Pair, statement: str) -> None:
    await denied(lasting_pair, statement)
    assert await lasting_pair.attacker.drift() == []


@pytest.mark.parametrize("statement", OWN_DATABASE)
async def test_neither_the_own_account_nor_another_database_is_the_tenants_to_make(
    lasting_pair: Pair, statement: str
) -> None:
    await denied(lasting_pair, statement)


@pytest.mark.parametrize("statement", SERVER_FILES)
async def test_server_files_are_out_of_reach(lasting_pair: Pair, statement: str) -> None:
    await denied(lasting_pair, statement)


@pytest.mark.parametrize("statement", CODE)
async def test_no_code_gets_into_the_server(lasting_pair: Pair, statement: str) -> None:
    await denied(lasting_pair, statement)


@pytest.mark.parametrize("statement", NETWORK)
async def test_the_server_opens_no_connections_for_a_tenant(lasting_pair: Pair, statement: str) -> None:
    await denied(lasting_pair, statement)


@pytest.mark.parametrize("statement", SERVER)
async def test_the_server_takes_no_orders_from_a_tenant(lasting_pair: Pair, statement: str) -> None:
    await denied(lasting_pair, statement)


@pytest.mark.parametrize(
    ("dialect", "statement"), [(dialect, statement) for dialect, tries in DIALECT.items() for statement in tries]
)
async def test_what_one_flavour_alone_understands_is_refused_there_and_unknown_on_the_other(
    lasting_pair: Pair, dialect: str, statement: str
) -> None:
    if lasting_pair.attacker.server.flavour == dialect:
        await denied(lasting_pair, statement)
