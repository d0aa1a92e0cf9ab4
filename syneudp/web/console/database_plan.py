"""Putting a database on another plan: what each costs more or less is told before the click."""

from http import HTTPStatus
from typing import Final
from uuid import UUID

from quart import Blueprint, Response, request
from quart_schema import hide

from syneudp import catalog, wallet
from syneudp.catalog import CapacityExhaustedError, PlanView, UnknownPlanError
from syneudp.instances import (
    CapReachedError,
    InstanceGoneError,
    InstanceView,
    InsufficientBalanceError,
    PlanOfAnotherEngineError,
    PlanTooSmallError,
)
from syneudp.kernel import clock
from syneudp.kernel.database import reading
from syneudp.wallet import Usage
from syneudp.web import acts
from syneudp.web.access import Access, access, current_customer
from syneudp.web.console import stock, words
from syneudp.web.console.answers import fragment, is_fragment_request, page, see_other
from syneudp.web.console.price_views import coming_prices_of_plans
from syneudp.web.console.views import DatabaseRow, DatabaseView, FormView, PlanOption, PriceView
from syneudp.web.limits import CHANGING, READING, limited
from syneudp.web.services import current_services

PLAN_FIELD: Final = "plan"
REFUSALS: Final = (
    CapacityExhaustedError,
    InstanceGoneError,
    CapReachedError,
    InsufficientBalanceError,
    PlanOfAnotherEngineError,
    PlanTooSmallError,
    UnknownPlanError,
)


def add_routes(blueprint: Blueprint) -> None:
    """Add this noun's routes."""
    blueprint.get("/databases/<uuid:instance_id>/plan")(show_plans)
    blueprint.post("/databases/<uuid:instance_id>/plan")(change_plan)


@hide
@access(Access.SESSION)
@limited(READING)
async def show_plans(instance_id: UUID) -> Response:
    """Show the plans of the database's engine and what each costs more or less than the present one."""
    view, shown, _ = await stock.database_of(current_customer(), instance_id)
    return await _form(view, shown, FormView())


@hide
@access(Access.SESSION)
@limited(CHANGING)
async def change_plan(instance_id: UUID) -> Response:
    """Put the database on the chosen plan, or say why it cannot be."""
    customer = current_customer()
    chosen = (await request.form).get(PLAN_FIELD, "")
    view, shown, _ = await stock.database_of(customer, instance_id)
    try:
        acted = await acts.change(current_services(), customer, instance_id, plan=chosen)
    except REFUSALS as fault:
        form = FormView(values={PLAN_FIELD: chosen}, sentence=fault.detail)
        return await _form(view, shown, form, fault.status)
    return see_other(f"/databases/{instance_id}", done="plan-changed" if acted.confirmed else "plan-changing")


async def _form(view: InstanceView, shown: DatabaseView, form: FormView, status: int = HTTPStatus.OK) -> Response:
    connection = reading()
    now = await clock.now(connection)
    sold = [plan for plan in await catalog.plans(connection, now) if plan.engine is view.engine]
    coming = await coming_prices_of_plans(connection, now)
    hourly = {
        plan.id: (await wallet.prices(connection, [Usage(view.id, plan.id)], at=now))[view.id].price_micros_per_hour
        for plan in sold
    }
    values: dict[str, object] = {
        "title": f"Change the plan of {shown.row.name}",
        "database": shown,
        "plans": tuple(_option(plan, view, shown.row, hourly[plan.id], coming.get(plan.id, ())) for plan in sold),
        "form": form,
        "back": f"/databases/{view.id}",
    }
    if is_fragment_request():
        return fragment("databases/plan_form.html", status=status, dialog=True, **values)
    return await page("databases/plan.html", status=status, section="databases", dialog=False, **values)


def _option(
    plan: PlanView, view: InstanceView, row: DatabaseRow, hourly: int, coming: tuple[PriceView, ...]
) -> PlanOption:
    return PlanOption(
        slug=plan.slug,
        name=plan.name.removeprefix(words.engine_name(plan.engine)).strip() or plan.name,
        price=hourly,
        dearer=hourly - row.price,
        storage_limit_bytes=plan.storage_limit_bytes,
        limits=plan.limits,
        present=plan.slug == view.plan,
        too_small=view.storage_bytes > plan.storage_limit_bytes,
        coming=coming,
    )
