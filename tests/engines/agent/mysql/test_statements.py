from dataclasses import replace
from uuid import UUID

import pytest

from syneudp.engines.agent.driver import RegistryRow, new_names
from syneudp.engines.agent.errors import EngineUnsupportedError
from syneudp.engines.agent.mysql import statements
from syneudp.engines.agent.mysql.connections import read_login
from syneudp.engines.agent.mysql.dialects import (
    MARIADB_10_11,
    MARIADB_11,
    MARIADB_11_5,
    MYSQL_8_4,
    MYSQL_9_7,
    Dialect,
    dialect_of,
)
from syneudp.engines.agent.mysql.preparation import grants_of_agent
from syneudp.engines.agent.mysql.registry import lock_name
from syneudp.engines.contract import Limits, State
from syneudp.engines.verifiers import VerifierInvalidError, caching_sha2_password, mysql_native_password

DATABASE, USERNAME = "dbaaaaaaaaaabbbbbbbbbb", "uaaaaaaaaaabbbbbbbbbb"
SHA2 = caching_sha2_password("secret", salt="s" * 20)
NATIVE = mysql_native_password("secret")
HOSTILE = [
    "",
    "db",
    "db_aaaaaaaaabbbbbbbbbb",
    "db%aaaaaaaaabbbbbbbbbb",
    "dbaaaaaaaaaabbbbbbbbb`",
    "mysql",
    DATABASE + "\n",
]


def _row(verifier: str) -> RegistryRow:
    return RegistryRow(
        instance_id=UUID(int=1),
        database=DATABASE,
        username=USERNAME,
        state=State.RUNNING,
        made=True,
        accepted_generation=1,
        applied_generation=0,
        credential_version=1,
        applied_credential_version=0,
        verifier=verifier,
        limits=Limits(max_connections=7, temp_bytes=0),
    )


@pytest.mark.parametrize(
    ("version", "dialect"),
    [
        ("8.4.0", MYSQL_8_4),
        ("8.4.6-commercial", MYSQL_8_4),
        ("9.7.4-2", MYSQL_9_7),
        ("10.11.19-MariaDB-0+deb12u1", MARIADB_10_11),
        ("11.4.5-MariaDB", MARIADB_11),
        ("11.5.2-MariaDB", MARIADB_11_5),
        ("11.8.3-MariaDB-ubu2404", MARIADB_11_5),
        ("5.5.5-10.11.6-MariaDB", None),
        ("8.0.43", None),
        ("9.4.0", None),
        ("10.6.22-MariaDB", None),
        ("12.0.2-MariaDB", None),
        ("", None),
        ("TiDB", None),
    ],
)
def test_the_servers_own_version_chooses_the_dialect_or_is_refused(version: str, dialect: Dialect | None) -> None:
    if dialect is not None:
        assert dialect_of(version) is dialect
        return
    with pytest.raises(EngineUnsupportedError, match="supports MySQL 8.4 and 9.7"):
        dialect_of(version)


def test_mysql_8_4_speaks_these_statements() -> None:
    row = _row(SHA2)
    proof = f"IDENTIFIED WITH caching_sha2_password AS 0x{SHA2.encode().hex()}"
    rest = "REQUIRE SSL WITH MAX_USER_CONNECTIONS 7 PASSWORD EXPIRE NEVER"
    assert statements.create_database(row) == f"CREATE DATABASE IF NOT EXISTS `{DATABASE}` CHARACTER SET utf8mb4"
    assert statements.create_user(MYSQL_8_4, row, tls=True) == (
        f"CREATE USER IF NOT EXISTS '{USERNAME}'@'%' {proof} {rest} ACCOUNT LOCK"
    )
    assert statements.alter_user(MYSQL_8_4, row, tls=True, locked=False) == (
        f"ALTER USER '{USERNAME}'@'%' {proof} {rest} ACCOUNT UNLOCK"
    )
    assert "mysql_native_password" not in statements.alter_user(MYSQL_8_4, row, tls=True, locked=True)
    assert statements.revoke_all(row) == f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM '{USERNAME}'@'%'"
    assert statements.drop_database(row) == f"DROP DATABASE IF EXISTS `{DATABASE}`"
    assert statements.drop_user(row) == f"DROP USER IF EXISTS '{USERNAME}'@'%'"
    assert statements.kill(42) == "KILL CONNECTION 42"
    assert MYSQL_8_4.prepared_transactions_query == "XA RECOVER CONVERT XID"
    assert "INNODB_TABLESPACES" in MYSQL_8_4.storage_query


def test_mysql_8_4_and_9_7_differ_in_nothing_but_their_name() -> None:
    assert replace(MYSQL_8_4, name="") == replace(MYSQL_9_7, name="")


def test_mariadb_gives_the_password_its_own_clause() -> None:
    written = statements.alter_user(MARIADB_10_11, _row(NATIVE), tls=False, locked=False)
    assert f"IDENTIFIED VIA mysql_native_password USING '{NATIVE}' REQUIRE NONE" in written
    assert "mysql.global_priv" in MARIADB_10_11.accounts_query


@pytest.mark.parametrize(
    "dialect", [MYSQL_8_4, MYSQL_9_7, MARIADB_10_11, MARIADB_11, MARIADB_11_5], ids=lambda found: found.name
)
def test_neither_tenants_nor_the_agent_are_granted_all_or_events(dialect: Dialect) -> None:
    written = [statements.grant_all(_row(SHA2)), *grants_of_agent(dialect, "'agent'@'127.0.0.1'")]
    assert not [line for line in written if " EVENT" in line or "GRANT ALL ON *" in line or "SUPER" in line]
    assert "GRANT OPTION" not in written[0]
    assert "`db%`.* TO 'agent'@'127.0.0.1' WITH GRANT OPTION" in "".join(written)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_the_agent_did_not_choose_gets_into_no_statement(name: str) -> None:
    for row in (replace(_row(SHA2), database=name), replace(_row(SHA2), username=name)):
        with pytest.raises(ValueError, match="no name"):
            statements.grant_all(row)


def test_chosen_names_hold_no_pattern_characters() -> None:
    for _ in range(200):
        names = new_names()
        assert not set(names.database + names.username) & set("_%\\`'\"")


@pytest.mark.parametrize("verifier", ["", "x' OR 1", SHA2 + "'", "*" + "0" * 39, NATIVE.lower()])
@pytest.mark.parametrize("dialect", [MYSQL_8_4, MARIADB_10_11], ids=lambda found: found.name)
def test_a_text_that_is_no_verifier_gets_into_no_statement(dialect: Dialect, verifier: str) -> None:
    with pytest.raises(VerifierInvalidError):
        statements.alter_user(dialect, _row(verifier), tls=True, locked=False)


def test_prepared_transactions_are_named_by_their_bytes() -> None:
    transaction = statements.PreparedTransaction(format_id=1, global_part=b"'; DROP", branch=b"\x00\xff")
    assert statements.roll_back_prepared(transaction) == "XA ROLLBACK X'273b2044524f50', X'00ff', 1"


def test_lock_names_fit_mysql_and_depend_on_the_salt() -> None:
    names = {lock_name(UUID(int=number), salt * 32) for number in (1, 2) for salt in ("aa", "bb")}
    assert len(names) == 4
    assert {len(name) for name in names} == {64}


@pytest.mark.parametrize("url", ["", "postgresql://a:b@c/", "mysql://c/", "mysql://a:b@c:port/", "mysql://a:b@"])
def test_an_admin_url_that_says_too_little_is_refused_without_an_echo(url: str) -> None:
    with pytest.raises(ValueError, match="MySQL admin URL") as refusal:
        read_login(url)
    assert not url or url not in str(refusal.value)


def test_an_admin_url_is_read_with_its_escapes() -> None:
    login = read_login("mysql://a%40b:p%2Fw@[::1]:3307/?ssl_ca=/ca.pem")
    assert (login.user, login.password, login.nodes) == ("a@b", "p/w", (("::1", 3307),))
    assert login.authority_file == "/ca.pem"


def test_mariadb_measures_temporary_space_from_11_5_on() -> None:
    assert "TMP_SPACE_USED" in MARIADB_11_5.watch_query
    for dialect in (MARIADB_10_11, MARIADB_11):
        assert "TMP_SPACE_USED" not in dialect.watch_query
