"""What callers send to the local auth server, read with care: nothing of it is trusted and nothing is echoed."""

import json
import re
from typing import Any, Final

from quart import request

from syneudp.identity.local_auth.answers import LocalAuthError

EMAIL_LENGTH_MAX: Final = 254
EMAIL_SHAPE: Final = re.compile(
    r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@"
    r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*"
)
PASSWORD_LENGTH_MIN: Final = 8
PASSWORD_LENGTH_MAX: Final = 72
METADATA_CHARACTERS_MAX: Final = 2_048


async def read_form() -> dict[str, Any]:
    """Read the body as a JSON object. Raises LocalAuthError 400 bad_json."""
    try:
        form = json.loads(await request.get_data(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as fault:
        raise LocalAuthError(400, "bad_json", "Could not parse request body as JSON") from fault
    if not isinstance(form, dict):
        raise LocalAuthError(400, "bad_json", "Could not parse request body as JSON")
    return form


def read_text(form: dict[str, Any], name: str) -> str:
    """Read a member that is text or absent. Raises LocalAuthError 400 bad_json for any other kind."""
    text = form.get(name, "")
    if not isinstance(text, str):
        raise LocalAuthError(400, "bad_json", "Could not parse request body as JSON")
    return text


def fold_email(text: str) -> str | None:
    """Bring an address to the form it is kept in, or None for what is none (the pattern of HTML's email input)."""
    folded = text.strip().lower() if text.isascii() and len(text) <= EMAIL_LENGTH_MAX else ""
    return folded if EMAIL_SHAPE.fullmatch(folded) else None


def check_email(text: str) -> str:
    """Fold an address. Raises LocalAuthError 400 validation_failed."""
    email = fold_email(text)
    if email is None:
        raise LocalAuthError(400, "validation_failed", "Unable to validate email address: invalid format")
    return email


def check_new_password(password: str) -> str:
    """Refuse a password that is absent, shorter than 8 or longer than 72 characters (Supabase Auth's own bounds)."""
    if not password:
        raise LocalAuthError(400, "validation_failed", "Signup requires a valid password")
    if len(password) < PASSWORD_LENGTH_MIN:
        message = f"Password should be at least {PASSWORD_LENGTH_MIN} characters."
        raise LocalAuthError(422, "weak_password", message, weak_reasons=("length",))
    if len(password) > PASSWORD_LENGTH_MAX:
        message = f"Password cannot be longer than {PASSWORD_LENGTH_MAX} characters"
        raise LocalAuthError(422, "weak_password", message, weak_reasons=("length",))
    return password


def read_metadata(form: dict[str, Any], known: dict[str, Any]) -> dict[str, Any] | None:
    """Merge `data` into the user's own metadata, a member set to null going away; None where `data` is absent.

    Kept under 2048 characters, since it travels in every access token. Raises LocalAuthError 400 validation_failed.
    """
    data = form.get("data")
    if data is None:
        return None
    if isinstance(data, dict):
        merged = {name: told for name, told in {**known, **data}.items() if told is not None}
        if len(json.dumps(merged)) <= METADATA_CHARACTERS_MAX:
            return merged
    raise LocalAuthError(400, "validation_failed", "data must be an object of moderate size")


def _refuse_constant(name: str) -> None:
    raise ValueError(name)
