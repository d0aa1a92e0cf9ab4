"""Compare both ways: what is wanted of a host's instances with what its agent reports, and the other way round.

Nothing is ever dropped here: what the control plane does not know is told to the operator alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum, auto
from functools import partial
from typing import Final
from uuid import UUID

from syneudp import catalog
from syneudp.catalog import HostState, HostView
from syneudp.engines.contract import DATABASE_MISSING, PASSWORD_CHANGED, DatabaseReport, State
from syneudp.instances.intents import send_again
from syneudp.instances.records import SELECT_RECORD, InstanceRecord, lock_record, record_of
from syneudp.instances.recover_host import (
    Found,
    begin_recovery,
    bring_up,
    end_recovery,
    is_to_be_sent,
    note_missing,
    noted,
)
from syneudp.instances.values import EventKind, InstanceServices
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, execute, reading, rows, transact
from syneudp.kernel.logging import log

DETAIL_LENGTH_MAX: Final = 400
IN_FLIGHT: Final = "SELECT instance_id FROM instance_outbox WHERE instance_id = ANY($1)"
KNOWN: Final = f"{SELECT_RECORD} WHERE i.id = ANY($1) AND i.host_id = $2"
LIVE_OF_HOST: Final = (
    f"{SELECT_RECORD} WHERE i.host_id = $1 AND i.terminated_for IS NULL AND i.applied_generation > 0"
    " AND NOT EXISTS (SELECT FROM instance_recoveries r WHERE r.instance_id = i.id AND r.found = 'missing')"
    " AND ($2::uuid IS NULL OR i.id > $2) AND ($3::uuid IS NULL OR i.id <= $3)"
)
FORGET_DIFFERENCE: Final = "UPDATE instances SET difference = NULL WHERE id = ANY($1)"
WRITE_STORAGE: Final = (
    "UPDATE instances SET storage_bytes = told.bytes FROM unnest($1::uuid[], $2::bigint[]) AS told (id, bytes)"
    " WHERE instances.id = told.id AND instances.storage_bytes <> told.bytes"
)


class Difference(StrEnum):
    """How a report may differ from what is wanted."""

    ENGINE_BEHIND = auto()
    ENGINE_AHEAD = auto()
    DRIFTED = auto()


@dataclass(frozen=True, slots=True)
class Comparison:
    """What one comparison of a host found: how many were compared, sent again, missing there and unknown here.

    `behind` have an older generation than they had confirmed; `unseen` of a quarantined host changed under the
    comparison and are left for the next one.
    """

    compared: int = 0
    sent_again: int = 0
    missing: int = 0
    unknown: int = 0
    behind: int = 0
    unseen: int = 0

    def __add__(self, other: "Comparison") -> "Comparison":
        return Comparison(
            compared=self.compared + other.compared,
            sent_again=self.sent_again + other.sent_again,
            missing=self.missing + other.missing,
            unknown=self.unknown + other.unknown,
            behind=self.behind + other.behind,
            unseen=self.unseen + other.unseen,
        )

    @property
    def is_clean(self) -> bool:
        """Tell whether nothing had to be sent again, told or left for later."""
        return not (self.sent_again or self.missing or self.behind or self.unseen)


def difference(record: InstanceRecord, report: DatabaseReport) -> Difference | None:
    """Tell how a report differs from what was confirmed; only for an instance with nothing on its way.

    An applied generation below the recorded one means that the engine was restored from a backup; one above the wanted
    one, that the control database was.
    """
    if report.applied_generation < record.applied_generation:
        return Difference.ENGINE_BEHIND
    if max(report.accepted_generation, report.applied_generation) > record.generation:
        return Difference.ENGINE_AHEAD
    state = report.state is record.wanted
    credential = record.wanted is State.TERMINATED or report.credential_version == record.credential_version
    return None if state and credential and not faults_of(report) else Difference.DRIFTED


def lacks_database(record: InstanceRecord, report: DatabaseReport) -> bool:
    """Tell whether an instance that once was and is wanted has no database on its engine any more."""
    return DATABASE_MISSING in report.drift and record.ever_applied and record.removal is None


def faults_of(report: DatabaseReport) -> list[str]:
    """List the drift that is to be mended: a password that the customer changed in SQL is left to work."""
    return [drift for drift in report.drift if drift != PASSWORD_CHANGED]


def detail_of(report: DatabaseReport) -> str:
    """Say in a few words what an agent reports that may differ."""
    return ", ".join(report.drift) or f"{report.state} at generation {report.applied_generation}"


async def compare_host(services: InstanceServices, host: HostView) -> Comparison:
    """Compare every instance of a host once, page by page, outside any transaction. Raises the client's AgentError.

    A differing one is sent again at a new generation, with an event; sizes are taken over from the reports. What
    changed since the agent was asked is left for the next comparison. An engine that is older than what it confirmed
    puts its host into quarantine, in which everything is sent again; a whole comparison without a difference ends it.
    """
    recovering = (await catalog.host(reading(), host.id)).state is HostState.QUARANTINED
    total = await _compare_pages(services, host, recovering=recovering)
    if not recovering and (total.behind or total.missing):
        await begin_recovery(host, behind=total.behind, missing=total.missing)
        again = await _compare_pages(services, host, recovering=True)
        return replace(again, behind=total.behind, missing=total.missing)
    if recovering and total.is_clean:
        await end_recovery(host)
    return total


async def _compare_pages(services: InstanceServices, host: HostView, *, recovering: bool) -> Comparison:
    total, cursor, after = Comparison(), None, None
    while True:
        asked_at = await clock.now(reading())
        page = await services.agents.reports(agent_url=host.agent_url, engine=host.engine, cursor=cursor)
        last = page.items[-1].instance_id if page.items and page.next_cursor is not None else None
        total += await _compare_page(host, page.items, asked_at=asked_at, after=after, last=last, recovering=recovering)
        if page.unknown:
            log.error("databases_unknown_to_the_agent", host=host.name, databases=page.unknown[:20])
            total += Comparison(unknown=len(page.unknown))
        if last is None or page.next_cursor is None:
            return total
        cursor, after = page.next_cursor, last


async def _compare_page(
    host: HostView,
    reports: Sequence[DatabaseReport],
    *,
    asked_at: int,
    after: UUID | None,
    last: UUID | None,
    recovering: bool,
) -> Comparison:
    connection = reading()
    reported = [report.instance_id for report in reports]
    known = {told["id"]: record_of(told) for told in await rows(connection, KNOWN, reported, host.id)}
    in_flight = {told["instance_id"] for told in await rows(connection, IN_FLIGHT, reported)}
    met = await noted(connection, reported)
    total = Comparison(compared=len(reports))
    for report in reports:
        record = known.get(report.instance_id)
        if record is None:
            total += Comparison(unknown=await _tell_unknown(host, report))
            continue
        found = met.get(record.id)
        behind = report.applied_generation < record.applied_generation and not recovering
        gone = lacks_database(record, report) and not behind
        noted_gone = gone and found is Found.MISSING
        again = not noted_gone and (
            found is Found.MISSING or (recovering and found is None and is_to_be_sent(record, report))
        )
        if record.last_event_at >= asked_at:
            total += Comparison(unseen=int(again))
        elif gone:
            total += Comparison(sent_again=0 if noted_gone else await _note_gone(host, record))
        elif again:
            total += Comparison(
                sent_again=await transact(
                    partial(bring_up, host=host, wallet_id=record.wallet_id, report=report, recovering=recovering)
                )
            )
        elif behind:
            total += Comparison(behind=1)
        elif record.id not in in_flight and difference(record, report):
            total += Comparison(sent_again=await transact(partial(mend, host=host, report=report)))
    agreed = [record.id for record in known.values() if record.difference is not None and record.id not in in_flight]
    agreeing = {report.instance_id: report for report in reports if report.instance_id in agreed}
    settled = [each for each, report in agreeing.items() if difference(known[each], report) is None]
    if settled:
        await execute(connection, FORGET_DIFFERENCE, settled)
    sizes = [(report.instance_id, report.storage_bytes) for report in reports if report.instance_id in known]
    await execute(connection, WRITE_STORAGE, [size[0] for size in sizes], [size[1] for size in sizes])
    return total + await _count_missing(host, set(reported), asked_at=asked_at, after=after, last=last)


async def _count_missing(
    host: HostView, seen: set[UUID], *, asked_at: int, after: UUID | None, last: UUID | None
) -> Comparison:
    expected = [record_of(told) for told in await rows(reading(), LIVE_OF_HOST, host.id, after, last)]
    missing = [record for record in expected if record.id not in seen and record.last_event_at < asked_at]
    told = 0
    for record in missing:
        told += await transact(partial(note_missing, host=host, wallet_id=record.wallet_id, instance_id=record.id))
    return Comparison(missing=told)


async def _note_gone(host: HostView, record: InstanceRecord) -> int:
    """Treat a database that its engine alone lost like an instance that a restored host lost, without quarantine."""
    return int(await transact(partial(note_missing, host=host, wallet_id=record.wallet_id, instance_id=record.id)))


async def _tell_unknown(host: HostView, report: DatabaseReport) -> int:
    if report.state is State.TERMINATED:
        return 0
    log.error("database_unknown", host=host.name, instance=str(report.instance_id), database=report.database)
    return 1


async def mend(tx: Connection, *, host: HostView, report: DatabaseReport) -> int:
    """Send what is wanted of a differing instance again; answers 0 where it agrees by now or is on its way, else 1.

    An event tells a difference once, until a comparison has found the two sides in agreement or differing otherwise.
    """
    now = await clock.now(tx)
    record = await lock_record(tx, report.instance_id)
    if await rows(tx, IN_FLIGHT, [record.id]):
        return 0
    found = difference(record, report)
    if found is None:
        return 0
    detail = detail_of(report)[:DETAIL_LENGTH_MAX]
    told = f"{found}: {detail}"[:DETAIL_LENGTH_MAX] if found is Difference.DRIFTED else found.value
    above = max(report.accepted_generation, report.applied_generation)
    log.error("database_differs", host=host.name, instance=str(record.id), difference=found.value, detail=detail)
    news = record.difference != told
    await send_again(tx, record, now=now, kind=EventKind(found.value) if news else None, detail=detail, above=above)
    if news:
        await execute(tx, "UPDATE instances SET difference = $2 WHERE id = $1", record.id, told)
    return 1
