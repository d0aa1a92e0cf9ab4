"""What a customer is told over webhooks, where, and how that went. Instants in epoch seconds."""

from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID


class DeliveryState(StrEnum):
    """How a delivery stands: still being tried, accepted with 2xx, or given up."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class DisabledFor(StrEnum):
    """Why nothing is sent to an endpoint any more: three days of failures, or its own 410 Gone."""

    FAILING = "failing"
    GONE = "gone"


class Failure(StrEnum):
    """Why an attempt failed."""

    STATUS = "status"
    REDIRECT = "redirect"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    ADDRESS_REFUSED = "address_refused"
    TLS = "tls"
    BROKEN_ANSWER = "broken_answer"
    UNREADABLE_KEY = "unreadable_key"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a customer wants to be told."""

    id: UUID
    url: str
    disabled_for: DisabledFor | None
    disabled_at: int | None
    created_at: int


@dataclass(frozen=True, slots=True, repr=False)
class EndpointSecret:
    """An endpoint with the secret that its messages are signed with, in the clear; has no repr."""

    endpoint: Endpoint
    secret: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message on its way to an endpoint; `next_at` is when it is tried next, None once it is settled."""

    message_id: UUID
    kind: str
    state: DeliveryState
    attempts: int
    status: int | None
    failure: Failure | None
    created_at: int
    attempted_at: int | None
    next_at: int | None


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """Deliveries, newest first; next_cursor is the message id to go on before."""

    items: tuple[Delivery, ...]
    next_cursor: UUID | None


@dataclass(frozen=True, slots=True)
class Parcel:
    """A delivery that this process has claimed, with all that sending it needs; `lease_id` proves the claim."""

    endpoint_id: UUID
    message_id: UUID
    lease_id: UUID
    attempts: int
    url: str
    body: str
    sent_at: int
    keys: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt went: the HTTP status where there was an answer, and why it failed where it did."""

    status: int | None
    failure: Failure | None
