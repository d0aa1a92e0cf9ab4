"""Ready-made text for tools and languages, TLS set, with or without the password."""

from collections.abc import Callable, Mapping
from typing import Final

from syneudp.engines.contract import Engine
from syneudp.web.console.views import ConnectionFacts, Snippet

HIDDEN: Final = "PASSWORD"
UNVERIFIED: Final = "Encrypted; the server's certificate is not checked against an authority."
OFFERED: Final[Mapping[Engine, tuple[tuple[str, str, str], ...]]] = {
    Engine.POSTGRESQL: (
        ("psql", "psql", UNVERIFIED),
        ("env", ".env", "Every libpq program reads the PG names."),
        ("python", "Python", "psycopg 3; asyncpg takes the same URI."),
        ("node", "Node", "npm package pg."),
        ("go", "Go", "pgx 5."),
        ("java", "Java", "The PostgreSQL JDBC driver."),
        ("php", "PHP", "PDO with pdo_pgsql."),
        ("ruby", "Ruby", "The gem pg."),
        ("dotnet", ".NET", "Npgsql."),
    ),
    Engine.MYSQL: (
        ("mysql", "mysql", "MySQL's own client; Debian's package mysql-client brings MariaDB's."),
        ("mariadb", "mariadb", f"MariaDB's client, also where it goes by the name mysql. {UNVERIFIED}"),
        ("env", ".env", UNVERIFIED),
        ("python", "Python", "PyMySQL; aiomysql takes the same, with db for database."),
        ("node", "Node", "npm package mysql2."),
        ("go", "Go", "go-sql-driver/mysql."),
        ("java", "Java", "MySQL Connector/J."),
        ("php", "PHP", "mysqli."),
        ("ruby", "Ruby", "The gem mysql2."),
        ("dotnet", ".NET", "MySqlConnector."),
    ),
}

Write = Callable[..., str]


def uri(engine: Engine, facts: ConnectionFacts, password: str | None) -> str:
    """Write a database's address as one URI; PASSWORD stands for a password that is not shown."""
    address = f"{engine.value}://{facts.username}:{password or HIDDEN}@{_host(facts)}:{facts.port}/{facts.database}"
    if not facts.tls:
        return address
    return f"{address}?{'sslmode=require' if engine is Engine.POSTGRESQL else 'ssl-mode=REQUIRED'}"


def snippets(engine: Engine, facts: ConnectionFacts, password: str | None, *, write: Write) -> tuple[Snippet, ...]:
    """Write every snippet for one database with the console's templates."""
    values = {
        "facts": facts,
        "host": _host(facts),
        "password": password or HIDDEN,
        "uri": uri(engine, facts, password),
    }
    return tuple(
        Snippet(slug, label, write(f"snippets/{engine.value}/{slug}.txt", **values), note)
        for slug, label, note in OFFERED[engine]
    )


def _host(facts: ConnectionFacts) -> str:
    return f"[{facts.host}]" if ":" in facts.host else facts.host
