"""Ending a tenant's sessions on MySQL or MariaDB after its account was changed, until none is left."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from syneudp.engines.agent.driver import RegistryRow
from syneudp.engines.agent.mysql.connections import Pool, Session

UNAUTHENTICATED: Final = "unauthenticated user"
CONNECTING: Final = "Connect"
LOGGING_IN: Final = "login"
KILLED: Final = "Killed"
SWEEPS_CLEAN: Final = 2
SWEEP_PAUSE_SECONDS: Final = 0.01
LOGIN_GRACE_SECONDS: Final = 0.4
SESSIONS_QUERY: Final = (
    "SELECT ID AS id, USER AS username, HOST AS peer, COMMAND AS command, STATE AS state"
    " FROM information_schema.PROCESSLIST WHERE USER IN %(names)s"
)


@dataclass(frozen=True, slots=True)
class Look:
    """What the server shows at once: addresses of the tenant's sessions, and of everybody's logins, by session id."""

    sessions: Mapping[int, str]
    logins: Mapping[int, str]


async def end_sessions(pool: Pool, session: Session, row: RegistryRow, *, newer_too: bool) -> int:
    """End the user's sessions on every node of the cluster, and answer how many there were.

    A node knows its own sessions alone; what it is asked here it answers only after it has changed the account too.
    With `newer_too` the account is closed and nobody may be in; without it, who logs in by the changed account stays.
    """
    ended = await _end_on(session, row, newer_too=newer_too)
    async with pool.other_nodes(session) as others:
        for other in others:
            ended += await _end_on(other, row, newer_too=newer_too)
    return ended


async def _end_on(session: Session, row: RegistryRow, *, newer_too: bool) -> int:
    """End the user's sessions until two looks in a row find none; answer how many there were.

    A login that was under way before the account changed may be let in by the old rules. It shows no user until it is
    over, or the user's name with the command `Connect` or the state `login`. Only those of the first look matter: who
    comes later is judged by the changed account, and one that is being refused shows for a moment too. A login from an
    address that the user has sessions from is ended at once; any other may be a neighbour's and gets a moment to end by
    itself. One that is marked as killed runs no statement any more, though it may wait for its client for ten seconds.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + LOGIN_GRACE_SECONDS
    look = await _look(session, row)
    known, waited_for = {*look.sessions, *look.logins}, {*look.logins}
    ended: set[int] = set()
    peers: set[str] = set()
    clean = 0
    while True:
        of_user = {number: peer for number, peer in look.sessions.items() if newer_too or number in known}
        waited_for &= {*look.logins}
        ended |= {*of_user}
        peers |= {*of_user.values()}
        too_late = loop.time() > deadline
        late = {number for number in waited_for if too_late or look.logins[number] in peers}
        await _kill(session, {*of_user} | late)
        clean = 0 if of_user or waited_for else clean + 1
        if clean == SWEEPS_CLEAN:
            return len(ended)
        await asyncio.sleep(SWEEP_PAUSE_SECONDS)
        look = await _look(session, row)


async def _look(session: Session, row: RegistryRow) -> Look:
    found = await session.rows_among(SESSIONS_QUERY, [row.username, UNAUTHENTICATED])
    sessions = {entry["id"]: _address(entry) for entry in found if _is_session(entry)}
    return Look(
        sessions=sessions,
        logins={
            entry["id"]: _address(entry)
            for entry in found
            if entry["id"] not in sessions and entry["command"] != KILLED
        },
    )


def _is_session(entry: Mapping[str, Any]) -> bool:
    return bool(
        entry["username"] != UNAUTHENTICATED and entry["command"] != CONNECTING and entry["state"] != LOGGING_IN
    )


def _address(entry: Mapping[str, Any]) -> str:
    return str(entry["peer"]).rpartition(":")[0]


async def _kill(session: Session, numbers: Collection[int]) -> None:
    """End sessions in one trip to the server, which passes over those that are gone already."""
    if numbers:
        await session.run("CALL syneudpagent.end_connections(%(listed)s)", {"listed": ",".join(map(str, numbers))})
