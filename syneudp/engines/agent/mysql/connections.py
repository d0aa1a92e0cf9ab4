"""Connections to one MySQL or MariaDB as its admin: TLS where the server speaks it, failures in the frame's words."""

import asyncio
import ssl
import warnings
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

import aiomysql
import pymysql
from pymysql.constants import CLIENT, CR, ER

from syneudp.engines.agent.errors import EngineUnavailableError
from syneudp.engines.agent.mysql.batch import Answer, Statement
from syneudp.kernel.logging import log

DEFAULT_PORT: Final = 3306
CONNECT_TIMEOUT_SECONDS: Final = 5
LOCK_WAIT_SECONDS: Final = 3
POOL_SIZE: Final = 16
RECYCLE_SECONDS: Final = 600
FIRST_STATEMENT: Final = (
    f"SET SESSION lock_wait_timeout = {LOCK_WAIT_SECONDS}, innodb_lock_wait_timeout = {LOCK_WAIT_SECONDS},"
    " time_zone = '+00:00'"
)
READ_WHAT_ANY_NODE_COMMITTED: Final = ", wsrep_sync_wait = 1"
CLUSTER_STATUS: Final = "SHOW STATUS WHERE Variable_name IN ('wsrep_ready', 'wsrep_cluster_size')"
NODE_NOT_READY: Final = 1047
URL_SCHEMES: Final = ("mysql", "mariadb")
CONNECTION_KILLED: Final = 1927
SERVER_SHUTDOWN: Final = 1053
QUERY_INTERRUPTED: Final = 1317
UNAVAILABLE: Final = frozenset(
    {
        ER.CON_COUNT_ERROR,
        ER.TOO_MANY_USER_CONNECTIONS,
        ER.LOCK_WAIT_TIMEOUT,
        ER.LOCK_DEADLOCK,
        CR.CR_CONN_HOST_ERROR,
        CR.CR_CONNECTION_ERROR,
        CR.CR_SERVER_GONE_ERROR,
        CR.CR_SERVER_LOST,
        CR.CR_SERVER_LOST_EXTENDED,
        CONNECTION_KILLED,
        SERVER_SHUTDOWN,
        QUERY_INTERRUPTED,
        NODE_NOT_READY,
    }
)
NO_PASSWORD_ACCOUNT: Final = 1698
ACCOUNT_LOCKED: Final = 3118
ACCOUNT_LOCKED_MARIADB: Final = 4151
LOGIN_REFUSED: Final = frozenset(
    {
        ER.ACCESS_DENIED_ERROR,
        ER.HOST_IS_BLOCKED,
        ER.HOST_NOT_PRIVILEGED,
        NO_PASSWORD_ACCOUNT,
        ACCOUNT_LOCKED,
        ACCOUNT_LOCKED_MARIADB,
    }
)
HEALTHY: Final = frozenset({ER.LOCK_WAIT_TIMEOUT, ER.LOCK_DEADLOCK})


Node: TypeAlias = tuple[str, int]


@dataclass(frozen=True)
class Login:
    """Where and as whom to connect, out of mysql://user:password@host:port/?ssl_ca=FILE.

    Several hosts, parted by commas, are the nodes of one Galera cluster.
    """

    nodes: tuple[Node, ...]
    user: str
    password: str
    authority_file: str | None

    @property
    def clustered(self) -> bool:
        """Say whether the URL names several nodes."""
        return len(self.nodes) > 1

    def options(self, node: Node) -> dict[str, Any]:
        """Write the driver's arguments; without an authority the connection is encrypted but the server unverified."""
        return {
            "host": node[0],
            "port": node[1],
            "user": self.user,
            "password": self.password,
            "ssl": self._tls(),
            "autocommit": True,
            "charset": "utf8mb4",
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "init_command": FIRST_STATEMENT + (READ_WHAT_ANY_NODE_COMMITTED if self.clustered else ""),
        }

    def _tls(self) -> ssl.SSLContext:
        if self.authority_file is not None:
            return ssl.create_default_context(cafile=self.authority_file)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context


def read_login(url: str) -> Login:
    """Take an admin URL apart. Raises ValueError, which never repeats the URL."""
    try:
        parts = urlsplit(url)
        nodes = tuple(_node(text) for text in parts.netloc.rpartition("@")[2].split(","))
    except ValueError:
        raise ValueError("the MySQL admin URL does not parse") from None
    if parts.scheme not in URL_SCHEMES or not all(host for host, _port in nodes) or not parts.username:
        raise ValueError("a MySQL admin URL reads mysql://user:password@host:port/")
    authority = parse_qs(parts.query).get("ssl_ca")
    return Login(
        nodes=nodes,
        user=unquote(parts.username),
        password=unquote(parts.password or ""),
        authority_file=authority[0] if authority else None,
    )


def _node(text: str) -> Node:
    parts = urlsplit(f"//{text}")
    return parts.hostname or "", parts.port or DEFAULT_PORT


class Session:
    """One connection; every failure to reach the server comes out as EngineUnavailableError and closes it."""

    def __init__(self, connection: Any, *, lost: Callable[[], None] = lambda: None) -> None:
        self._connection = connection
        self._lost = lost

    @property
    def speaks_tls(self) -> bool:
        """Say whether the server offers TLS at all."""
        return bool(self._connection.server_capabilities & CLIENT.SSL)

    @property
    def usable(self) -> bool:
        """Say whether the connection can still be used."""
        return not self._connection.closed

    async def batch(self, *statements: Statement) -> list[Answer]:
        """Run statements in one trip to the server; where one fails, those after it stay undone."""
        with self._translated():
            async with self._connection.cursor(aiomysql.DictCursor) as cursor:
                spelled = [cursor.mogrify(statement.sql, statement.parameters) for statement in statements]
                await cursor.execute("; ".join(spelled))
                answers = [Answer(list(await cursor.fetchall()), int(cursor.rowcount))]
                while await cursor.nextset():
                    answers.append(Answer(list(await cursor.fetchall()), int(cursor.rowcount)))
                return answers

    async def run(self, sql: str, parameters: Mapping[str, Any] | None = None) -> int:
        """Run one statement and answer how many rows it touched."""
        return (await self.batch(Statement(sql, parameters)))[0].touched

    async def run_unless_locked(self, sql: str) -> bool:
        """Run one statement; answer False where somebody's lock kept it waiting for LOCK_WAIT_SECONDS."""
        try:
            await self.run(sql)
        except EngineUnavailableError as failure:
            cause = failure.__cause__
            if isinstance(cause, pymysql.err.MySQLError) and cause.args[0] == ER.LOCK_WAIT_TIMEOUT:
                return False
            raise
        return True

    async def run_unless_gone(self, kill: str) -> bool:
        """Run one KILL; answer False where that session ended by itself."""
        try:
            await self.run(kill)
        except pymysql.err.MySQLError as failure:
            if failure.args[0] != ER.NO_SUCH_THREAD:
                raise
            return False
        return True

    async def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Run one query and answer its rows."""
        return (await self.batch(Statement(sql, parameters)))[0].rows

    async def rows_among(self, sql: str, names: Sequence[str]) -> list[dict[str, Any]]:
        """Run one query in which `%(names)s` stands for a list of at least one text, and answer its rows."""
        return (await self.batch(Statement.among(sql, names)))[0].rows

    async def value(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Any:
        """Run one query and answer its first column in its first row, or None."""
        found = await self.rows(sql, parameters)
        return next(iter(found[0].values())) if found else None

    def close(self) -> None:
        """Drop the connection at once, and with it every lock it holds."""
        self._connection.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            with unavailable_translated():
                yield
        except pymysql.err.MySQLError:
            raise
        except EngineUnavailableError as failure:
            if not isinstance(failure.__cause__, pymysql.err.MySQLError) or failure.__cause__.args[0] not in HEALTHY:
                self.close()
                self._lost()
            raise
        except BaseException:
            self.close()
            self._lost()
            raise


class LoginRefusedError(EngineUnavailableError):
    """The server answers, and refuses the agent's login."""


@contextmanager
def unavailable_translated() -> Iterator[None]:
    """Turn the driver's ways to say that the server is out of reach into EngineUnavailableError."""
    try:
        yield
    except pymysql.err.MySQLError as failure:
        code = failure.args[0] if failure.args else None
        if code in UNAVAILABLE or isinstance(failure, pymysql.err.InterfaceError):
            raise EngineUnavailableError from failure
        if code in LOGIN_REFUSED:
            log.warning("engine_refuses_login", engine="mysql", code=code)
            raise LoginRefusedError from failure
        raise
    except (OSError, EOFError, asyncio.IncompleteReadError, RuntimeError) as failure:
        raise EngineUnavailableError from failure


class Pool:
    """A few connections of one login, opened when needed.

    Of a Galera cluster they all go to one node, since GET_LOCK is known to its own node alone. When that node is lost
    they all go to another one, and what is left of the connections to the lost one is dropped.
    """

    def __init__(self, login: Login) -> None:
        self._login = login
        self._node = login.nodes[0]
        self._pool: Any = None
        self._doubted = False
        self._moving = asyncio.Lock()

    async def open(self) -> None:
        """Connect once to see that it works. Raises EngineUnavailableError.

        Servers' notes, such as that what DROP IF EXISTS names is gone, are not shown as Python warnings.
        """
        if self._pool is not None:
            return
        warnings.filterwarnings("ignore", category=pymysql.err.Warning)
        await self._move_to(self._login.nodes)

    async def close(self) -> None:
        """Close every connection."""
        if self._pool is not None:
            self._pool.terminate()
            await self._pool.wait_closed()
            self._pool = None

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Borrow a connection; one on which a statement was cut off is closed already and not handed on."""
        pool, connection = await self._borrow()
        try:
            yield Session(connection, lost=self._doubt)
        finally:
            await pool.release(connection)

    @asynccontextmanager
    async def other_nodes(self, here: Session) -> AsyncIterator[Sequence[Session]]:
        """Hold a connection to every other living node, none where the server is no cluster.

        Raises EngineUnavailableError where the cluster counts more members than could be reached.
        """
        async with AsyncExitStack() as held:
            reached = []
            for node in self._login.nodes if self._login.clustered else ():
                with suppress(EngineUnavailableError):
                    if node != self._node:
                        reached.append(await held.enter_async_context(connected(self._login, node)))
            if self._login.clustered and 1 + len(reached) < await cluster_size(here):
                raise EngineUnavailableError
            yield reached

    async def _borrow(self) -> tuple[Any, Any]:
        if self._pool is None:
            raise EngineUnavailableError
        if self._doubted:
            await self._leave_lost_node()
        pool = self._pool
        try:
            with unavailable_translated():
                return pool, await pool.acquire()
        except EngineUnavailableError:
            self._doubt()
            raise

    def _doubt(self) -> None:
        self._doubted = self._login.clustered

    async def _leave_lost_node(self) -> None:
        async with self._moving:
            if not self._doubted or self._pool is None:
                return
            if not await self._is_usable(self._node):
                left = self._pool
                await self._move_to([node for node in self._login.nodes if node != self._node])
                left.terminate()
                log.warning("cluster_node_left", engine="mysql")
            self._doubted = False

    async def _is_usable(self, node: Node) -> bool:
        try:
            async with connected(self._login, node) as session:
                await cluster_size(session)
        except EngineUnavailableError:
            return False
        return True

    async def _move_to(self, nodes: Sequence[Node]) -> None:
        failure: EngineUnavailableError | None = None
        for node in nodes:
            try:
                with unavailable_translated():
                    pool = await aiomysql.create_pool(
                        minsize=1, maxsize=POOL_SIZE, pool_recycle=RECYCLE_SECONDS, **self._login.options(node)
                    )
                    if self._login.clustered:
                        async with pool.acquire() as connection:
                            await cluster_size(Session(connection))
            except EngineUnavailableError as unusable:
                failure = unusable
            else:
                self._node, self._pool = node, pool
                return
        raise failure or EngineUnavailableError


async def cluster_size(session: Session) -> int:
    """Count the members of the node's cluster, 1 where it is in none.

    Raises EngineUnavailableError where the node is cut off from its cluster.
    """
    status = {found["Variable_name"]: found["Value"] for found in await session.rows(CLUSTER_STATUS)}
    if status.get("wsrep_ready", "ON") != "ON":
        raise EngineUnavailableError
    return int(status.get("wsrep_cluster_size", 0)) or 1


@asynccontextmanager
async def connected(login: Login, node: Node | None = None) -> AsyncIterator[Session]:
    """Hold one connection outside any pool, to one node or to the first that answers."""
    session = Session(await _connect(login, login.nodes if node is None else (node,)))
    try:
        yield session
    finally:
        session.close()


async def _connect(login: Login, nodes: Sequence[Node]) -> Any:
    failure = EngineUnavailableError()
    for node in nodes:
        try:
            with unavailable_translated():
                return await aiomysql.connect(**login.options(node))
        except EngineUnavailableError as unusable:
            failure = unusable
    raise failure
