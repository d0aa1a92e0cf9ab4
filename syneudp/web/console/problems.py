"""What goes wrong, as pages that say what to do next."""

from http import HTTPStatus
from typing import Final

from quart import Response, request

from syneudp.kernel.errors import ProblemError
from syneudp.kernel.problems import Problem
from syneudp.web.console.answers import current_viewer, fragment, is_fragment_request, page, see_other
from syneudp.web.console.streams import MEDIA_TYPE
from syneudp.web.console.views import Viewer

TITLES: Final = {
    400: ("That request made no sense", "Go back and try it again."),
    403: ("That is not allowed", "Open the page here and try it from there."),
    404: ("There is nothing here", "The address may be mistyped, or what was here is gone."),
    405: ("That cannot be done here", "Go back and use the buttons of the page."),
    409: ("That does not work just now", "Look at its present state, then decide."),
    413: ("That was too much at once", "Send less and try again."),
    429: ("Too many requests", "Wait a minute, then go on. Nothing you have is affected."),
    500: ("Something broke on our side", "It has been recorded. Try again in a moment."),
    503: ("Not available right now", "Nothing was changed by it. Try again in a minute."),
}
SECTIONS: Final = ("/databases", "/wallet", "/alerts", "/webhooks")
NO_STREAM_WITHOUT: Final = frozenset({"GET", "HEAD"})


async def render_problem(problem: Problem) -> Response | None:
    """Answer a problem as a page, as a piece of one to a page's own script, or send a visitor to sign in.

    None leaves it JSON, for streams and for callers that want no HTML.
    """
    if MEDIA_TYPE in request.headers.get("Accept", "") and request.path.endswith("/stream"):
        return None
    if problem.status == HTTPStatus.UNAUTHORIZED:
        return _to_sign_in()
    if is_fragment_request():
        return fragment("problem_piece.html", status=problem.status, sentence=problem.detail)
    title, remedy = TITLES.get(problem.status, (problem.title, "Go back and try again."))
    again = request.method in NO_STREAM_WITHOUT and problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    viewer = await _viewer(problem)
    return await page(
        "problem.html",
        status=problem.status,
        viewer=viewer,
        number=problem.status,
        notice=None,
        banners=(),
        title=title,
        sentence="" if problem.detail.rstrip(".") == title else problem.detail,
        remedy=remedy,
        action="Try again" if again else "Your databases" if viewer.email else "Start page",
        action_href=request.path if again else "/databases" if viewer.email else "/",
        request_id=problem.request_id,
    )


async def _viewer(problem: Problem) -> Viewer:
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Viewer()
    try:
        return await current_viewer()
    except ProblemError:
        return Viewer()


def _to_sign_in() -> Response:
    target = request.path if request.method in NO_STREAM_WITHOUT else ""
    location = f"/sign-in?next={target}" if target.startswith(SECTIONS) else "/sign-in"
    if is_fragment_request():
        return Response(status=HTTPStatus.UNAUTHORIZED, headers={"HX-Redirect": location, "Cache-Control": "no-store"})
    return see_other(location)
