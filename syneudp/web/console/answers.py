"""How the console answers: pages, fragments, redirects; who looks and how they write numbers."""

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any, Final, cast

from quart import Response, current_app, request

from syneudp.web.access import identify_visitor
from syneudp.web.console.banners import banners_of
from syneudp.web.console.figures import Figures, figures_for
from syneudp.web.console.pages import Pages
from syneudp.web.console.views import BannerView, Notice, Tone, Viewer
from syneudp.web.services import current_services

PAGES_KEY: Final = "syneudp-console-pages"
HTML: Final = "text/html; charset=utf-8"
NOTICES: Final = {
    "signed-out": Notice("You are signed out."),
    "topped-up": Notice("The money is in your wallet."),
    "resumed-by-top-up": Notice("The money is in your wallet, and what had stopped for want of it runs again."),
    "limit-set": Notice("The month's spending limit is set."),
    "limit-reached": Notice(
        "The month's spending limit is set, and more was spent already: what ran stops.", Tone.HALT
    ),
    "limit-removed": Notice("There is no spending limit any more."),
    "deleted": Notice("The database is deleted."),
    "deleting": Notice("The database is being deleted. It costs nothing any more.", Tone.WAIT),
    "suspending": Notice("The suspension is on its way. It costs nothing any more.", Tone.WAIT),
    "plan-changed": Notice("The database is on its new plan."),
    "plan-changing": Notice("The new price counts. The new limits are on their way.", Tone.WAIT),
    "resumed": Notice("Running again."),
    "resuming": Notice("It is being resumed. Metering begins once it runs.", Tone.WAIT),
    "rotated": Notice("The new password is in force and the old one is refused. Reveal it below."),
    "rotated-kept": Notice("The new password is in force. The old one works too, until the time you chose is over."),
    "webhook-test": Notice("A test message is on its way. Reload in a moment to see how it went.", Tone.WAIT),
    "webhook-enabled": Notice("The endpoint is switched on. What happens from now on is sent to it."),
    "webhook-removed": Notice("The endpoint is removed."),
    "rotating": Notice("The new password is on its way. Reveal it in a moment.", Tone.WAIT),
}


def current_pages() -> Pages:
    """Hand out the templates of the app that answers the present request."""
    return cast("Pages", current_app.extensions[PAGES_KEY])


def current_figures() -> Figures:
    """Choose how the present reader sees numbers."""
    accepted = request.headers.get("Accept-Language", "")
    return figures_for(accepted, currency=current_services().settings.currency)


def is_fragment_request() -> bool:
    """Tell whether a script on one of our pages asks for a piece of a page."""
    return request.headers.get("HX-Request") == "true"


async def current_viewer() -> Viewer:
    """Tell who looks at the page, on public pages too."""
    customer = await identify_visitor()
    return Viewer(email=customer.user.email if customer else None)


def current_notice() -> Notice | None:
    """Take the sentence that the last request's outcome is told with; anything unknown says nothing."""
    return NOTICES.get(request.args.get("done", ""))


async def current_banners() -> tuple[BannerView, ...]:
    """Look at what a signed-in reader is to be told on every page."""
    customer = await identify_visitor()
    if customer is None:
        return ()
    return await banners_of(customer, retention_seconds=current_services().retention_seconds)


async def page(template: str, *, status: int = HTTPStatus.OK, **values: Any) -> Response:
    """Answer with a whole page, kept by nobody."""
    viewer = values.pop("viewer", None) or await current_viewer()
    values.setdefault("notice", current_notice())
    if "banners" not in values:
        values["banners"] = await current_banners()
    text = current_pages().write(template, figures=current_figures(), viewer=viewer, **values)
    return _html(text, status)


def fragment(template: str, *, status: int = HTTPStatus.OK, **values: Any) -> Response:
    """Answer with a piece of a page, kept by nobody."""
    return _html(current_writer()(template, **values), status)


def current_writer() -> Callable[..., str]:
    """Hand out a writer of pieces of pages that goes on working once the request is over, as a stream needs."""
    return partial(current_pages().write, figures=current_figures(), viewer=Viewer())


def see_other(path: str, *, done: str | None = None) -> Response:
    """Send the browser on with GET (RFC 9110, 303), so that a reload repeats nothing."""
    location = path if done is None else f"{path}?done={done}"
    return Response(status=HTTPStatus.SEE_OTHER, headers={"Location": location, "Cache-Control": "no-store"})


def _html(text: str, status: int) -> Response:
    return Response(text, status=status, content_type=HTML, headers={"Cache-Control": "no-store", "Vary": "HX-Request"})
