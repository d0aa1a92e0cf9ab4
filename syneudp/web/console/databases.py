"""The list of databases, and making a new one."""

from http import HTTPStatus
from uuid import UUID

from quart import Blueprint, Response, request
from quart_schema import hide

from syneudp.catalog import CapacityExhaustedError, UnknownPlanError
from syneudp.instances import (
    CapReachedError,
    EngineUnavailableError,
    InsufficientBalanceError,
    NameInvalidError,
    NameTakenError,
)
from syneudp.kernel.errors import ProblemError
from syneudp.kernel.identifiers import new_id
from syneudp.web import acts
from syneudp.web.access import Access, access, current_customer
from syneudp.web.console import stock
from syneudp.web.console.answers import current_writer, page, see_other
from syneudp.web.console.streams import Glimpse, stream
from syneudp.web.console.views import DatabaseRow, FieldFault, FormView, MoneyView
from syneudp.web.limits import CHANGING, READING, limited
from syneudp.web.once import once
from syneudp.web.services import current_services

ENGINE_FIELD = "engine"
NAME_FIELD = "name"
KEY_FIELD = "key"
KEY_LENGTH_MAX = 64
REFUSALS = (CapacityExhaustedError, CapReachedError, EngineUnavailableError, InsufficientBalanceError, UnknownPlanError)


def add_routes(blueprint: Blueprint) -> None:
    """Add this noun's routes."""
    blueprint.get("/databases")(list_databases)
    blueprint.get("/databases/stream")(stream_databases)
    blueprint.get("/databases/new")(show_new_database)
    blueprint.post("/databases")(create_database)


@hide
@access(Access.SESSION)
@limited(READING)
async def list_databases() -> Response:
    """List the customer's databases with what they cost."""
    rows, money, older = await stock.shelf_of(current_customer(), cursor=_cursor())
    return await page("databases/list.html", section="databases", rows=rows, money=money, older=older, cursor=_cursor())


@hide
@access(Access.SESSION)
@limited(READING)
async def stream_databases() -> Response:
    """Tell the list as it changes."""
    customer, write, cursor = current_customer(), current_writer(), _cursor()

    async def look() -> Glimpse:
        rows, money, _ = await stock.shelf_of(customer, cursor=cursor)
        return Glimpse(shape=shelf_shape(rows, money), text=write("databases/list_live.html", rows=rows, money=money))

    return await stream(look)


@hide
@access(Access.SESSION)
@limited(READING)
async def show_new_database() -> Response:
    """Show what can be made and what it costs."""
    return await _form(FormView())


def form_key(sent: str) -> str:
    """Take the key that one of our forms carries; whatever is no such key counts as none, and a new one is made."""
    if sent.isascii() and sent.isprintable() and 0 < len(sent) <= KEY_LENGTH_MAX:
        return sent
    return str(new_id())


@hide
@access(Access.SESSION)
@limited(CHANGING)
async def create_database() -> Response:
    """Make a database and go on to the page that shows it being made; the same form sent twice makes one."""
    sent = await request.form
    engine = sent.get(ENGINE_FIELD, "")
    plan = sent.get(f"{engine}-plan", "")
    name = sent.get(NAME_FIELD, "")
    key = form_key(sent.get(KEY_FIELD, ""))
    values = {ENGINE_FIELD: engine, NAME_FIELD: name, f"{engine}-plan": plan}
    try:
        acted = await acts.create(
            current_services(),
            current_customer(),
            name=name,
            engine=engine,
            plan=plan,
            wanted=once("POST /databases", key, [name, engine, plan]),
        )
    except (NameInvalidError, NameTakenError) as fault:
        return await _form(FormView(values=values, faults=(FieldFault(NAME_FIELD, fault.detail),)), fault)
    except REFUSALS as fault:
        return await _form(FormView(values=values, sentence=fault.detail), fault)
    return see_other(f"/databases/{acted.instance.id}/making")


def shelf_shape(rows: tuple[DatabaseRow, ...], money: MoneyView) -> object:
    """Take what is news about a list: everything but what merely ticks."""
    told = [(row.id, row.name, row.status, row.price, row.storage_bytes) for row in rows]
    return told, money.balance_micros, money.burn_micros_per_hour, money.depletes_at, money.halted, money.cap


def _cursor() -> UUID | None:
    try:
        return UUID(request.args.get("before", ""))
    except ValueError:
        return None


async def _form(form: FormView, fault: ProblemError | None = None) -> Response:
    runway = current_services().instances.runway_seconds
    money = await stock.money_of(current_customer())
    sold = await stock.catalog_for(money, runway_seconds=runway)
    return await page(
        "databases/new.html",
        status=HTTPStatus.OK if fault is None else fault.status,
        section="databases",
        form=form,
        catalog=sold,
        key=str(new_id()),
        minimum_runway=runway,
        can_create=any(plan.affordable for _, plans in sold for plan in plans),
    )
