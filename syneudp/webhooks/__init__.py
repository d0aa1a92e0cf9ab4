"""Webhooks: what customers are told on their own endpoints, signed and retried (Standard Webhooks)."""

from syneudp.webhooks.deliver import claim_delivery, record_outcome, send_delivery
from syneudp.webhooks.endpoints import (
    add_endpoint,
    enable_endpoint,
    endpoint,
    endpoints_of,
    present_secret,
    remove_endpoint,
    rotate_secret,
    webhook_secrets_sealed_under,
)
from syneudp.webhooks.errors import (
    AddressRefusedError,
    EndpointNotFoundError,
    EndpointUrlInvalidError,
    TooManyEndpointsError,
)
from syneudp.webhooks.messages import deliveries_of, prune_messages, publish, publish_test
from syneudp.webhooks.reach import WebhookSender, require_reachable
from syneudp.webhooks.rules import check_url, wire_id
from syneudp.webhooks.values import (
    Delivery,
    DeliveryPage,
    DeliveryState,
    DisabledFor,
    Endpoint,
    EndpointSecret,
    Failure,
    Outcome,
    Parcel,
)

__all__ = [
    "AddressRefusedError",
    "Delivery",
    "DeliveryPage",
    "DeliveryState",
    "DisabledFor",
    "Endpoint",
    "EndpointNotFoundError",
    "EndpointSecret",
    "EndpointUrlInvalidError",
    "Failure",
    "Outcome",
    "Parcel",
    "TooManyEndpointsError",
    "WebhookSender",
    "add_endpoint",
    "check_url",
    "claim_delivery",
    "deliveries_of",
    "enable_endpoint",
    "endpoint",
    "endpoints_of",
    "present_secret",
    "prune_messages",
    "publish",
    "publish_test",
    "record_outcome",
    "remove_endpoint",
    "require_reachable",
    "rotate_secret",
    "send_delivery",
    "webhook_secrets_sealed_under",
    "wire_id",
]
