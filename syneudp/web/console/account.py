"""Signing up, in and out."""

from http import HTTPStatus
from typing import Final

from quart import Blueprint, Response, request
from quart_schema import hide

from syneudp.identity import Act, AuthenticationRequiredError, AuthTokens, ConfirmationSent
from syneudp.kernel.errors import ProblemError
from syneudp.web.access import Access, access
from syneudp.web.console.answers import current_viewer, page, see_other
from syneudp.web.console.views import FormView
from syneudp.web.limits import READING, SIGNING_IN, limited
from syneudp.web.services import current_services
from syneudp.web.session_cookie import clear_session_cookie, session_cookie, set_session_cookie

HOME: Final = "/databases"
NEXT_LENGTH_MAX: Final = 300


def add_routes(blueprint: Blueprint) -> None:
    """Add this noun's routes."""
    blueprint.get("/sign-up")(show_sign_up)
    blueprint.post("/sign-up")(sign_up)
    blueprint.get("/sign-in")(show_sign_in)
    blueprint.post("/sign-in")(sign_in)
    blueprint.post("/sign-out")(sign_out)


@hide
@access(Access.PUBLIC)
@limited(READING)
async def show_sign_up() -> Response:
    """Show the form for a new account."""
    if (await current_viewer()).email:
        return see_other(HOME)
    return await page("account/sign_up.html", form=FormView())


@hide
@access(Access.PUBLIC)
@limited(SIGNING_IN)
async def sign_up() -> Response:
    """Open an account and sign in, or say that a message is on its way."""
    email, password, _ = await _credentials()
    try:
        outcome = await current_services().auth.sign_up(email=email, password=password)
        if isinstance(outcome, ConfirmationSent):
            return await page("account/check_mail.html")
        return await _welcome(outcome, act=Act.SIGN_UP, target=HOME)
    except ProblemError as fault:
        return await _again("account/sign_up.html", fault, email=email, target="")


@hide
@access(Access.PUBLIC)
@limited(READING)
async def show_sign_in() -> Response:
    """Show the form for signing in."""
    target = safe_path(request.args.get("next", ""))
    if (await current_viewer()).email:
        return see_other(target or HOME)
    return await page("account/sign_in.html", section="sign-in", form=FormView(values={"next": target}))


@hide
@access(Access.PUBLIC)
@limited(SIGNING_IN)
async def sign_in() -> Response:
    """Sign in and go where the customer was headed."""
    email, password, target = await _credentials()
    try:
        tokens = await current_services().auth.sign_in_with_password(email=email, password=password)
        return await _welcome(tokens, act=Act.SIGN_IN, target=target or HOME)
    except ProblemError as fault:
        return await _again("account/sign_in.html", fault, email=email, target=target)


@hide
@access(Access.PUBLIC)
@limited(READING)
async def sign_out() -> Response:
    """End this browser's session; signed out already is success."""
    services = current_services()
    https = services.settings.https
    cookie = session_cookie(request, https=https)
    if cookie is not None:
        await services.sessions.close(
            cookie, address=request.remote_addr or "", user_agent=request.headers.get("User-Agent", "")
        )
    response = see_other("/sign-in", done="signed-out")
    clear_session_cookie(response, https=https)
    return response


def safe_path(text: str) -> str:
    """Keep a path of this site to go to after signing in; anything else becomes nothing."""
    plain = text.isascii() and text.isprintable() and "\\" not in text and len(text) <= NEXT_LENGTH_MAX
    return text if plain and text.startswith("/") and not text.startswith("//") else ""


async def _credentials() -> tuple[str, str, str]:
    form = await request.form
    return form.get("email", "").strip(), form.get("password", ""), safe_path(form.get("next", ""))


async def _welcome(tokens: AuthTokens, *, act: Act, target: str) -> Response:
    services = current_services()
    https = services.settings.https
    opened = await services.sessions.open(
        tokens,
        act=act,
        address=request.remote_addr or "",
        user_agent=request.headers.get("User-Agent", ""),
        replacing=session_cookie(request, https=https),
    )
    response = see_other(target)
    set_session_cookie(response, opened.cookie, https=https)
    return response


async def _again(template: str, fault: ProblemError, *, email: str, target: str) -> Response:
    if isinstance(fault, AuthenticationRequiredError):
        raise fault
    form = FormView(values={"email": email, "next": target}, sentence=fault.detail)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if fault.status == HTTPStatus.BAD_REQUEST else fault.status
    return await page(template, status=status, section="sign-in", form=form)
