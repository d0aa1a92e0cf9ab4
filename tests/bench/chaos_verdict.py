"""Everything that may differ between registry, engines, control plane and books once nothing is on its way."""

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
import pymysql

from syneudp import catalog, instances
from syneudp.catalog import HostState
from syneudp.commands.ledger_audit import audit_books
from syneudp.engines.contract import Engine, State
from syneudp.instances import InstanceServices, InstanceView, Status
from syneudp.kernel import clock
from syneudp.kernel.database import execute, reading, rows
from tests.bench.chaos_stand import WARM_POOL, Stand
from tests.instances.shop import Customer

REGISTRY = "syneudpagent"
OURS = re.compile(r"(?:db|u)[a-z2-7]{20}")
SPARES = "SELECT made FROM {table} WHERE instance_id IS NULL"
OPEN_SEGMENTS = "SELECT resource_id FROM usage_segments WHERE until_at IS NULL AND running"
INSTANCES = "SELECT id, engine, observed_state, terminated_for, placed, database_name, username FROM instances"


async def differences(stand: Stand, reach: InstanceServices, buyers: Sequence[Customer]) -> list[str]:
    """List each difference as a sentence; none where all agree."""
    found = [*(f"books: {finding.rule} {finding.row}" for finding in await audit_books())]
    known = {told["id"]: told for told in await rows(reading(), INSTANCES)}
    found += await _segments(known)
    placed = sum(host.placed_instances for host in await catalog.hosts(reading()))
    if placed != sum(told["placed"] for told in known.values()):
        found.append(f"placement: {placed} places are taken")
    for engine in Engine:
        found += await _reports(stand, reach, engine, known)
    found += await _engines(stand)
    views = [view for buyer in buyers for view in (await instances.instances_of(reading(), buyer.id)).items]
    for view in views:
        found += await _logins(stand, view, buyers)
    return found + await _comparisons(reach)


async def pool_is_whole(stand: Stand) -> bool:
    """Tell whether each engine has its spares, and no spare is half made."""
    connection = await asyncpg.connect(stand.postgresql.superuser_url(REGISTRY))
    try:
        postgresql = [row["made"] for row in await connection.fetch(SPARES.format(table="registry.instances"))]
    finally:
        await connection.close()
    mysql = [bool(made) for (made,) in _asked(stand, SPARES.format(table=f"{REGISTRY}.databases"))]
    return postgresql == mysql == [True] * WARM_POOL


async def _segments(known: dict[UUID, dict[str, Any]]) -> list[str]:
    metered = {told["resource_id"] for told in await rows(reading(), OPEN_SEGMENTS)}
    running = {
        instance_id
        for instance_id, told in known.items()
        if told["observed_state"] == State.RUNNING and told["terminated_for"] is None
    }
    return [f"segment: {instance_id} is charged or runs, not both" for instance_id in metered ^ running]


async def _reports(
    stand: Stand, reach: InstanceServices, engine: Engine, known: dict[UUID, dict[str, Any]]
) -> list[str]:
    answer = await reach.agents.reports(agent_url=stand.agent.url, engine=engine)
    found = [f"{engine}: nobody knows {name}" for name in answer.unknown]
    items = list(answer.items)
    while answer.next_cursor is not None:
        answer = await reach.agents.reports(agent_url=stand.agent.url, engine=engine, cursor=answer.next_cursor)
        items += answer.items
    reported = {report.instance_id: report for report in items}
    found += [f"{engine}: {each.instance_id} drifted: {each.drift}" for each in items if each.drift]
    for instance_id, told in known.items():
        if told["engine"] != engine or told["observed_state"] is None:
            continue
        report = reported.pop(instance_id, None)
        if report is None or report.state != told["observed_state"]:
            found.append(f"{engine}: {instance_id} is {told['observed_state']} here and {report} there")
        elif report.accepted_generation != report.applied_generation:
            found.append(f"{engine}: {instance_id} has something accepted and not applied")
    return found + [f"{engine}: the registry alone knows {instance_id}" for instance_id in reported]


async def _engines(stand: Stand) -> list[str]:
    """Find databases and users in the agent's form without a row in its registry, and rows without theirs."""
    wanted, there = await _postgresql(stand)
    found = [f"postgresql: orphan or lost {name}" for name in wanted ^ there]
    wanted, there = _mysql(stand)
    return found + [f"mysql: orphan or lost {name}" for name in wanted ^ there]


async def _postgresql(stand: Stand) -> tuple[set[str], set[str]]:
    connection = await asyncpg.connect(stand.postgresql.superuser_url(REGISTRY))
    try:
        names = "SELECT database_name, username FROM registry.instances WHERE state <> 'terminated'"
        wanted = {name for row in await connection.fetch(names) for name in row.values()}
        listed = "SELECT datname::text AS name FROM pg_database UNION ALL SELECT rolname::text FROM pg_roles"
        there = {row["name"] for row in await connection.fetch(listed) if OURS.fullmatch(row["name"])}
    finally:
        await connection.close()
    return wanted, there


def _mysql(stand: Stand) -> tuple[set[str], set[str]]:
    kept = _asked(stand, f"SELECT database_name, username FROM {REGISTRY}.databases WHERE state <> 'terminated'")
    listed = _asked(stand, "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA UNION SELECT User FROM mysql.user")
    return {name for row in kept for name in row}, {name for (name,) in listed if OURS.fullmatch(name)}


def _asked(stand: Stand, sql: str) -> list[tuple[Any, ...]]:
    server = stand.mysql
    connection = pymysql.connect(
        host=server.host, port=server.port, user="root", password=server.root_password, autocommit=True
    )
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())
    finally:
        connection.close()


async def _logins(stand: Stand, view: InstanceView, buyers: Sequence[Customer]) -> list[str]:
    owner = next(buyer for buyer in buyers if buyer.id == view.owner_id)
    if view.connection is None or view.status not in {Status.RUNNING, Status.SUSPENDED}:
        return [f"{view.engine}: {view.id} is {view.status} in the end"]
    may = await _may_log_in(stand, view, await owner.reveal(view.id))
    if may is (view.status is Status.RUNNING):
        return []
    return [f"{view.engine}: {view.id} is {view.status} and its customer {'may' if may else 'may not'} log in"]


async def _may_log_in(stand: Stand, view: InstanceView, password: str) -> bool:
    assert view.connection is not None
    told = view.connection
    if view.engine is Engine.POSTGRESQL:
        url = stand.postgresql.url(user=told.username, password=password, database=told.database)
        try:
            await (await asyncpg.connect(url)).close()
        except asyncpg.PostgresError:
            return False
        return True
    try:
        pymysql.connect(
            host=told.host,
            port=told.port,
            user=told.username,
            password=password,
            database=told.database,
            ssl_ca=str(stand.mysql.certificate),
            ssl_verify_identity=False,
        ).close()
    except pymysql.err.MySQLError:
        return False
    return True


async def _comparisons(reach: InstanceServices) -> list[str]:
    found = []
    await execute(reading(), "UPDATE instances SET last_event_at = created_at")
    with clock.frozen(await clock.now(reading()) + 5):
        for host in await catalog.hosts(reading()):
            compared = await instances.compare_host(reach, host)
            if not compared.is_clean or compared.unknown:
                found.append(f"{host.name}: {compared}")
            if (await catalog.host(reading(), host.id)).state is not HostState.OPEN:
                found.append(f"{host.name}: is not open")
    return found
