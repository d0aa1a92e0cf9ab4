"""What an owner does to a database: each act is confirmed on a page or dialog that says its consequence."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from uuid import UUID

from quart import Blueprint, Response, request
from quart_schema import hide

from syneudp import instances
from syneudp.instances import CapReachedError, HeldError, InsufficientBalanceError, StorageFullError
from syneudp.kernel.database import reading
from syneudp.web import acts
from syneudp.web.access import Access, access, current_customer
from syneudp.web.console import stock
from syneudp.web.console.answers import current_figures, fragment, is_fragment_request, page, see_other
from syneudp.web.console.views import DatabaseView, FieldFault, FormView
from syneudp.web.limits import CHANGING, READING, limited
from syneudp.web.services import current_services

TYPED_FIELD = "typed"
NOT_THE_NAME = "This is not the name. Type it exactly as shown."
KEEP_FIELD = "keep_previous_seconds"
REMEDIES: Final[Mapping[type[Exception], tuple[str, str]]] = {
    InsufficientBalanceError: ("Top up the wallet", "/wallet#top-up"),
    CapReachedError: ("Look at the limit", "/wallet#limit"),
}
KEEPING_CHOICES = (
    (0, "It stops at once"),
    (3600, "It works for 1 hour more"),
    (86_400, "It works for 1 day more"),
    (7 * 86_400, "It works for 7 days more"),
)


def add_routes(blueprint: Blueprint) -> None:
    """Add this noun's routes."""
    blueprint.get("/databases/<uuid:instance_id>/suspend")(confirm_suspend)
    blueprint.post("/databases/<uuid:instance_id>/suspend")(suspend_database)
    blueprint.post("/databases/<uuid:instance_id>/resume")(resume_database)
    blueprint.get("/databases/<uuid:instance_id>/rotate")(confirm_rotate)
    blueprint.post("/databases/<uuid:instance_id>/rotate")(rotate_password)
    blueprint.get("/databases/<uuid:instance_id>/delete")(confirm_delete)
    blueprint.post("/databases/<uuid:instance_id>/delete")(delete_database)


@hide
@access(Access.SESSION)
@limited(READING)
async def confirm_suspend(instance_id: UUID) -> Response:
    """Say what suspending does."""
    _, shown, _ = await stock.database_of(current_customer(), instance_id)
    return await _confirm(
        shown,
        "suspend",
        title=f"Suspend {shown.row.name}?",
        verb="Suspend",
        consequences=(
            "Open connections end and new ones are refused until you resume it.",
            "The data, the address and the password stay as they are.",
            "It is charged for its storage alone from this second on.",
        ),
    )


@hide
@access(Access.SESSION)
@limited(CHANGING)
async def suspend_database(instance_id: UUID) -> Response:
    """Suspend a database."""
    acted = await acts.suspend(current_services(), current_customer(), instance_id)
    return see_other(f"/databases/{instance_id}", done=None if acted.confirmed else "suspending")


@hide
@access(Access.SESSION)
@limited(CHANGING)
async def resume_database(instance_id: UUID) -> Response:
    """Resume a database, or say why it cannot be."""
    try:
        acted = await acts.resume(current_services(), current_customer(), instance_id)
    except (InsufficientBalanceError, CapReachedError, HeldError, StorageFullError) as fault:
        _, shown, _ = await stock.database_of(current_customer(), instance_id)
        action, href = REMEDIES.get(type(fault), ("Back to the database", f"/databases/{instance_id}"))
        return await page(
            "databases/refused.html",
            status=fault.status,
            section="databases",
            name=shown.row.name,
            sentence=fault.detail,
            action=action,
            action_href=href,
        )
    return see_other(f"/databases/{instance_id}", done="resumed" if acted.confirmed else "resuming")


@hide
@access(Access.SESSION)
@limited(READING)
async def confirm_rotate(instance_id: UUID) -> Response:
    """Say what a new password does, and offer to keep the present one for a while where the engine can."""
    customer = current_customer()
    _, shown, _ = await stock.database_of(customer, instance_id)
    keeps = await instances.keeps_previous_password(reading(), customer.user.id, instance_id)
    end = (
        "The present password stops working at once, or when the time that you choose here is over."
        if keeps
        else "The present password stops working at once."
    )
    once_more = ("When that time is over, open connections end once more.",) if keeps else ()
    return await _confirm(
        shown,
        "rotate",
        title=f"Set a new password for {shown.row.name}?",
        verb="Set a new password",
        consequences=(
            end,
            "Open connections end; whatever uses this database must get the new password.",
            *once_more,
            "Data, address and user name stay as they are.",
        ),
        choices=KEEPING_CHOICES if keeps else (),
    )


@hide
@access(Access.SESSION)
@limited(CHANGING)
async def rotate_password(instance_id: UUID) -> Response:
    """Set a new password; it is revealed on the next page, on request."""
    seconds = chosen_seconds((await request.form).get(KEEP_FIELD, ""))
    acted = await acts.rotate(current_services(), current_customer(), instance_id, keep_previous_seconds=seconds)
    done = "rotated-kept" if seconds else "rotated"
    return see_other(f"/databases/{instance_id}", done=done if acted.confirmed else "rotating")


@hide
@access(Access.SESSION)
@limited(READING)
async def confirm_delete(instance_id: UUID) -> Response:
    """Say what deleting destroys and what the last charge is."""
    _, shown, _ = await stock.database_of(current_customer(), instance_id)
    return await _confirm_delete(shown, FormView())


@hide
@access(Access.SESSION)
@limited(CHANGING)
async def delete_database(instance_id: UUID) -> Response:
    """Delete a database for good, if its name was typed."""
    _, shown, _ = await stock.database_of(current_customer(), instance_id)
    typed = (await request.form).get(TYPED_FIELD, "").strip()
    if typed != shown.row.name:
        form = FormView(values={TYPED_FIELD: typed}, faults=(FieldFault(TYPED_FIELD, NOT_THE_NAME),))
        return await _confirm_delete(shown, form, HTTPStatus.UNPROCESSABLE_ENTITY)
    acted = await acts.delete(current_services(), current_customer(), instance_id)
    return see_other("/databases", done="deleted" if acted.confirmed else "deleting")


def chosen_seconds(text: str) -> int:
    """Read how long the present password is to work on; anything that was not offered ends it at once."""
    return next((seconds for seconds, _ in KEEPING_CHOICES if text == str(seconds)), 0)


async def _confirm_delete(shown: DatabaseView, form: FormView, status: int = HTTPStatus.OK) -> Response:
    figures = current_figures()
    unposted = sum(hour.charge_micros for hour in shown.hours if not hour.posted)
    price = f"{figures.exact(shown.row.running_price)} an hour"
    final = (
        f"The final charge is what has accrued by then: {figures.money(unposted, 6)} so far, at {price}."
        if shown.row.running_price
        else "Nothing more is charged: it is not running."
    )
    return await _confirm(
        shown,
        "delete",
        title=f"Delete {shown.row.name}?",
        verb="Delete for good",
        consequences=(
            f"The database, its user and all {figures.size(shown.row.storage_bytes)} in it are dropped at once.",
            "There is no backup to restore it from.",
            "Open connections end, and its address is never used again.",
            final,
        ),
        typed_name=shown.row.name,
        form=form,
        status=status,
    )


async def _confirm(
    shown: DatabaseView,
    act: str,
    *,
    title: str,
    verb: str,
    consequences: tuple[str, ...],
    typed_name: str = "",
    choices: tuple[tuple[int, str], ...] = (),
    form: FormView | None = None,
    status: int = HTTPStatus.OK,
) -> Response:
    address = f"/databases/{shown.row.id}"
    values: dict[str, object] = {
        "title": title,
        "verb": verb,
        "consequences": consequences,
        "typed_name": typed_name,
        "choices": choices,
        "severe": act == "delete",
        "action": f"{address}/{act}",
        "back": address,
        "form": form or FormView(),
    }
    if is_fragment_request():
        return fragment("databases/confirm_form.html", status=status, dialog=True, **values)
    return await page("databases/confirm.html", status=status, section="databases", dialog=False, **values)
