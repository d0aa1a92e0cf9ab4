"""What several calls read from a request besides its schema."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Final, TypeVar

from pydantic import ValidationError
from quart import current_app, request
from quart_schema import RequestSchemaValidationError, validate_request

from syneudp.web.api.values import Asked, Nothing

Answer = TypeVar("Answer")
Body = TypeVar("Body", bound=Asked)

REPLAYED_HEADER: Final = "Idempotency-Replayed"
BODILESS_ATTRIBUTE: Final = "_syneudp_bodiless"


def bodiless(view: Callable[..., Awaitable[Answer]]) -> Callable[..., Awaitable[Answer]]:
    """Declare that a call takes no fields: its body is absent or `{}`, and anything else is refused."""

    @wraps(view)
    async def checked(*arguments: Any, **named: Any) -> Answer:
        body = await request.get_data(cache=True, as_text=False)
        if body.strip():
            try:
                Nothing.model_validate(await request.get_json())
            except ValidationError as fault:
                raise RequestSchemaValidationError(fault) from None
        answer: Answer = await current_app.ensure_async(view)(*arguments, **named)
        return answer

    setattr(checked, BODILESS_ATTRIBUTE, True)
    return checked


def optional_body(model: type[Body]) -> Callable[[Callable[..., Awaitable[Any]]], Callable[..., Awaitable[Any]]]:
    """Declare that a call takes a body whose every field has a default, and that it may be left out."""

    def declare(view: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        validated = validate_request(model)(view)

        @wraps(validated)
        async def checked(*arguments: Any, **named: Any) -> Any:
            body = await request.get_data(cache=True, as_text=False)
            if not body.strip():
                return await current_app.ensure_async(view)(*arguments, data=model(), **named)
            return await validated(*arguments, **named)

        return checked

    return declare


def replay_headers(*, replayed: bool) -> dict[str, str]:
    """Say that an answer repeats the first outcome of its key."""
    return {REPLAYED_HEADER: "true"} if replayed else {}
