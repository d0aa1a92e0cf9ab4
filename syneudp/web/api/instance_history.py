"""What a database has used and what has happened to it."""

from datetime import datetime
from typing import Final
from uuid import UUID

from pydantic import Field
from quart import Blueprint
from quart_schema import validate_querystring, validate_response

from syneudp import instances, wallet
from syneudp.instances import Actor, EventKind
from syneudp.kernel import clock
from syneudp.kernel.database import reading
from syneudp.kernel.errors import FieldError, InvalidRequestError
from syneudp.web.access import Access, access, current_customer
from syneudp.web.api.values import (
    Asked,
    AskedInstant,
    Instant,
    Micros,
    PageQuery,
    Told,
    read_cursor,
    write_cursor,
    written,
)
from syneudp.web.limits import READING, limited

DAY_SECONDS: Final = 86_400
WINDOW_SECONDS_MAX: Final = 31 * DAY_SECONDS


class UsageQuery(Asked):
    """The window [from, until); by default the 24 hours up to and with the present second, at most 31 days."""

    from_: AskedInstant | None = Field(None, alias="from")
    until: AskedInstant | None = None


class UsedHour(Told):
    """One hour of use; `posted` says that the books hold it already."""

    period_start: Instant
    seconds: int
    charge_micros: Micros
    posted: bool


class UsageList(Told):
    """Hours of use in order, the open hour last."""

    items: list[UsedHour]
    next_cursor: None = None


class MetricsQuery(Asked):
    """The window [from, until); by default the 24 hours up to and with the present second, at most 396 days."""

    from_: AskedInstant | None = Field(None, alias="from")
    until: AskedInstant | None = None


class Metric(Told):
    """One step: averages and maxima over its samples, and how many transactions ended in it."""

    at: Instant
    storage_bytes: int
    storage_bytes_max: int
    connections: float
    connections_max: int
    transactions: int


class MetricList(Told):
    """At most 400 steps in order, without those in which nothing was measured."""

    from_: Instant = Field(alias="from")
    until: Instant
    step_seconds: int
    items: list[Metric]
    next_cursor: None = None


class Event(Told):
    """Something that happened to a database."""

    id: UUID
    kind: EventKind
    actor: Actor
    happened_at: Instant
    detail: str


class EventList(Told):
    """Events, newest first."""

    items: list[Event]
    next_cursor: str | None


def add_routes(blueprint: Blueprint) -> None:
    """Add this noun's routes."""
    blueprint.get("/instances/<uuid:instance_id>/usage")(list_usage)
    blueprint.get("/instances/<uuid:instance_id>/metrics")(list_metrics)
    blueprint.get("/instances/<uuid:instance_id>/events")(list_events)


@access(Access.CUSTOMER)
@limited(READING)
@validate_querystring(UsageQuery)
@validate_response(UsageList)
async def list_usage(instance_id: UUID, query_args: UsageQuery) -> UsageList:
    """Show what a database used and cost, hour by hour."""
    connection = reading()
    view = await instances.instance(connection, current_customer().user.id, instance_id)
    now = await clock.now(connection)
    from_at, until_at = _window(query_args.from_, query_args.until, now=now, seconds_max=WINDOW_SECONDS_MAX)
    hours = await wallet.usage_by_hour(connection, view.id, from_at=from_at, until_at=until_at, now=now)
    return UsageList(
        items=[
            UsedHour(
                period_start=written(hour.period_start),
                seconds=hour.seconds,
                charge_micros=hour.charge_micros,
                posted=hour.posted,
            )
            for hour in hours
        ]
    )


@access(Access.CUSTOMER)
@limited(READING)
@validate_querystring(MetricsQuery)
@validate_response(MetricList)
async def list_metrics(instance_id: UUID, query_args: MetricsQuery) -> MetricList:
    """Show what a database stored, how many were connected and how much they did, over time.

    Measured every minute. The longer the window, the longer the steps; windows that begin over a day ago come in hours
    at the least.
    """
    connection = reading()
    now = await clock.now(connection)
    from_at, until_at = _window(query_args.from_, query_args.until, now=now, seconds_max=instances.SPAN_SECONDS_MAX)
    series = await instances.metrics_of(
        connection, current_customer().user.id, instance_id, from_at=from_at, until_at=until_at, now=now
    )
    items = [
        Metric(
            at=written(point.at),
            storage_bytes=point.storage_bytes,
            storage_bytes_max=point.storage_bytes_max,
            connections=point.connections,
            connections_max=point.connections_max,
            transactions=point.transactions,
        )
        for point in series.points
    ]
    told = {"from": written(series.from_at), "until": written(series.until_at), "step_seconds": series.step_seconds}
    return MetricList.model_validate({**told, "items": items})


@access(Access.CUSTOMER)
@limited(READING)
@validate_querystring(PageQuery)
@validate_response(EventList)
async def list_events(instance_id: UUID, query_args: PageQuery) -> EventList:
    """Show what happened to a database, when and by whom, newest first."""
    page = await instances.events_of(
        reading(),
        current_customer().user.id,
        instance_id,
        limit=query_args.limit,
        cursor=read_cursor(query_args.cursor),
    )
    items = [
        Event(
            id=event.id,
            kind=event.kind,
            actor=event.actor,
            happened_at=written(event.happened_at),
            detail=event.detail,
        )
        for event in page.items
    ]
    return EventList(items=items, next_cursor=write_cursor(page.next_cursor))


def _window(from_: datetime | None, until: datetime | None, *, now: int, seconds_max: int) -> tuple[int, int]:
    until_at = now + 1 if until is None else clock.epoch(until)
    from_at = until_at - DAY_SECONDS if from_ is None else clock.epoch(from_)
    if not 0 < until_at - from_at <= seconds_max:
        days = seconds_max // DAY_SECONDS
        raise InvalidRequestError(
            errors=[FieldError("/from", f"Ask for a window of more than nothing and at most {days} days.")]
        )
    return from_at, until_at
