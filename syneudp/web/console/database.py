"""One database: how it is being made, how to connect to it, what it costs, what happened to it."""

from dataclasses import replace
from http import HTTPStatus
from typing import Any, TypeAlias
from uuid import UUID

from quart import Blueprint, Response, request
from quart_schema import hide

from syneudp.instances import InstanceView, NotReadyError, RotationPendingError, Secret, Status
from syneudp.web import acts
from syneudp.web.access import Access, access, current_customer
from syneudp.web.console import stock, words
from syneudp.web.console.answers import current_figures, current_writer, fragment, is_fragment_request, page, see_other
from syneudp.web.console.charts import chosen_span
from syneudp.web.console.proof import Unproven, prove
from syneudp.web.console.snippets import snippets, uri
from syneudp.web.console.streams import Glimpse, stream
from syneudp.web.console.views import ConnectView, DatabaseView, MoneyView, StepView
from syneudp.web.customers import Customer
from syneudp.web.limits import READING, SECRETS, limited
from syneudp.web.services import current_services

Found: TypeAlias = tuple[InstanceView, DatabaseView, MoneyView]

SLOW_AFTER_SECONDS = 10


def add_routes(blueprint: Blueprint) -> None:
    """Add this noun's routes."""
    blueprint.get("/databases/<uuid:instance_id>")(show_database)
    blueprint.get("/databases/<uuid:instance_id>/stream")(stream_database)
    blueprint.get("/databases/<uuid:instance_id>/charts")(show_charts)
    blueprint.get("/databases/<uuid:instance_id>/making")(show_making)
    blueprint.get("/databases/<uuid:instance_id>/making/stream")(stream_making)
    blueprint.get("/databases/<uuid:instance_id>/reveal")(hide_password)
    blueprint.post("/databases/<uuid:instance_id>/reveal")(reveal_password)


@hide
@access(Access.SESSION)
@limited(READING)
async def show_database(instance_id: UUID) -> Response:
    """Show one database without its password."""
    found = await stock.database_of(current_customer(), instance_id)
    view, _, _ = found
    if view.status is Status.PROVISIONING:
        return see_other(f"/databases/{instance_id}/making")
    return await _page(found, _connect(view, None))


@hide
@access(Access.SESSION)
@limited(READING)
async def stream_database(instance_id: UUID) -> Response:
    """Tell a database's state, cost and events as they change."""
    customer, write = current_customer(), current_writer()

    async def look() -> Glimpse:
        view, shown, money = await stock.database_of(customer, instance_id)
        shape = (
            shown.row.status,
            view.holds,
            view.rotation_pending,
            shown.row.price,
            shown.events,
            money.depletes_at,
            money.cap,
            shown.storage,
        )
        return Glimpse(shape=shape, text=write("databases/show_stream.html", database=shown, money=money))

    return await stream(look)


@hide
@access(Access.SESSION)
@limited(READING)
async def show_charts(instance_id: UUID) -> Response:
    """Show what a database used over time, as a piece of its page or, opened by itself, on it."""
    span = chosen_span(request.args.get("span", ""))
    charts = await stock.charts_of(current_customer(), instance_id, span, figures=current_figures())
    if not is_fragment_request():
        return see_other(f"/databases/{instance_id}?span={span}")
    return fragment("databases/charts.html", charts=charts)


@hide
@access(Access.SESSION)
@limited(READING)
async def show_making(instance_id: UUID) -> Response:
    """Show a database being made, step by step."""
    values = await _making(current_customer(), instance_id)
    return await page("databases/making.html", section="databases", **values)


@hide
@access(Access.SESSION)
@limited(READING)
async def stream_making(instance_id: UUID) -> Response:
    """Tell the steps of making a database as they are done."""
    customer, write = current_customer(), current_writer()

    async def look() -> Glimpse:
        values = await _making(customer, instance_id)
        return Glimpse(
            shape=(values["steps"], values["slow"]),
            text=write("databases/making_live.html", **values),
            over=bool(values["ready"] or values["failed"]),
        )

    return await stream(look)


@hide
@access(Access.SESSION)
@limited(READING)
async def hide_password(instance_id: UUID) -> Response:
    """Go back to the page without the password, as when its address is opened again."""
    return see_other(f"/databases/{instance_id}")


@hide
@access(Access.SESSION)
@limited(SECRETS)
async def reveal_password(instance_id: UUID) -> Response:
    """Show the password once, in this answer alone, and record that it was shown.

    Who signed in more than ten minutes ago is asked for their own password first.
    """
    customer = await prove(current_customer())
    if isinstance(customer, Unproven):
        return await _ask(instance_id, customer)
    try:
        revealed = await acts.reveal(current_services(), customer, instance_id)
    except RotationPendingError:
        return see_other(f"/databases/{instance_id}", done="rotating")
    except NotReadyError:
        return see_other(f"/databases/{instance_id}/making")
    found = await stock.database_of(customer, instance_id)
    view, _, _ = found
    return await _panel(found, _connect(view, revealed.secret))


async def _ask(instance_id: UUID, unproven: Unproven) -> Response:
    found = await stock.database_of(current_customer(), instance_id)
    view, shown, _ = found
    connect = _connect(view, None)
    if connect is None or shown.gone:
        return see_other(f"/databases/{instance_id}")
    return await _panel(found, replace(connect, asking=unproven.form), status=unproven.status)


async def _panel(found: Found, connect: ConnectView | None, *, status: int = HTTPStatus.OK) -> Response:
    if not is_fragment_request():
        return await _page(found, connect, status=status)
    _, shown, _ = found
    return fragment("databases/connect.html", status=status, database=shown, connect=connect)


async def _page(found: Found, connect: ConnectView | None, *, status: int = HTTPStatus.OK) -> Response:
    view, shown, money = found
    return await page(
        "databases/show.html",
        status=status,
        section="databases",
        database=shown,
        money=money,
        charts=await stock.charts_of(
            current_customer(), view.id, chosen_span(request.args.get("span", "")), figures=current_figures()
        ),
        connect=connect,
        address=f"/databases/{view.id}",
    )


def _connect(view: InstanceView, secret: Secret | None) -> ConnectView | None:
    facts = stock.facts_of(view)
    if facts is None:
        return None
    password = secret.password if secret else None
    return ConnectView(
        facts=facts,
        snippets=snippets(view.engine, facts, password, write=current_writer()),
        uri=secret.uri if secret else uri(view.engine, facts, None),
        password=password,
    )


async def _making(customer: Customer, instance_id: UUID) -> dict[str, Any]:
    _, shown, money = await stock.database_of(customer, instance_id)
    status = shown.row.status
    provisioning = status.word == words.WORDS[Status.PROVISIONING][0]
    failed = status.word == words.WORDS[Status.FAILED][0]
    ready = shown.connection is not None and not provisioning and not failed
    middle = "done" if ready else "failed" if failed else "doing"
    return {
        "id": instance_id,
        "name": shown.row.name,
        "engine_name": shown.row.engine_name,
        "plan_name": shown.row.plan_name,
        "ready": ready,
        "failed": failed,
        "slow": provisioning and money.as_of - shown.created_at > SLOW_AFTER_SECONDS,
        "reason": status.reason,
        "steps": (
            StepView("Place found, password made and sealed", "done"),
            StepView(f"{shown.row.engine_name} database and its own user", middle),
            StepView("Ready to connect, metering begins", "done" if ready else "todo"),
        ),
    }
