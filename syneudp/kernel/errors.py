"""What can go wrong and how it is told: every refusal carries its HTTP status, a stable code and a sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault in a request: a JSON Pointer (RFC 6901) to the place and a sentence about it."""

    pointer: str
    detail: str


class ProblemError(Exception):
    """A refusal that a caller may see, rendered as RFC 9457 problem details.

    Subclasses set `status` (HTTP), `code` (stable, snake case), `title` and `sentence`, the detail used when none is
    given. A detail never repeats what the caller sent and never carries an address or a secret.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal error"
    sentence: ClassVar[str] = "Something went wrong on our side. Nothing you sent was lost; please try again."

    def __init__(
        self,
        detail: str | None = None,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        extensions: Mapping[str, object] | None = None,
    ) -> None:
        self.detail = detail or self.sentence
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.extensions = dict(extensions or {})
        super().__init__(self.detail)


class InvalidRequestError(ProblemError):
    """The request was understood and its content is not acceptable (RFC 9110, 422)."""

    status = 422
    code = "invalid_request"
    title = "Invalid request"
    sentence = "The request has faults; each is listed with its place."


class MalformedRequestError(ProblemError):
    """The request could not be read at all (RFC 9110, 400)."""

    status = 400
    code = "malformed_request"
    title = "Malformed request"
    sentence = "The request body could not be read as JSON."


class UnsupportedMediaTypeError(ProblemError):
    """The body is not JSON (RFC 9110, 415)."""

    status = 415
    code = "unsupported_media_type"
    title = "Unsupported media type"
    sentence = "Send the body as application/json."
