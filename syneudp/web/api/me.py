"""`/me`: who the caller is."""

from uuid import UUID

from quart import Blueprint
from quart_schema import validate_response

from syneudp.web.access import Access, access, current_customer
from syneudp.web.api.values import Instant, Told, written
from syneudp.web.limits import READING, limited


class Me(Told):
    """The signed-in user; `created_at` is when they first came here."""

    id: UUID
    email: str
    created_at: Instant


def add_routes(blueprint: Blueprint) -> None:
    """Add this noun's routes."""
    blueprint.get("/me")(show_me)


@access(Access.CUSTOMER)
@limited(READING)
@validate_response(Me)
async def show_me() -> Me:
    """Tell who you are."""
    user = current_customer().user
    return Me(id=user.id, email=user.email, created_at=written(user.created_at))
