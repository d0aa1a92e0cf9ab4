"""The two blueprints that the nouns hang on."""

from typing import Final

from quart import Blueprint

from syneudp.web.api import (
    alerts,
    docs,
    instance_acts,
    instance_history,
    instances,
    me,
    payment_events,
    plans,
    probes,
    statements,
    wallet,
    webhook_endpoints,
)

API_PREFIX: Final = "/api/v1"


def create_api_blueprint() -> Blueprint:
    """Make the blueprint of everything under `/api/v1`."""
    blueprint = Blueprint("api", __name__)
    money = (wallet, statements, alerts, payment_events)
    for noun in (me, plans, instances, instance_acts, instance_history, *money, webhook_endpoints):
        noun.add_routes(blueprint)
    return blueprint


def create_root_blueprint() -> Blueprint:
    """Make the blueprint of the probes, the contract and its page, which stand at the root."""
    blueprint = Blueprint("root", __name__, template_folder="templates")
    for noun in (probes, docs):
        noun.add_routes(blueprint)
    return blueprint
