"""What an operator does with hosts, and what a terminal shows of them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from syneudp import catalog, identity, instances
from syneudp.catalog import DeclaredHost, HostRefusedError, HostState, HostView
from syneudp.engines.client import AgentClient, AgentError
from syneudp.engines.contract import HostReport
from syneudp.identity import Act
from syneudp.instances import Finding, Inspected, Inspection
from syneudp.kernel import clock
from syneudp.kernel.clock import rfc3339
from syneudp.kernel.database import Connection, reading, transact

GIB: Final = 1 << 30
VERSION_LENGTH_MAX: Final = 100
OPERATOR_LENGTH_MAX: Final = 100
LIST_TITLES: Final = ("NAME", "ENGINE", "VERSION", "STATE", "DATABASES", "STORAGE", "FREE", "REACHABLE")
INSPECT_TITLES: Final = ("FINDING", "INSTANCE", "DATABASE", "WANTED", "REPORTED", "GENERATIONS", "DETAIL")
NOT_ANSWERING: Final = "The agent at that address does not answer, or refuses this platform's token."
WORDS: Final[Mapping[Finding, str]] = MappingProxyType(
    {
        Finding.AGREES: "agrees",
        Finding.ON_ITS_WAY: "on its way",
        Finding.PASSWORD_CHANGED: "password changed in SQL",
        Finding.DRIFTED: "drifted",
        Finding.ENGINE_BEHIND: "engine behind",
        Finding.ENGINE_AHEAD: "engine ahead",
        Finding.MISSING: "missing there",
        Finding.UNKNOWN_INSTANCE: "unknown here",
        Finding.UNKNOWN_DATABASE: "unknown to both",
    }
)

StateVerb = Callable[[Connection, str], Awaitable[HostView]]
STATE_VERBS: Final[Mapping[str, StateVerb]] = MappingProxyType(
    {"drain": catalog.drain_host, "close": catalog.close_host, "open": catalog.open_host}
)


@dataclass(frozen=True, slots=True)
class Operator:
    """Who acts, and why; both go into the audit trail."""

    name: str
    reason: str


async def add_host(agents: AgentClient, declared: DeclaredHost, operator: Operator) -> HostView:
    """Make a host known once its agent has answered and said that it serves the engine. Raises HostRefusedError."""
    report = await _ask(agents, declared.agent_url)
    served = {told.engine: f"{told.flavour} {told.version}"[:VERSION_LENGTH_MAX] for told in report.engines}
    if declared.engine not in served:
        serves = " and ".join(sorted(served)) or "no engine"
        raise HostRefusedError(f"The agent at that address serves {serves}, not {declared.engine}.")

    async def add(tx: Connection) -> HostView:
        host = await catalog.add_host(tx, declared, engine_version=served[declared.engine])
        await _record(tx, operator, "add", host.name)
        return host

    return await transact(add)


async def change_state(verb: str, name: str, operator: Operator) -> HostView:
    """Drain, close or open a host; a quarantined one is opened by releasing it. Raises HostRefusedError."""

    async def change(tx: Connection) -> HostView:
        host = await catalog.host_by_name(tx, name)
        if verb == "open" and host.state is HostState.QUARANTINED:
            await instances.release_host(tx, host_id=host.id, operator=operator.name)
            host = await catalog.host_by_name(tx, name)
        else:
            host = await STATE_VERBS[verb](tx, name)
        await _record(tx, operator, verb, name)
        return host

    return await transact(change)


async def inspect_host(agents: AgentClient, name: str) -> Inspection:
    """Compare a host with its agent's reports, both ways, changing nothing. Raises HostRefusedError."""
    host = await catalog.host_by_name(reading(), name)
    try:
        return await instances.inspect_host(agents, host)
    except AgentError:
        raise HostRefusedError(f"The agent of the host {name} does not answer, so that nothing was compared.") from None


async def repair_host(inspection: Inspection, operator: Operator) -> int:
    """Send what is wanted of every drifted database again; answers how many. Nothing is dropped."""
    await transact(partial(_record, operator=operator, verb="repair", name=inspection.host.name))
    return await instances.repair_host(inspection)


async def list_hosts() -> tuple[list[HostView], int]:
    """Read every host, by name, and the instant (epoch seconds) at which they were read."""
    return await catalog.hosts(reading()), await clock.now(reading())


def host_lines(hosts: Sequence[HostView], now: int) -> list[str]:
    """Write hosts as a table for a terminal."""
    if not hosts:
        return ["No host is known yet."]
    told = [
        (
            host.name,
            host.engine.value,
            host.engine_version or "-",
            host.state.value,
            f"{host.placed_instances}/{host.capacity_instances}",
            _storage(host),
            f"{host.free_percent} %",
            _reachable(host, now),
        )
        for host in hosts
    ]
    return _table(LIST_TITLES, told)


def host_values(host: HostView) -> dict[str, Any]:
    """Write a host as plain values for a program."""
    return {
        "name": host.name,
        "engine": host.engine.value,
        "engine_version": host.engine_version,
        "agent_url": host.agent_url,
        "state": host.state.value,
        "placed_instances": host.placed_instances,
        "capacity_instances": host.capacity_instances,
        "placed_bytes": host.placed_bytes,
        "capacity_bytes": host.capacity_bytes,
        "free_percent": host.free_percent,
        "reachable": host.unreachable_since is None,
        "unreachable_since": None if host.unreachable_since is None else rfc3339(host.unreachable_since),
        "asked_at": None if host.asked_at is None else rfc3339(host.asked_at),
    }


def inspection_lines(inspection: Inspection) -> list[str]:
    """Write what differs on a host as a table for a terminal, passwords changed in SQL too, and how much agrees."""
    differing = inspection.differing
    shown = [each for each in inspection.databases if each in differing or each.finding is Finding.PASSWORD_CHANGED]
    agreeing = sum(each.finding is Finding.AGREES for each in inspection.databases)
    under_way = sum(each.finding is Finding.ON_ITS_WAY for each in inspection.databases)
    summary = f"{agreeing} agree, {under_way} are on their way, {len(differing)} differ."
    return [*(_table(INSPECT_TITLES, [_inspected(each) for each in shown]) if shown else []), summary]


def inspection_values(inspection: Inspection) -> dict[str, Any]:
    """Write a host's inspection as plain values for a program, every database in it."""
    return {
        "host": host_values(inspection.host),
        "differing": len(inspection.differing),
        "databases": [
            {
                "finding": each.finding.value,
                "instance_id": None if each.instance_id is None else str(each.instance_id),
                "database": each.database,
                "wanted": each.wanted,
                "reported": each.reported,
                "wanted_generation": each.wanted_generation,
                "confirmed_generation": each.confirmed_generation,
                "accepted_generation": each.accepted_generation,
                "applied_generation": each.applied_generation,
                "detail": each.detail,
            }
            for each in inspection.databases
        ],
    }


async def _ask(agents: AgentClient, agent_url: str) -> HostReport:
    try:
        return await agents.host(agent_url=agent_url)
    except AgentError:
        raise HostRefusedError(NOT_ANSWERING) from None


async def _record(tx: Connection, operator: Operator, verb: str, name: str) -> None:
    await identity.record_audit(
        tx,
        user_id=None,
        actor=f"operator:{operator.name[:OPERATOR_LENGTH_MAX]}",
        act=Act.OPERATOR,
        subject=f"host:{name} {verb}",
        address="",
        user_agent="syneudp hosts",
        reason=operator.reason,
    )


def _storage(host: HostView) -> str:
    limit = "" if host.capacity_bytes is None else f"/{host.capacity_bytes / GIB:.0f}"
    return f"{host.placed_bytes / GIB:.0f}{limit} GiB"


def _reachable(host: HostView, now: int) -> str:
    if host.asked_at is None:
        return "not asked yet"
    answer = "yes" if host.unreachable_since is None else f"no, since {rfc3339(host.unreachable_since)}"
    return f"{answer}, asked {max(now - host.asked_at, 0)} s ago"


def _inspected(each: Inspected) -> tuple[str, ...]:
    here = f"{each.wanted_generation or '-'}/{each.confirmed_generation or '-'}"
    there = f"{each.accepted_generation or '-'}/{each.applied_generation or '-'}"
    return (
        WORDS[each.finding],
        "-" if each.instance_id is None else str(each.instance_id),
        each.database or "-",
        each.wanted or "-",
        each.reported or "-",
        f"{here} here, {there} there",
        each.detail or "-",
    )


def _table(titles: Sequence[str], told: Sequence[Sequence[str]]) -> list[str]:
    lines = [titles, *told]
    widths = [max(len(line[column]) for line in lines) for column in range(len(titles))]
    return ["  ".join(cell.ljust(widths[place]) for place, cell in enumerate(line)).rstrip() for line in lines]
