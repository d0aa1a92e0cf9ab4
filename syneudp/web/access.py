"""Who may call a route: every one of them says so, and a request is let in or refused before the route runs."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final, TypeVar

from quart import Quart, current_app, g, request

from syneudp.identity import AuthenticationRequiredError, WebSession
from syneudp.web.csrf import is_forged
from syneudp.web.customers import Customer, CustomerRegister
from syneudp.web.errors import CrossSiteRequestError
from syneudp.web.services import current_services
from syneudp.web.session_cookie import session_cookie

View = TypeVar("View", bound=Callable[..., Any])

ACCESS_ATTRIBUTE: Final = "_syneudp_access"
REGISTER_KEY: Final = "syneudp-customers"
BEARER_SCHEME: Final = "bearer"


class Access(StrEnum):
    """What a caller must show.

    `public`: nothing. `customer`: a bearer token, and no cookie counts. `session`: the console's cookie. `signed`: a
    signature over the body, which the route itself checks; nothing else of the caller counts.
    Unsafe methods under `public` and `session` must also come from this site's own pages.
    """

    PUBLIC = "public"
    CUSTOMER = "customer"
    SESSION = "session"
    SIGNED = "signed"


def access(rule: Access) -> Callable[[View], View]:
    """Declare a route's access rule; a route without one answers nobody."""

    def declare(view: View) -> View:
        setattr(view, ACCESS_ATTRIBUTE, rule)
        return view

    return declare


def rule_of(view: Callable[..., Any] | None) -> Access | None:
    """Tell the access rule a view declared, or None."""
    return getattr(view, ACCESS_ATTRIBUTE, None)


def install_access(app: Quart, *, register: CustomerRegister) -> None:
    """Check every request against the rule of its route; one that matches no route goes on to its 404 or 405."""
    app.extensions[REGISTER_KEY] = register
    app.before_request(_enforce)


def requested_rule() -> Access | None:
    """Tell the access rule of the route that the present request matched, or None where it matched none."""
    endpoint = request.endpoint
    return None if endpoint is None else rule_of(current_app.view_functions.get(endpoint))


def current_customer() -> Customer:
    """Hand out the customer of the present request; raises AuthenticationRequiredError (401) where there is none."""
    customer: Customer | None = g.get("customer")
    if customer is None:
        raise AuthenticationRequiredError
    return customer


def is_signed_in() -> bool:
    """Tell whether the present request was found to be a customer's, on whatever route."""
    return g.get("customer") is not None


def current_session() -> WebSession:
    """Hand out the console session of the present request; raises AuthenticationRequiredError (401)."""
    session: WebSession | None = g.get("web_session")
    if session is None:
        raise AuthenticationRequiredError
    return session


async def identify() -> Customer | None:
    """Find out who is asking, once a request: by bearer token under `customer`, by cookie under the other rules.

    None where nobody is signed in. Raises AuthUnavailableError (503) where that cannot be decided.
    """
    if "customer" not in g:
        rule = requested_rule()
        if rule is Access.CUSTOMER:
            g.customer = await _by_bearer()
        elif rule is Access.SESSION:
            g.customer = await _by_cookie()
        else:
            return None
    known: Customer | None = g.customer
    return known


async def identify_visitor() -> Customer | None:
    """Find out on a public page whether the visitor is signed in already."""
    if "customer" not in g:
        g.customer = await _by_cookie()
    known: Customer | None = g.customer
    return known


async def _enforce() -> None:
    endpoint = request.endpoint
    if endpoint is None:
        return
    rule = requested_rule()
    if rule is None:
        raise AuthenticationRequiredError
    if rule not in {Access.CUSTOMER, Access.SIGNED}:
        _refuse_forgery()
    if rule not in {Access.PUBLIC, Access.SIGNED} and await identify() is None:
        raise AuthenticationRequiredError


def _refuse_forgery() -> None:
    forged = is_forged(
        request.method,
        fetch_site=request.headers.get("Sec-Fetch-Site"),
        origin=request.headers.get("Origin"),
        public_origin=current_services().settings.public_url,
    )
    if forged:
        raise CrossSiteRequestError


async def _by_bearer() -> Customer | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != BEARER_SCHEME or not token:
        return None
    try:
        claims = await current_services().bearer.verify(token.strip())
    except AuthenticationRequiredError:
        return None
    register: CustomerRegister = current_app.extensions[REGISTER_KEY]
    user, wallet = await register.recognise(user_id=claims.user_id, email=claims.email)
    return Customer(user=user, wallet=wallet, access_token=token.strip(), **_origin())


async def _by_cookie() -> Customer | None:
    services = current_services()
    cookie = session_cookie(request, https=services.settings.https)
    if cookie is None:
        return None
    session = await services.sessions.current(cookie)
    if session is None:
        return None
    g.web_session = session
    register: CustomerRegister = current_app.extensions[REGISTER_KEY]
    user, wallet = await register.recognise(user_id=session.user.id, email=session.user.email)
    return Customer(user=user, wallet=wallet, access_token=session.access_token, **_origin())


def _origin() -> dict[str, str]:
    return {"address": request.remote_addr or "", "user_agent": request.headers.get("User-Agent", "")}
