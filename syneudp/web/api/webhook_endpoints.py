"""`/webhook-endpoints`: where a customer wants to be told, and how the telling went."""

from typing import Literal
from uuid import UUID

from pydantic import Field
from quart import Blueprint
from quart_schema import validate_headers, validate_querystring, validate_request, validate_response

from syneudp import webhooks
from syneudp.kernel.database import reading
from syneudp.web import webhook_acts
from syneudp.web.access import Access, access, current_customer
from syneudp.web.api.requests import bodiless, replay_headers
from syneudp.web.api.values import (
    Asked,
    Instant,
    KeyHeaders,
    PageQuery,
    Told,
    read_cursor,
    write_cursor,
    written,
    written_if,
)
from syneudp.web.limits import CHANGING, READING, SECRETS, limited
from syneudp.web.once import once
from syneudp.web.services import current_services
from syneudp.webhooks import DeliveryState, DisabledFor, Endpoint, EndpointSecret, Failure, wire_id

Status = int
Headers = dict[str, str]


class WebhookEndpointWanted(Asked):
    """Where to be told."""

    url: str = Field(max_length=2000, description="https, with a host of public addresses alone.")


class WebhookEndpoint(Told):
    """Where a customer is told; nothing is sent any more once it is disabled."""

    id: UUID
    url: str
    disabled_for: DisabledFor | None
    disabled_at: Instant | None
    created_at: Instant


class CreatedWebhookEndpoint(WebhookEndpoint):
    """An endpoint with the secret that signs what is sent to it, shown once."""

    secret: str


class WebhookEndpointList(Told):
    """Endpoints, oldest first."""

    items: list[WebhookEndpoint]
    next_cursor: None = None


class RemovedWebhookEndpoint(Told):
    """An endpoint that is gone."""

    id: UUID
    status: Literal["removed"] = "removed"


class QueuedWebhook(Told):
    """A message that is on its way."""

    webhook_id: str


class WebhookDelivery(Told):
    """A message to an endpoint; `next_attempt_at` is null once it was accepted or given up."""

    webhook_id: str
    type: str
    state: DeliveryState
    attempts: int
    response_status: int | None
    failure: Failure | None
    created_at: Instant
    attempted_at: Instant | None
    next_attempt_at: Instant | None


class WebhookDeliveryList(Told):
    """Deliveries of the last 30 days, newest first."""

    items: list[WebhookDelivery]
    next_cursor: str | None


def add_routes(blueprint: Blueprint) -> None:
    """Add this noun's routes."""
    blueprint.post("/webhook-endpoints")(create_endpoint)
    blueprint.get("/webhook-endpoints")(list_endpoints)
    blueprint.get("/webhook-endpoints/<uuid:endpoint_id>")(show_endpoint)
    blueprint.delete("/webhook-endpoints/<uuid:endpoint_id>")(delete_endpoint)
    blueprint.post("/webhook-endpoints/<uuid:endpoint_id>/rotate-secret")(rotate_secret)
    blueprint.post("/webhook-endpoints/<uuid:endpoint_id>/enable")(enable_endpoint)
    blueprint.post("/webhook-endpoints/<uuid:endpoint_id>/test")(send_test)
    blueprint.get("/webhook-endpoints/<uuid:endpoint_id>/deliveries")(list_deliveries)


@access(Access.CUSTOMER)
@limited(SECRETS)
@validate_headers(KeyHeaders)
@validate_request(WebhookEndpointWanted)
@validate_response(CreatedWebhookEndpoint, 201)
async def create_endpoint(
    data: WebhookEndpointWanted, headers: KeyHeaders
) -> tuple[CreatedWebhookEndpoint, Status, Headers]:
    """Add an endpoint; its secret is shown here alone. Any library of the Standard Webhooks specification verifies."""
    wanted = once("POST /webhook-endpoints", headers.idempotency_key, data.model_dump())
    added = await webhook_acts.add_endpoint(current_services(), current_customer(), url=data.url, wanted=wanted)
    return _created(added.made), 201, replay_headers(replayed=added.replayed)


@access(Access.CUSTOMER)
@limited(READING)
@validate_response(WebhookEndpointList)
async def list_endpoints() -> WebhookEndpointList:
    """List your endpoints."""
    found = await webhooks.endpoints_of(reading(), current_customer().user.id)
    return WebhookEndpointList(items=[_endpoint(each) for each in found])


@access(Access.CUSTOMER)
@limited(READING)
@validate_response(WebhookEndpoint)
async def show_endpoint(endpoint_id: UUID) -> WebhookEndpoint:
    """Show an endpoint."""
    return _endpoint(await webhooks.endpoint(reading(), current_customer().user.id, endpoint_id))


@access(Access.CUSTOMER)
@limited(CHANGING)
@bodiless
@validate_response(RemovedWebhookEndpoint)
async def delete_endpoint(endpoint_id: UUID) -> RemovedWebhookEndpoint:
    """Remove an endpoint with its secrets and the record of its deliveries."""
    await webhook_acts.remove_endpoint(current_customer(), endpoint_id)
    return RemovedWebhookEndpoint(id=endpoint_id)


@access(Access.CUSTOMER)
@limited(SECRETS)
@bodiless
@validate_response(CreatedWebhookEndpoint)
async def rotate_secret(endpoint_id: UUID) -> CreatedWebhookEndpoint:
    """Give an endpoint a new secret, shown here alone; the one before signs beside it for 24 hours more."""
    return _created(await webhook_acts.rotate_secret(current_services(), current_customer(), endpoint_id))


@access(Access.CUSTOMER)
@limited(CHANGING)
@bodiless
@validate_response(WebhookEndpoint)
async def enable_endpoint(endpoint_id: UUID) -> WebhookEndpoint:
    """Send to an endpoint again that was disabled."""
    return _endpoint(await webhook_acts.enable_endpoint(current_customer(), endpoint_id))


@access(Access.CUSTOMER)
@limited(CHANGING)
@bodiless
@validate_response(QueuedWebhook, 202)
async def send_test(endpoint_id: UUID) -> tuple[QueuedWebhook, Status]:
    """Send a message of type `webhook.test` to an endpoint; its deliveries tell how it went."""
    message_id = await webhook_acts.send_test(current_customer(), endpoint_id)
    return QueuedWebhook(webhook_id=wire_id(message_id)), 202


@access(Access.CUSTOMER)
@limited(READING)
@validate_querystring(PageQuery)
@validate_response(WebhookDeliveryList)
async def list_deliveries(endpoint_id: UUID, query_args: PageQuery) -> WebhookDeliveryList:
    """List what was sent to an endpoint in the last 30 days, with the state of each."""
    page = await webhooks.deliveries_of(
        reading(),
        current_customer().user.id,
        endpoint_id,
        limit=query_args.limit,
        cursor=read_cursor(query_args.cursor),
    )
    items = [
        WebhookDelivery(
            webhook_id=wire_id(each.message_id),
            type=each.kind,
            state=each.state,
            attempts=each.attempts,
            response_status=each.status,
            failure=each.failure,
            created_at=written(each.created_at),
            attempted_at=written_if(each.attempted_at),
            next_attempt_at=written_if(each.next_at),
        )
        for each in page.items
    ]
    return WebhookDeliveryList(items=items, next_cursor=write_cursor(page.next_cursor))


def _endpoint(found: Endpoint) -> WebhookEndpoint:
    return WebhookEndpoint(
        id=found.id,
        url=found.url,
        disabled_for=found.disabled_for,
        disabled_at=written_if(found.disabled_at),
        created_at=written(found.created_at),
    )


def _created(made: EndpointSecret) -> CreatedWebhookEndpoint:
    return CreatedWebhookEndpoint(**_endpoint(made.endpoint).model_dump(), secret=made.secret)
