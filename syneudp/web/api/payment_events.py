"""`/webhooks/stripe`: what the payment provider tells of its own accord."""

from typing import Final

from quart import Blueprint, Response, request
from quart_schema import hide

from syneudp import instances
from syneudp.kernel.problems import dump_json
from syneudp.web.access import Access, access
from syneudp.web.limits import NOTIFYING, limited
from syneudp.web.services import current_services

SIGNATURE_HEADER: Final = "Stripe-Signature"


def add_routes(blueprint: Blueprint) -> None:
    """Add this noun's routes."""
    blueprint.post("/webhooks/stripe")(receive_stripe)


@hide
@access(Access.SIGNED)
@limited(NOTIFYING)
async def receive_stripe() -> Response:
    """Receive an event of Stripe's: what it is about is asked for again, and credited or taken back once.

    200 says that the event is dealt with, also where it is none of ours; anything else that Stripe is to send it again.
    """
    services = current_services()
    body = await request.get_data(cache=False, as_text=False, parse_form_data=False)
    notice = services.payments.read_notice(body, request.headers.get(SIGNATURE_HEADER))
    await instances.receive_notice(services.payments, notice, runway_seconds=services.instances.runway_seconds)
    return Response(dump_json({"received": True}), content_type="application/json")
