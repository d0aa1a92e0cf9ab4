"""Webhook endpoints: where a customer's own programs are told, what was sent, and how that went."""

from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

from quart import Blueprint, Response, request
from quart_schema import hide

from syneudp import webhooks
from syneudp.kernel.database import reading
from syneudp.web import webhook_acts
from syneudp.web.access import Access, access, current_customer
from syneudp.web.console.answers import fragment, is_fragment_request, page, see_other
from syneudp.web.console.banners import WHY_DISABLED
from syneudp.web.console.views import DeliveryView, EndpointView, FieldFault, FormView, StatusView, Tone
from syneudp.web.limits import CHANGING, READING, SECRETS, limited
from syneudp.web.services import current_services
from syneudp.webhooks import (
    Delivery,
    DeliveryState,
    Endpoint,
    EndpointUrlInvalidError,
    Failure,
    TooManyEndpointsError,
)

URL_FIELD: Final = "url"
URL_LENGTH_MAX: Final = 2001
DELIVERIES_A_PAGE: Final = 25
FAILURES: Final = {
    Failure.STATUS: "It did not accept it",
    Failure.REDIRECT: "It redirected; redirects are not followed",
    Failure.TIMEOUT: "It took longer than 15 seconds",
    Failure.UNREACHABLE: "It could not be reached",
    Failure.ADDRESS_REFUSED: "Its host has an address that is not public",
    Failure.TLS: "Its certificate could not be trusted",
    Failure.BROKEN_ANSWER: "Its answer was not HTTP",
    Failure.UNREADABLE_KEY: "It could not be signed; the operator knows",
    Failure.DISABLED: "Given up when the endpoint was switched off",
}
STATES: Final = {
    DeliveryState.PENDING: ("On its way", Tone.WAIT),
    DeliveryState.DELIVERED: ("Delivered", Tone.LIVE),
    DeliveryState.FAILED: ("Given up", Tone.STOP),
}


def add_routes(blueprint: Blueprint) -> None:
    """Add this noun's routes."""
    blueprint.get("/webhooks")(list_endpoints)
    blueprint.post("/webhooks")(add_endpoint)
    blueprint.get("/webhooks/<uuid:endpoint_id>")(show_endpoint)
    blueprint.post("/webhooks/<uuid:endpoint_id>/test")(send_test)
    blueprint.post("/webhooks/<uuid:endpoint_id>/enable")(enable_endpoint)
    blueprint.get("/webhooks/<uuid:endpoint_id>/rotate")(confirm_rotate_secret)
    blueprint.post("/webhooks/<uuid:endpoint_id>/rotate")(rotate_secret)
    blueprint.get("/webhooks/<uuid:endpoint_id>/remove")(confirm_remove)
    blueprint.post("/webhooks/<uuid:endpoint_id>/remove")(remove_endpoint)


@hide
@access(Access.SESSION)
@limited(READING)
async def list_endpoints() -> Response:
    """List the endpoints."""
    return await _list(FormView())


@hide
@access(Access.SESSION)
@limited(SECRETS)
async def add_endpoint() -> Response:
    """Add an endpoint and show its secret once."""
    url = (await request.form).get(URL_FIELD, "").strip()[:URL_LENGTH_MAX]
    try:
        added = await webhook_acts.add_endpoint(current_services(), current_customer(), url=url)
    except (EndpointUrlInvalidError, TooManyEndpointsError) as fault:
        form = FormView(values={URL_FIELD: url}, faults=(FieldFault(URL_FIELD, fault.detail),))
        return await _list(form, fault.status)
    return await _show(added.made.endpoint.id, secret=added.made.secret, status=HTTPStatus.CREATED)


@hide
@access(Access.SESSION)
@limited(READING)
async def show_endpoint(endpoint_id: UUID) -> Response:
    """Show an endpoint and what was sent to it."""
    return await _show(endpoint_id)


@hide
@access(Access.SESSION)
@limited(CHANGING)
async def send_test(endpoint_id: UUID) -> Response:
    """Send a test message."""
    await webhook_acts.send_test(current_customer(), endpoint_id)
    return see_other(f"/webhooks/{endpoint_id}", done="webhook-test")


@hide
@access(Access.SESSION)
@limited(CHANGING)
async def enable_endpoint(endpoint_id: UUID) -> Response:
    """Send to an endpoint again that was switched off."""
    await webhook_acts.enable_endpoint(current_customer(), endpoint_id)
    return see_other(f"/webhooks/{endpoint_id}", done="webhook-enabled")


@hide
@access(Access.SESSION)
@limited(READING)
async def confirm_rotate_secret(endpoint_id: UUID) -> Response:
    """Say what a new secret does."""
    return await _confirm(
        endpoint_id,
        "rotate",
        title="Make a new signing secret?",
        verb="Make a new secret",
        consequences=(
            "The new secret is shown once, on the next page.",
            "For 24 hours messages carry a signature of each of the two, so that nothing is missed meanwhile.",
            "After that the present secret counts no more.",
        ),
    )


@hide
@access(Access.SESSION)
@limited(SECRETS)
async def rotate_secret(endpoint_id: UUID) -> Response:
    """Make a new secret and show it once."""
    made = await webhook_acts.rotate_secret(current_services(), current_customer(), endpoint_id)
    return await _show(endpoint_id, secret=made.secret)


@hide
@access(Access.SESSION)
@limited(READING)
async def confirm_remove(endpoint_id: UUID) -> Response:
    """Say what removing does."""
    return await _confirm(
        endpoint_id,
        "remove",
        title="Remove this endpoint?",
        verb="Remove",
        consequences=(
            "Nothing is sent to it any more, not even what is on its way.",
            "Its secret and the list of what was sent are gone.",
        ),
    )


@hide
@access(Access.SESSION)
@limited(CHANGING)
async def remove_endpoint(endpoint_id: UUID) -> Response:
    """Remove an endpoint."""
    await webhook_acts.remove_endpoint(current_customer(), endpoint_id)
    return see_other("/webhooks", done="webhook-removed")


async def _list(form: FormView, status: int = HTTPStatus.OK) -> Response:
    found = await webhooks.endpoints_of(reading(), current_customer().user.id)
    return await page(
        "webhooks/list.html",
        status=status,
        section="alerts",
        form=form,
        endpoints=[endpoint_view(each) for each in found],
    )


async def _show(endpoint_id: UUID, *, secret: str | None = None, status: int = HTTPStatus.OK) -> Response:
    connection, owner_id = reading(), current_customer().user.id
    found = await webhooks.endpoint(connection, owner_id, endpoint_id)
    sent = await webhooks.deliveries_of(connection, owner_id, endpoint_id, limit=DELIVERIES_A_PAGE, cursor=_before())
    return await page(
        "webhooks/show.html",
        status=status,
        section="alerts",
        endpoint=endpoint_view(found),
        deliveries=[delivery_view(each) for each in sent.items],
        older=sent.next_cursor,
        secret=secret,
    )


async def _confirm(endpoint_id: UUID, act: str, *, title: str, verb: str, consequences: tuple[str, ...]) -> Response:
    found = await webhooks.endpoint(reading(), current_customer().user.id, endpoint_id)
    values: dict[str, Any] = {
        "title": title,
        "verb": verb,
        "consequences": (f"It is {found.url}", *consequences),
        "typed_name": "",
        "choices": (),
        "severe": act == "remove",
        "action": f"/webhooks/{endpoint_id}/{act}",
        "back": f"/webhooks/{endpoint_id}",
        "form": FormView(),
    }
    if is_fragment_request():
        return fragment("databases/confirm_form.html", dialog=True, **values)
    return await page("databases/confirm.html", section="alerts", dialog=False, **values)


def endpoint_view(endpoint: Endpoint) -> EndpointView:
    """Write an endpoint for its page."""
    status = StatusView(word="In use", tone=Tone.LIVE)
    if endpoint.disabled_for is not None:
        status = StatusView(word="Switched off", tone=Tone.STOP, reason=WHY_DISABLED[endpoint.disabled_for])
    return EndpointView(
        id=endpoint.id, url=endpoint.url, status=status, since=endpoint.disabled_at or endpoint.created_at
    )


def delivery_view(delivery: Delivery) -> DeliveryView:
    """Write a delivery for its page."""
    word, tone = STATES[delivery.state]
    why = "" if delivery.failure is None else FAILURES[delivery.failure]
    if delivery.status is not None:
        why = f"{why} (HTTP {delivery.status})" if why else f"HTTP {delivery.status}"
    return DeliveryView(
        kind=delivery.kind,
        status=StatusView(word=word, tone=tone, reason=why),
        at=delivery.created_at,
        attempts=delivery.attempts,
        next_at=delivery.next_at if delivery.attempts else None,
    )


def _before() -> UUID | None:
    try:
        return UUID(request.args.get("before", ""))
    except ValueError:
        return None
