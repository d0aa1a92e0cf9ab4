"""The console's routes, one file a noun."""

from quart import Blueprint
from quart.blueprints import BlueprintSetupState

from syneudp.kernel.logging import log
from syneudp.web.console import (
    account,
    alerts,
    database,
    database_acts,
    database_plan,
    databases,
    landing,
    payments,
    statements,
    static_files,
    wallet,
    webhooks,
)
from syneudp.web.console.answers import PAGES_KEY
from syneudp.web.console.pages import Pages, published_assets

NOUNS = (
    landing,
    account,
    databases,
    database,
    database_acts,
    database_plan,
    wallet,
    payments,
    statements,
    alerts,
    webhooks,
    static_files,
)


def create_console_blueprint() -> Blueprint:
    """Make the console. Warns where the assets are not built: its pages then work without style and script."""
    blueprint = Blueprint("console", __name__)
    for noun in NOUNS:
        noun.add_routes(blueprint)
    blueprint.record_once(_hold_pages)
    return blueprint


def _hold_pages(state: BlueprintSetupState) -> None:
    assets = published_assets()
    if not assets:
        log.warning("console_assets_not_built")
    state.app.extensions[PAGES_KEY] = Pages(assets=assets)
