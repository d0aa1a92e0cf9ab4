"""`/instances`: the customer's databases."""

from typing import Literal
from uuid import UUID

from pydantic import Field, StrictStr, model_validator
from quart import Blueprint
from quart_schema import validate_headers, validate_querystring, validate_request, validate_response

from syneudp import instances
from syneudp.kernel.database import reading
from syneudp.web import acts
from syneudp.web.access import Access, access, current_customer
from syneudp.web.api.instance_values import (
    CreatedInstance,
    Instance,
    InstanceList,
    tell_begun,
    tell_instance,
    tell_instances,
    with_secret,
)
from syneudp.web.api.requests import bodiless, replay_headers
from syneudp.web.api.values import Asked, KeyHeaders, PageQuery, read_cursor, write_cursor
from syneudp.web.limits import CHANGING, READING, limited
from syneudp.web.once import once
from syneudp.web.services import current_services

Status = int
Headers = dict[str, str]


class InstanceWanted(Asked):
    """A database to be made."""

    name: StrictStr = Field(max_length=256)
    engine: Literal["postgresql", "mysql"]
    plan: StrictStr = Field(max_length=64, pattern="^[a-z0-9-]+$")


class InstanceChange(Asked):
    """What is to change about a database; what is left out stays."""

    name: StrictStr | None = Field(None, max_length=256)
    plan: StrictStr | None = Field(None, max_length=64, pattern="^[a-z0-9-]+$")

    @model_validator(mode="after")
    def _changes_something(self) -> "InstanceChange":
        if self.name is None and self.plan is None:
            raise ValueError("give a name, a plan, or both")
        return self


def add_routes(blueprint: Blueprint) -> None:
    """Add this noun's routes."""
    blueprint.post("/instances")(create_instance)
    blueprint.get("/instances")(list_instances)
    blueprint.get("/instances/<uuid:instance_id>")(show_instance)
    blueprint.patch("/instances/<uuid:instance_id>")(change_instance)
    blueprint.delete("/instances/<uuid:instance_id>")(delete_instance)


@access(Access.CUSTOMER)
@limited(CHANGING)
@validate_headers(KeyHeaders)
@validate_request(InstanceWanted)
@validate_response(CreatedInstance, 201)
@validate_response(Instance, 202)
async def create_instance(
    data: InstanceWanted, headers: KeyHeaders
) -> tuple[CreatedInstance | Instance, Status, Headers]:
    """Make a database.

    201 with its password once it can be connected to; 202 while that takes longer, and it is then finished by itself.
    """
    acted = await acts.create(
        current_services(),
        current_customer(),
        name=data.name,
        engine=data.engine,
        plan=data.plan,
        wanted=once("POST /instances", headers.idempotency_key, data.model_dump()),
    )
    told = await tell_instance(acted.instance) if acted.price is None else tell_begun(acted.instance, acted.price)
    replayed = replay_headers(replayed=acted.replayed)
    if acted.confirmed:
        return with_secret(told, acted.secret), 201, {**replayed, "Location": f"/api/v1/instances/{told.id}"}
    return told, 202, replayed


@access(Access.CUSTOMER)
@limited(READING)
@validate_querystring(PageQuery)
@validate_response(InstanceList)
async def list_instances(query_args: PageQuery) -> InstanceList:
    """List your databases, newest first."""
    page = await instances.instances_of(
        reading(), current_customer().user.id, limit=query_args.limit, cursor=read_cursor(query_args.cursor)
    )
    return InstanceList(items=await tell_instances(list(page.items)), next_cursor=write_cursor(page.next_cursor))


@access(Access.CUSTOMER)
@limited(READING)
@validate_response(Instance)
async def show_instance(instance_id: UUID) -> Instance:
    """Show one database."""
    return await tell_instance(await instances.instance(reading(), current_customer().user.id, instance_id))


@access(Access.CUSTOMER)
@limited(CHANGING)
@validate_headers(KeyHeaders)
@validate_request(InstanceChange)
@validate_response(Instance, 200)
@validate_response(Instance, 202)
async def change_instance(
    instance_id: UUID, data: InstanceChange, headers: KeyHeaders
) -> tuple[Instance, Status, Headers]:
    """Give a database another name, another plan of its engine, or both.

    A plan's price counts from this second on. 200 once its limits are in force too; 202 while that takes longer.
    """
    acted = await acts.change(
        current_services(),
        current_customer(),
        instance_id,
        name=data.name,
        plan=data.plan,
        wanted=once("PATCH /instances", headers.idempotency_key, str(instance_id), data.model_dump()),
    )
    told = await tell_instance(acted.instance)
    return told, 200 if acted.confirmed else 202, replay_headers(replayed=acted.replayed)


@access(Access.CUSTOMER)
@limited(CHANGING)
@bodiless
@validate_response(Instance, 200)
@validate_response(Instance, 202)
async def delete_instance(instance_id: UUID) -> tuple[Instance, Status]:
    """Delete a database and its data for good; deleted already is success.

    200 once it is gone; 202 while that takes longer.
    """
    acted = await acts.delete(current_services(), current_customer(), instance_id)
    return await tell_instance(acted.instance), 200 if acted.confirmed else 202
