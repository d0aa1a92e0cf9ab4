"""How values are written on the wire: identifiers, instants, lists, keys."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from syneudp.kernel import clock
from syneudp.kernel.errors import FieldError, InvalidRequestError

PAGE_DEFAULT: Final = 50
PAGE_MAX: Final = 100
KEY_PATTERN: Final = "^[\\x21-\\x7e](?:[\\x20-\\x7e]{0,253}[\\x21-\\x7e])?$"
NUMBER_CURSOR: Final = re.compile(r"[0-9a-f]{15}")
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
UNKNOWN_CURSOR: Final = "This cursor is not one of ours."
RFC3339: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})")

Instant = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Micros = Annotated[int, Field(description="Millionths of the currency unit.")]
TempBytes = Annotated[int, Field(description="What temporary files may take together; 0: no limit.")]
StatementSeconds = Annotated[int, Field(description="How long one statement may run; 0: no limit.")]
IdleTransactionSeconds = Annotated[int, Field(description="How long a transaction may stand idle; 0: no limit.")]
MemoryBytes = Annotated[int, Field(description="What one session may ask for a sort or a join; 0: no limit.")]


class Asked(BaseModel):
    """What a caller sends: exactly these fields, in exactly these types."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Told(BaseModel):
    """What a caller is told."""

    model_config = ConfigDict(frozen=True)


class Nothing(Asked):
    """An act that takes no fields; the body is absent or `{}`."""


class PageQuery(Asked):
    """Which part of a list."""

    limit: int = Field(PAGE_DEFAULT, ge=1, le=PAGE_MAX)
    cursor: str | None = Field(None, description="`next_cursor` of the page before.", max_length=128)


class KeyHeaders(BaseModel):
    """The header that makes a retry safe (draft-ietf-httpapi-idempotency-key-header)."""

    idempotency_key: str | None = Field(
        None, pattern=KEY_PATTERN, description="1 to 255 printable characters; the same key gives the first outcome."
    )


def written(epoch_seconds: int) -> Instant:
    """Write an instant."""
    return clock.rfc3339(epoch_seconds)


def written_if(epoch_seconds: int | None) -> Instant | None:
    """Write an instant, or None for none."""
    return None if epoch_seconds is None else clock.rfc3339(epoch_seconds)


def read_cursor(cursor: str | None) -> UUID | None:
    """Read a cursor that is an identifier. Raises InvalidRequestError (422)."""
    if cursor is None:
        return None
    try:
        return UUID(hex=cursor)
    except ValueError:
        raise InvalidRequestError(errors=[FieldError("/cursor", UNKNOWN_CURSOR)]) from None


def read_number_cursor(cursor: str | None) -> int | None:
    """Read a cursor that is a sequence number. Raises InvalidRequestError (422)."""
    if cursor is None:
        return None
    if not NUMBER_CURSOR.fullmatch(cursor):
        raise InvalidRequestError(errors=[FieldError("/cursor", UNKNOWN_CURSOR)])
    return int(cursor, 16)


def write_number_cursor(cursor: int | None) -> str | None:
    """Write a cursor that is a sequence number."""
    return None if cursor is None else f"{cursor:015x}"


def write_cursor(cursor: UUID | None) -> str | None:
    """Write a cursor that is an identifier."""
    return None if cursor is None else cursor.hex


def _only_rfc3339(told: Any) -> Any:
    if isinstance(told, datetime) or (isinstance(told, str) and RFC3339.fullmatch(told)):
        return told
    raise ValueError("Write an instant as RFC 3339, such as 2026-01-31T12:00:00Z.")


def _within_reason(told: datetime) -> datetime:
    if not EARLIEST <= told < LATEST:
        raise ValueError("Ask for an instant between the years 2000 and 2200.")
    return told


AskedInstant = Annotated[AwareDatetime, BeforeValidator(_only_rfc3339), AfterValidator(_within_reason)]
