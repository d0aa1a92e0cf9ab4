"""What is sold at an instant, and where it runs."""

import re
from typing import Any, Final
from uuid import UUID

from syneudp.catalog.errors import HostUnknownError, UnknownPlanError
from syneudp.catalog.values import HostState, HostView, PlanView
from syneudp.engines.contract import Engine
from syneudp.kernel.database import Connection, load_sql, row, rows

SLUG: Final = re.compile(r"[a-z0-9-]{1,64}")
HOST_COLUMNS = (
    "id, name, engine, agent_url, state, capacity_instances, capacity_bytes, placed_instances, placed_bytes,"
    " engine_version, asked_at, unreachable_since"
)


async def plans(connection: Connection, now: int) -> list[PlanView]:
    """List the plans on sale at `now` (epoch seconds) with the price that holds then, in the order they are shown."""
    return [_plan(found) for found in await rows(connection, load_sql(__file__, "plans.sql"), now, None)]


async def plan_by_slug(connection: Connection, slug: str, now: int) -> PlanView:
    """Find one plan by its slug with the price that holds at `now`. Raises UnknownPlanError."""
    named = SLUG.fullmatch(slug) is not None
    found = await row(connection, load_sql(__file__, "plans.sql"), now, slug) if named else None
    if found is None:
        raise UnknownPlanError
    return _plan(found)


async def host(connection: Connection, host_id: UUID) -> HostView:
    """Find a host by id. Raises HostUnknownError."""
    found = await row(connection, f"SELECT {HOST_COLUMNS} FROM hosts WHERE id = $1", host_id)
    if found is None:
        raise HostUnknownError
    return host_view(found)


async def hosts(connection: Connection) -> list[HostView]:
    """List every host, by name."""
    return [host_view(found) for found in await rows(connection, f"SELECT {HOST_COLUMNS} FROM hosts ORDER BY name")]


def host_view(found: dict[str, Any]) -> HostView:
    """Turn a row of hosts into a value."""
    return HostView(**{**found, "engine": Engine(found["engine"]), "state": HostState(found["state"])})


def _plan(found: dict[str, Any]) -> PlanView:
    return PlanView(**{**found, "engine": Engine(found["engine"])})
