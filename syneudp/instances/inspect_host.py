"""What an operator sees of a host: each instance as both sides know it, what differs, and what only one side knows.

Looking changes nothing. Repairing sends what is wanted again; what the control plane does not know is never dropped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum, auto
from functools import partial
from typing import Final
from uuid import UUID

from syneudp.catalog import HostView
from syneudp.engines.client import AgentClient
from syneudp.engines.contract import PASSWORD_CHANGED, DatabaseReport, State
from syneudp.instances.compare_host import IN_FLIGHT, KNOWN, detail_of, difference, lacks_database, mend
from syneudp.instances.records import SELECT_RECORD, InstanceRecord, record_of
from syneudp.kernel.database import reading, rows, transact

EXPECTED: Final = (
    f"{SELECT_RECORD} WHERE i.host_id = $1 AND i.terminated_for IS NULL AND i.applied_generation > 0"
    " AND ($2::uuid IS NULL OR i.id > $2) AND ($3::uuid IS NULL OR i.id <= $3)"
)


class Finding(StrEnum):
    """How the two sides stand to each other about one database."""

    AGREES = auto()
    ON_ITS_WAY = auto()
    PASSWORD_CHANGED = auto()
    DRIFTED = auto()
    ENGINE_BEHIND = auto()
    ENGINE_AHEAD = auto()
    MISSING = auto()
    UNKNOWN_INSTANCE = auto()
    UNKNOWN_DATABASE = auto()


REPAIRED_BY_SENDING: Final = frozenset({Finding.DRIFTED, Finding.ENGINE_AHEAD})
IN_ORDER: Final = frozenset({Finding.AGREES, Finding.ON_ITS_WAY, Finding.PASSWORD_CHANGED})


@dataclass(frozen=True, slots=True)
class Inspected:
    """One database as both sides know it; a side that does not know it says None.

    `wanted_generation` and `confirmed_generation` are the control plane's, `accepted_generation` and
    `applied_generation` the engine's. An unknown database has a name alone.
    """

    finding: Finding
    instance_id: UUID | None
    database: str
    wanted: State | None = None
    reported: State | None = None
    wanted_generation: int | None = None
    confirmed_generation: int | None = None
    accepted_generation: int | None = None
    applied_generation: int | None = None
    detail: str = ""
    report: DatabaseReport | None = None


@dataclass(frozen=True, slots=True)
class Inspection:
    """A host looked at once, every database of either side in it."""

    host: HostView
    databases: tuple[Inspected, ...]

    @property
    def differing(self) -> tuple[Inspected, ...]:
        """What is neither in agreement nor on its way to it; a password that its customer changed is in order."""
        return tuple(each for each in self.databases if each.finding not in IN_ORDER)


async def inspect_host(agents: AgentClient, host: HostView) -> Inspection:
    """Compare every instance of a host both ways, without changing anything. Raises the client's AgentError."""
    told: list[Inspected] = []
    cursor, after = None, None
    while True:
        page = await agents.reports(agent_url=host.agent_url, engine=host.engine, cursor=cursor)
        last = page.items[-1].instance_id if page.items and page.next_cursor is not None else None
        told += await _inspect_page(host, page.items, after=after, last=last)
        told += [Inspected(Finding.UNKNOWN_DATABASE, None, name) for name in page.unknown]
        if last is None or page.next_cursor is None:
            return Inspection(host=host, databases=tuple(told))
        cursor, after = page.next_cursor, last


async def repair_host(inspection: Inspection) -> int:
    """Send what is wanted of each drifted instance again at a new generation; answers how many.

    An engine that is behind is left to the comparison, which quarantines its host, and the unknown to the operator.
    """
    sent = 0
    for each in inspection.databases:
        if each.finding in REPAIRED_BY_SENDING and each.report is not None:
            sent += await transact(partial(mend, host=inspection.host, report=each.report))
    return sent


async def _inspect_page(
    host: HostView, reports: Sequence[DatabaseReport], *, after: UUID | None, last: UUID | None
) -> list[Inspected]:
    connection = reading()
    reported = [report.instance_id for report in reports]
    known = {told["id"]: record_of(told) for told in await rows(connection, KNOWN, reported, host.id)}
    expected = [record_of(told) for told in await rows(connection, EXPECTED, host.id, after, last)]
    asked = list({*reported, *(record.id for record in expected)})
    in_flight = {told["instance_id"] for told in await rows(connection, IN_FLIGHT, asked)}
    inspected = [_reported(report, known.get(report.instance_id), in_flight) for report in reports]
    seen = set(reported)
    inspected += [_missing(record) for record in expected if record.id not in seen]
    return [each for each in inspected if each is not None]


def _reported(report: DatabaseReport, record: InstanceRecord | None, in_flight: set[UUID]) -> Inspected | None:
    if record is None and report.state is State.TERMINATED:
        return None
    return Inspected(
        finding=_finding(report, record, in_flight),
        instance_id=report.instance_id,
        database=report.database,
        wanted=record.wanted if record else None,
        reported=report.state,
        wanted_generation=record.generation if record else None,
        confirmed_generation=record.applied_generation if record else None,
        accepted_generation=report.accepted_generation,
        applied_generation=report.applied_generation,
        detail=detail_of(report),
        report=report,
    )


def _finding(report: DatabaseReport, record: InstanceRecord | None, in_flight: set[UUID]) -> Finding:
    if record is None:
        return Finding.UNKNOWN_INSTANCE
    if lacks_database(record, report):
        return Finding.MISSING
    if record.id in in_flight:
        return Finding.ON_ITS_WAY
    found = difference(record, report)
    if found is None:
        return Finding.PASSWORD_CHANGED if PASSWORD_CHANGED in report.drift else Finding.AGREES
    return Finding(found.value)


def _missing(record: InstanceRecord) -> Inspected:
    return Inspected(
        finding=Finding.MISSING,
        instance_id=record.id,
        database=record.connection.database if record.connection else "",
        wanted=record.wanted,
        wanted_generation=record.generation,
        confirmed_generation=record.applied_generation,
    )
