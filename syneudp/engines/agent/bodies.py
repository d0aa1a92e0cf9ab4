"""Reading what the control plane sent: every fault is found before any SQL runs."""

from typing import Final, TypeVar
from uuid import UUID

from pydantic import ValidationError
from quart import request

from syneudp.engines.agent.errors import EngineNotServedError
from syneudp.engines.contract import PAGE_LIMIT_MAX, Desired, Engine, State
from syneudp.engines.verifiers import SCHEMES, VerifierInvalidError, check_verifier
from syneudp.kernel.errors import FieldError, InvalidRequestError, MalformedRequestError, UnsupportedMediaTypeError
from syneudp.kernel.problems import field_errors

Body = TypeVar("Body", bound=Desired)

BODY_BYTES_MAX: Final = 16 * 1024
PAGE_LIMIT_DEFAULT: Final = 100
LIMIT_DIGITS_MAX: Final = 4


def parse_engine(text: str) -> Engine:
    """Read the engine's name in a path. Raises EngineNotServedError."""
    try:
        return Engine(text)
    except ValueError:
        raise EngineNotServedError from None


def parse_instance_id(text: str, *, pointer: str = "/instance_id") -> UUID:
    """Read an id in its canonical 36-character form. Raises InvalidRequestError."""
    try:
        parsed = UUID(text)
    except ValueError:
        parsed = None
    if parsed is None or str(parsed) != text.lower():
        raise InvalidRequestError(errors=[FieldError(pointer, "This is not a UUID.")])
    return parsed


async def read_desired(body_class: type[Body], *, engine: Engine, states: frozenset[State]) -> Body:
    """Read a desired state whose verifiers parse and whose state fits the verb.

    Raises UnsupportedMediaTypeError, MalformedRequestError and InvalidRequestError.
    """
    if request.mimetype != "application/json":
        raise UnsupportedMediaTypeError
    content = await request.get_data()
    try:
        desired = body_class.model_validate_json(content)
    except ValidationError as error:
        if any(fault["type"] == "json_invalid" for fault in error.errors(include_url=False, include_input=False)):
            raise MalformedRequestError from None
        raise InvalidRequestError(errors=field_errors(error)) from None
    errors = [*_verifier_faults(desired, engine)]
    if desired.state not in states:
        errors.append(FieldError("/state", "This verb does not lead to this state."))
    if errors:
        raise InvalidRequestError(errors=errors)
    return desired


def read_page() -> tuple[UUID | None, int]:
    """Read `cursor` and `limit` of a list. Raises InvalidRequestError."""
    cursor, limit = request.args.get("cursor"), request.args.get("limit", str(PAGE_LIMIT_DEFAULT))
    if not (limit.isascii() and limit.isdigit() and len(limit) <= LIMIT_DIGITS_MAX):
        raise InvalidRequestError(errors=[FieldError("/limit", "This is not a whole number.")])
    if not 1 <= int(limit) <= PAGE_LIMIT_MAX:
        raise InvalidRequestError(errors=[FieldError("/limit", f"This must be from 1 to {PAGE_LIMIT_MAX}.")])
    return None if cursor is None else parse_instance_id(cursor, pointer="/cursor"), int(limit)


def _verifier_faults(desired: Desired, engine: Engine) -> list[FieldError]:
    wanted = SCHEMES[engine]
    faults = [
        FieldError("/verifiers", f"The {scheme.value} verifier is missing.")
        for scheme in wanted
        if scheme not in desired.verifiers
    ]
    for scheme, verifier in desired.verifiers.items():
        if scheme not in wanted:
            faults.append(FieldError(f"/verifiers/{scheme.value}", "This engine does not know this scheme."))
            continue
        try:
            check_verifier(scheme, verifier)
        except VerifierInvalidError:
            faults.append(FieldError(f"/verifiers/{scheme.value}", "This is not a verifier of this scheme."))
    return faults
