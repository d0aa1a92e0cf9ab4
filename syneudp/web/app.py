"""The web application: the JSON API, the console, and the rules that both live under."""

from quart import Quart, Response, request

from syneudp.kernel.logging import log
from syneudp.kernel.problems import Problem, install_problems
from syneudp.web import console
from syneudp.web.access import Access, install_access, is_signed_in, requested_rule
from syneudp.web.api import API_PREFIX, create_api_blueprint, create_root_blueprint
from syneudp.web.application import Application
from syneudp.web.contract import install_contract
from syneudp.web.customers import CustomerRegister
from syneudp.web.limits import install_limits
from syneudp.web.security_headers import protect
from syneudp.web.services import WebServices, hold_services

BODY_BYTES_MAX = 64 * 1024
BODY_SECONDS_MAX = 20
ERRORS_BEGIN = 400
PAYING_PATHS = frozenset({"/wallet", "/wallet/top-ups"})
PROGRAM_PATHS = ("/livez", "/readyz", "/openapi.json")


def create_app(services: WebServices) -> Quart:
    """Compose the `api` role's application; the control database must be open by the first request."""
    app = Application(__name__, trusted=services.settings.trusted_networks)
    app.config["MAX_CONTENT_LENGTH"] = BODY_BYTES_MAX
    app.config["BODY_TIMEOUT"] = BODY_SECONDS_MAX
    hold_services(app, services)
    install_problems(app, render=render_problem)
    install_limits(app)
    install_access(app, register=CustomerRegister(currency=services.settings.currency))
    install_contract(app)
    app.register_blueprint(create_root_blueprint())
    app.register_blueprint(create_api_blueprint(), url_prefix=API_PREFIX)
    app.register_blueprint(console.create_console_blueprint())

    @app.after_request
    async def tell_browsers(response: Response) -> Response:
        public = requested_rule() is Access.PUBLIC and not is_signed_in() and response.status_code < ERRORS_BEGIN
        return protect(
            response,
            https=services.settings.https,
            private=not public,
            form_target=services.payments.checkout_origin if request.path in PAYING_PATHS else None,
        )

    return app


async def render_problem(problem: Problem) -> Response | None:
    """Answer a problem of the console's as a page; None leaves it JSON, as programs read it.

    A page that cannot be written is no second problem: the first one is then told as JSON.
    """
    if request.path.startswith(f"{API_PREFIX}/") or request.path in {API_PREFIX, *PROGRAM_PATHS}:
        return None
    try:
        return await console.render_problem(problem)
    except Exception as fault:
        log.error("problem_page_failed", code=problem.code, exc_info=fault)
        return None
