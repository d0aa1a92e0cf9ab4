"""Reading a body as JSON, and nothing that merely looks like it."""

import json
from typing import Any, NoReturn

from quart import Request

from syneudp.kernel.errors import MalformedRequestError, UnsupportedMediaTypeError

JSON_MEDIA_TYPE = "application/json"
EVENT_BYTES_MAX = 512 * 1024
EVENT_PATHS = frozenset({"/api/v1/webhooks/stripe"})


class StrictRequest(Request):
    """A request whose JSON body is of media type `application/json` and in UTF-8, or is refused.

    Where a provider sends its events, a body may be larger than elsewhere.
    """

    def __init__(self, method: str, scheme: str, path: str, *told: Any, **named: Any) -> None:
        if path in EVENT_PATHS:
            named["max_content_length"] = EVENT_BYTES_MAX
        super().__init__(method, scheme, path, *told, **named)

    async def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """Read the body; raise UnsupportedMediaTypeError (415) or MalformedRequestError (400)."""
        if not force and self.mimetype != JSON_MEDIA_TYPE:
            if silent:
                return None
            raise UnsupportedMediaTypeError
        return parse_json(await self.get_data(cache, as_text=False, parse_form_data=False))


def parse_json(body: bytes) -> Any:
    """Parse RFC 8259 JSON: no NaN, no repeated name, no nesting or number that Python's parser gives up on.

    Raises MalformedRequestError, which holds nothing of the body.
    """
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse, object_pairs_hook=_distinct)
    except (ValueError, RecursionError):
        raise MalformedRequestError from None


def _refuse(_: str) -> NoReturn:
    raise MalformedRequestError


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise MalformedRequestError
    return names
