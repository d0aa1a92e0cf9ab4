"""One handler for everything that goes wrong: RFC 9457 problem details, never an echo of what the caller sent."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import structlog
from pydantic import ValidationError
from quart import Quart, Response, g, request
from quart_schema import RequestSchemaValidationError, ResponseSchemaValidationError
from werkzeug.exceptions import HTTPException

from syneudp.kernel.errors import (
    FieldError,
    InvalidRequestError,
    MalformedRequestError,
    ProblemError,
    UnsupportedMediaTypeError,
)
from syneudp.kernel.identifiers import new_id
from syneudp.kernel.logging import log

PROBLEM_TYPE_BASE: Final = "https://syneudp.dev/problems/"
MEDIA_TYPE: Final = "application/problem+json"
SENTENCES: Final = {
    400: "The request could not be read.",
    401: "Sign in, or send a valid token.",
    403: "This is not allowed.",
    404: "There is nothing here.",
    405: "This method is not offered here.",
    408: "The request took too long to arrive.",
    413: "The request is too large.",
    415: "Send the body as application/json.",
    429: "Too many requests; wait a moment and try again.",
}
CODES: Final = {
    400: "malformed_request",
    413: "request_too_large",
    415: "unsupported_media_type",
    429: "rate_limited",
}
UNKNOWN_FIELD: Final = "extra_forbidden"
PHRASED_BY_SCHEMA: Final = frozenset(
    {
        "bool_type",
        "dict_type",
        "enum",
        "greater_than",
        "greater_than_equal",
        "int_parsing",
        "int_type",
        "less_than",
        "less_than_equal",
        "literal_error",
        "missing",
        "model_type",
        "string_pattern_mismatch",
        "string_too_long",
        "string_too_short",
        "string_type",
    }
)


@dataclass(frozen=True, slots=True)
class Problem:
    """Problem details as RFC 9457 has them, with the members that this platform adds."""

    status: int
    code: str
    title: str
    detail: str
    request_id: str
    errors: tuple[FieldError, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    extensions: dict[str, object] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """Lay the members out for JSON."""
        told: dict[str, Any] = {
            **self.extensions,
            "type": PROBLEM_TYPE_BASE + self.code,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "request_id": self.request_id,
        }
        if self.errors:
            told["errors"] = [{"pointer": fault.pointer, "detail": fault.detail} for fault in self.errors]
        return told


Render = Callable[[Problem], Awaitable[Response | None]]


def request_id() -> str:
    """Tell this request's id, the same in the answer, the log and every problem."""
    if "request_id" not in g:
        g.request_id = str(new_id())
    return str(g.request_id)


def install_problems(app: Quart, *, render: Render | None = None) -> None:
    """Give an app its request ids and its one error handler; `render` may answer with a page instead of JSON."""

    async def answer(problem: Problem) -> Response:
        page = await render(problem) if render is not None else None
        response = page if page is not None else problem_response(problem)
        response.headers.update(problem.headers)
        return response

    @app.before_request
    async def name_request() -> None:
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id())

    @app.after_request
    async def tell_request_id(response: Response) -> Response:
        response.headers["X-Request-Id"] = request_id()
        return response

    @app.errorhandler(ProblemError)
    async def refused(error: ProblemError) -> Response:
        return await answer(problem_of(error))

    @app.errorhandler(RequestSchemaValidationError)
    async def faulty(error: RequestSchemaValidationError) -> Response:
        return await answer(problem_of(schema_fault(error)))

    @app.errorhandler(HTTPException)
    async def declined(error: HTTPException) -> Response:
        return await answer(http_problem(error))

    @app.errorhandler(Exception)
    async def failed(error: Exception) -> Response:
        log.error("request_failed", method=request.method, path=request.path, exc_info=error)
        return await answer(problem_of(ProblemError()))

    @app.errorhandler(ResponseSchemaValidationError)
    async def contradicted(error: ResponseSchemaValidationError) -> Response:
        log.error("answer_breaks_its_schema", path=request.path, exc_info=error)
        return await answer(problem_of(ProblemError()))


def problem_response(problem: Problem) -> Response:
    """Render problem details as JSON."""
    response = Response(dump_json(problem.body()), status=problem.status, content_type=MEDIA_TYPE)
    response.headers["Cache-Control"] = "no-store"
    return response


def dump_json(told: object) -> str:
    """Write JSON the way every answer does."""
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False, default=str)


def problem_of(error: ProblemError) -> Problem:
    """Turn a refusal into problem details."""
    return Problem(
        status=error.status,
        code=error.code,
        title=error.title,
        detail=error.detail,
        request_id=request_id(),
        errors=error.errors,
        headers=error.headers,
        extensions=error.extensions,
    )


def http_problem(error: HTTPException) -> Problem:
    """Turn an exception of the framework into problem details, dropping its own text."""
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    title = HTTPStatus(status).phrase
    kept = {name: text for name, text in error.get_headers() if name.lower() in {"allow", "retry-after"}}
    return Problem(
        status=status,
        code=CODES.get(status, title.lower().replace(" ", "_").replace("-", "_")),
        title=title.capitalize(),
        detail=SENTENCES.get(status, ProblemError.sentence),
        request_id=request_id(),
        headers=kept,
    )


def schema_fault(error: RequestSchemaValidationError) -> ProblemError:
    """Tell what a request's schema did not accept: a pointer and a sentence for each fault, never the value."""
    if request.content_type and not request.is_json:
        return UnsupportedMediaTypeError()
    cause = error.validation_error
    if isinstance(cause, ValidationError):
        return InvalidRequestError(errors=field_errors(cause))
    return MalformedRequestError()


def field_errors(error: ValidationError) -> tuple[FieldError, ...]:
    """List a pydantic error's faults as JSON Pointers (RFC 6901) and sentences, without the input.

    An unknown field is told at its parent, since its name is the caller's own text, and a message passes only where it
    is made of the schema alone.
    """
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    told = (FieldError(pointer=_pointer(fault), detail=_sentence(fault)) for fault in faults)
    return tuple(dict.fromkeys(told))


def _pointer(fault: Any) -> str:
    location = fault["loc"][:-1] if fault["type"] == UNKNOWN_FIELD else fault["loc"]
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def _sentence(fault: Any) -> str:
    if fault["type"] == UNKNOWN_FIELD:
        return "There is a field here that is not known."
    if fault["type"] in {"value_error", "assertion_error"}:
        return str(fault["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return f"{fault['msg']}." if fault["type"] in PHRASED_BY_SCHEMA else "This value is not allowed here."
