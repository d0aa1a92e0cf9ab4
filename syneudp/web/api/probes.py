"""Whether this process lives, and whether it can serve."""

import asyncio
from typing import Final, Literal

from quart import Blueprint
from quart_schema import validate_response

from syneudp.kernel.database import reading, value
from syneudp.kernel.errors import ProblemError
from syneudp.kernel.logging import log
from syneudp.web.access import Access, access
from syneudp.web.api.values import Told
from syneudp.web.limits import PROBING, limited

READY_SECONDS_MAX: Final = 2.0


class NotReadyError(ProblemError):
    """The control database does not answer."""

    status = 503
    code = "not_ready"
    title = "Not ready"
    sentence = "The control database does not answer."


class Alive(Told):
    """The process answers."""

    status: Literal["ok"] = "ok"


def add_routes(blueprint: Blueprint) -> None:
    """Add this noun's routes."""
    blueprint.get("/livez")(show_alive)
    blueprint.get("/readyz")(show_ready)


@access(Access.PUBLIC)
@limited(PROBING)
@validate_response(Alive)
async def show_alive() -> Alive:
    """Tell that the process lives; asks nothing else."""
    return Alive()


@access(Access.PUBLIC)
@limited(PROBING)
@validate_response(Alive)
async def show_ready() -> Alive:
    """Tell that requests can be served: the control database answers within two seconds."""
    try:
        async with asyncio.timeout(READY_SECONDS_MAX):
            await value(reading(), "SELECT 1")
    except Exception as fault:
        log.warning("not_ready", fault=type(fault).__name__)
        raise NotReadyError from fault
    return Alive()
