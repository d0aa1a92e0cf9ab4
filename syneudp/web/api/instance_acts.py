"""What a customer does to one database: suspend and resume it, show and change its password."""

from uuid import UUID

from pydantic import Field, StrictInt
from quart import Blueprint
from quart_schema import validate_headers, validate_response

from syneudp.engines.contract import PREVIOUS_PASSWORD_SECONDS_MAX
from syneudp.web import acts
from syneudp.web.access import Access, access, current_customer
from syneudp.web.acts import Acted
from syneudp.web.api.instance_values import Credential, Instance, tell_instance
from syneudp.web.api.requests import bodiless, optional_body, replay_headers
from syneudp.web.api.values import Asked, KeyHeaders
from syneudp.web.limits import CHANGING, SECRETS, limited
from syneudp.web.once import Once, once
from syneudp.web.services import current_services

Status = int
Headers = dict[str, str]


class RotationWanted(Asked):
    """How a password is to be changed."""

    keep_previous_seconds: StrictInt = Field(
        0,
        ge=0,
        le=PREVIOUS_PASSWORD_SECONDS_MAX,
        description="How long the old password works beside the new one; above 0 on MySQL servers alone.",
    )


def add_routes(blueprint: Blueprint) -> None:
    """Add this noun's routes."""
    blueprint.post("/instances/<uuid:instance_id>/suspend")(suspend_instance)
    blueprint.post("/instances/<uuid:instance_id>/resume")(resume_instance)
    blueprint.post("/instances/<uuid:instance_id>/reveal")(reveal_credential)
    blueprint.post("/instances/<uuid:instance_id>/rotate")(rotate_credential)


@access(Access.CUSTOMER)
@limited(CHANGING)
@bodiless
@validate_headers(KeyHeaders)
@validate_response(Instance, 200)
@validate_response(Instance, 202)
async def suspend_instance(instance_id: UUID, headers: KeyHeaders) -> tuple[Instance, Status, Headers]:
    """Suspend a database: its data stays, nobody can log in, and it costs its storage alone.

    200 once no session is left; 202 while that takes longer.
    """
    wanted = _wanted("suspend", instance_id, headers)
    return await _tell(await acts.suspend(current_services(), current_customer(), instance_id, wanted=wanted))


@access(Access.CUSTOMER)
@limited(CHANGING)
@bodiless
@validate_headers(KeyHeaders)
@validate_response(Instance, 200)
@validate_response(Instance, 202)
async def resume_instance(instance_id: UUID, headers: KeyHeaders) -> tuple[Instance, Status, Headers]:
    """Resume a database that you suspended, or one whose storage is full.

    The latter runs and may grow for an hour, once a day, so that room can be made. 200 once it can be connected to; 202
    while that takes longer or something else still holds it.
    """
    wanted = _wanted("resume", instance_id, headers)
    return await _tell(await acts.resume(current_services(), current_customer(), instance_id, wanted=wanted))


@access(Access.CUSTOMER)
@limited(SECRETS)
@bodiless
@validate_headers(KeyHeaders)
@validate_response(Credential, 200)
async def reveal_credential(instance_id: UUID, headers: KeyHeaders) -> tuple[Credential, Status, Headers]:
    """Show the password of a database; that it was shown is recorded."""
    wanted = _wanted("reveal", instance_id, headers)
    revealed = await acts.reveal(current_services(), current_customer(), instance_id, wanted=wanted)
    told = Credential(password=revealed.secret.password, uri=revealed.secret.uri)
    return told, 200, replay_headers(replayed=revealed.replayed)


@access(Access.CUSTOMER)
@limited(SECRETS)
@validate_headers(KeyHeaders)
@optional_body(RotationWanted)
@validate_response(Credential, 200)
@validate_response(Instance, 202)
async def rotate_credential(
    instance_id: UUID, data: RotationWanted, headers: KeyHeaders
) -> tuple[Credential | Instance, Status, Headers]:
    """Give a database a new password and end its live sessions; the body may be left out.

    On MySQL the old one may work beside it for a stated time, at whose end live sessions are ended once more. 200 with
    the new password once it is in force and the old one is refused or kept; 202 with the database while that takes
    longer.
    """
    asked = (str(instance_id), data.model_dump())
    acted = await acts.rotate(
        current_services(),
        current_customer(),
        instance_id,
        keep_previous_seconds=data.keep_previous_seconds,
        wanted=once("POST /instances/rotate", headers.idempotency_key, *asked),
    )
    if acted.secret is None:
        return await tell_instance(acted.instance), 202, replay_headers(replayed=acted.replayed)
    told = Credential(password=acted.secret.password, uri=acted.secret.uri)
    return told, 200, replay_headers(replayed=acted.replayed)


def _wanted(act: str, instance_id: UUID, headers: KeyHeaders) -> Once | None:
    return once(f"POST /instances/{act}", headers.idempotency_key, str(instance_id))


async def _tell(acted: Acted) -> tuple[Instance, Status, Headers]:
    told = await tell_instance(acted.instance)
    return told, 200 if acted.confirmed else 202, replay_headers(replayed=acted.replayed)
