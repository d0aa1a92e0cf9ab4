"""What an operator does with hosts: add one, stop placing on it, close it, open it again."""

from typing import Final

from syneudp.catalog.errors import HostRefusedError
from syneudp.catalog.queries import HOST_COLUMNS, host_view
from syneudp.catalog.values import DeclaredHost, HostState, HostView
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, execute, row, value
from syneudp.kernel.identifiers import new_id

INSERT_HOST: Final = (
    "INSERT INTO hosts (id, name, engine, agent_url, capacity_instances, capacity_bytes, engine_version, asked_at,"
    f" created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) ON CONFLICT (name) DO NOTHING RETURNING {HOST_COLUMNS}"
)
SAME_ENGINE: Final = "SELECT name FROM hosts WHERE agent_url = $1 AND engine = $2 AND state <> 'closed' LIMIT 1"
LOCK_HOST: Final = f"SELECT {HOST_COLUMNS} FROM hosts WHERE name = $1 FOR NO KEY UPDATE"
READ_HOST: Final = f"SELECT {HOST_COLUMNS} FROM hosts WHERE name = $1"
WRITE_STATE: Final = f"UPDATE hosts SET state = $2 WHERE id = $1 RETURNING {HOST_COLUMNS}"


async def host_by_name(connection: Connection, name: str) -> HostView:
    """Find a host by its name. Raises HostRefusedError."""
    return _known(await row(connection, READ_HOST, name))


async def add_host(tx: Connection, declared: DeclaredHost, *, engine_version: str) -> HostView:
    """Make a host known, open for placement. Raises HostRefusedError where its name or its engine is known already."""
    other = await value(tx, SAME_ENGINE, declared.agent_url, declared.engine.value)
    if other is not None:
        raise HostRefusedError(f"The host {other} already stands for this engine of this agent.")
    found = await row(
        tx,
        INSERT_HOST,
        new_id(),
        declared.name,
        declared.engine.value,
        declared.agent_url,
        declared.capacity,
        declared.capacity_bytes,
        engine_version,
        await clock.now(tx),
    )
    if found is None:
        raise HostRefusedError(f"There is a host {declared.name} already.")
    return host_view(found)


async def drain_host(tx: Connection, name: str) -> HostView:
    """Place nothing new on an open host; what is there stays and is served. Raises HostRefusedError."""
    host = await _lock(tx, name)
    if host.state is not HostState.OPEN:
        raise HostRefusedError(f"The host {name} is {host.state}; only an open one can be drained.")
    return await _move(tx, host, HostState.DRAINING)


async def close_host(tx: Connection, name: str) -> HostView:
    """Take an empty host out of service: it is neither asked nor compared any more. Raises HostRefusedError."""
    host = await _lock(tx, name)
    if host.state not in {HostState.OPEN, HostState.DRAINING}:
        raise HostRefusedError(f"The host {name} is {host.state}; only an open or draining one can be closed.")
    if host.placed_instances:
        holds = "1 database is" if host.placed_instances == 1 else f"{host.placed_instances} databases are"
        raise HostRefusedError(f"{holds} still placed on the host {name}; it can be closed once it is empty.")
    return await _move(tx, host, HostState.CLOSED)


async def open_host(tx: Connection, name: str) -> HostView:
    """Place on a draining or closed host again. Raises HostRefusedError; a quarantined one is released, not opened."""
    host = await _lock(tx, name)
    if host.state not in {HostState.DRAINING, HostState.CLOSED}:
        raise HostRefusedError(f"The host {name} is {host.state}; only a draining or closed one can be opened.")
    return await _move(tx, host, HostState.OPEN)


async def record_answer(tx: Connection, host: HostView, *, engine_version: str | None = None) -> bool:
    """Write down that agent and engine of a host answer; True where they did not before."""
    now = await clock.now(tx)
    await execute(
        tx,
        "UPDATE hosts SET asked_at = greatest(asked_at, $2), unreachable_since = NULL,"
        " engine_version = coalesce($3, engine_version) WHERE id = $1",
        host.id,
        now,
        engine_version,
    )
    return host.unreachable_since is not None


async def record_silence(tx: Connection, host: HostView) -> bool:
    """Write down that agent or engine of a host do not answer; True where they did before."""
    now = await clock.now(tx)
    await execute(
        tx,
        "UPDATE hosts SET asked_at = greatest(asked_at, $2),"
        " unreachable_since = coalesce(unreachable_since, $2) WHERE id = $1",
        host.id,
        now,
    )
    return host.unreachable_since is None


async def _lock(tx: Connection, name: str) -> HostView:
    return _known(await row(tx, LOCK_HOST, name))


async def _move(tx: Connection, host: HostView, state: HostState) -> HostView:
    return _known(await row(tx, WRITE_STATE, host.id, state.value))


def _known(found: dict[str, object] | None) -> HostView:
    if found is None:
        raise HostRefusedError("There is no host of that name.")
    return host_view(found)
