"""What a signed-in customer does to their webhook endpoints, for programs and pages alike.

Each act is one transaction with its audit record; a host is resolved before it, never inside.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from syneudp import identity, webhooks
from syneudp.identity import Act
from syneudp.kernel.database import Connection, transact
from syneudp.web.customers import Customer
from syneudp.web.once import Once, bind, claim
from syneudp.web.services import WebServices
from syneudp.webhooks import Endpoint, EndpointSecret

LOCAL: Final = "local"
CUSTOMER: Final = "customer"


@dataclass(frozen=True, slots=True)
class Added:
    """An endpoint with its secret; `replayed` says that an earlier request under the same key had added it."""

    made: EndpointSecret
    replayed: bool


async def add_endpoint(services: WebServices, customer: Customer, *, url: str, wanted: Once | None = None) -> Added:
    """Add an endpoint and show its secret. Asks the auth server first.

    Raises EndpointUrlInvalidError (422), also where the host has an address that is not public now, and
    TooManyEndpointsError (409).
    """
    local = services.settings.environment == LOCAL
    checked = webhooks.check_url(url, local=local)
    await identity.confirm_live_session(services.auth, customer.access_token)
    await webhooks.require_reachable(checked, local=local)
    owner_id, keyring = customer.user.id, services.keyring

    async def add(tx: Connection) -> Added:
        made = await claim(tx, customer, wanted)
        if made is not None:
            present = await webhooks.present_secret(tx, owner_id=owner_id, endpoint_id=made, keyring=keyring)
            return Added(made=present, replayed=True)
        added = await webhooks.add_endpoint(tx, owner_id=owner_id, url=url, keyring=keyring)
        await _record(tx, customer, Act.ADD_WEBHOOK, added.endpoint.id)
        await bind(tx, customer, wanted, added.endpoint.id)
        return Added(made=added, replayed=False)

    return await transact(add)


async def rotate_secret(services: WebServices, customer: Customer, endpoint_id: UUID) -> EndpointSecret:
    """Give an endpoint a new secret and show it. Asks the auth server first. Raises EndpointNotFoundError (404)."""
    await identity.confirm_live_session(services.auth, customer.access_token)

    async def rotate(tx: Connection) -> EndpointSecret:
        made = await webhooks.rotate_secret(
            tx, owner_id=customer.user.id, endpoint_id=endpoint_id, keyring=services.keyring
        )
        await _record(tx, customer, Act.ROTATE_WEBHOOK, endpoint_id)
        return made

    return await transact(rotate)


async def enable_endpoint(customer: Customer, endpoint_id: UUID) -> Endpoint:
    """Send to a disabled endpoint again. Raises EndpointNotFoundError (404)."""

    async def enable(tx: Connection) -> Endpoint:
        return await webhooks.enable_endpoint(tx, owner_id=customer.user.id, endpoint_id=endpoint_id)

    return await transact(enable)


async def send_test(customer: Customer, endpoint_id: UUID) -> UUID:
    """Queue a test message to an endpoint and answer its id. Raises EndpointNotFoundError (404)."""

    async def send(tx: Connection) -> UUID:
        return await webhooks.publish_test(tx, owner_id=customer.user.id, endpoint_id=endpoint_id)

    return await transact(send)


async def remove_endpoint(customer: Customer, endpoint_id: UUID) -> None:
    """Remove an endpoint. Raises EndpointNotFoundError (404)."""

    async def remove(tx: Connection) -> None:
        await webhooks.remove_endpoint(tx, owner_id=customer.user.id, endpoint_id=endpoint_id)
        await _record(tx, customer, Act.REMOVE_WEBHOOK, endpoint_id)

    await transact(remove)


async def _record(tx: Connection, customer: Customer, act: Act, endpoint_id: UUID) -> None:
    await identity.record_audit(
        tx,
        user_id=customer.user.id,
        actor=CUSTOMER,
        act=act,
        subject=str(endpoint_id),
        address=customer.address,
        user_agent=customer.user_agent,
    )
