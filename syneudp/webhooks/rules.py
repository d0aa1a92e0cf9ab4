"""Decisions about webhooks without input or output: secrets and signatures, URLs, and when to try again.

Source: the Standard Webhooks specification, 1.0.0: `webhook-id`, `webhook-timestamp` and `webhook-signature`, which is
`v1,` and base64 of HMAC-SHA256 over `id.timestamp.body`, one a secret, parted by spaces.
"""

import base64
import binascii
import hashlib
import hmac
import random
import re
import secrets
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final
from uuid import UUID

from yarl import URL

from syneudp.kernel.addresses import is_loopback, is_public
from syneudp.webhooks.errors import EndpointUrlInvalidError

WRITTEN_PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32
URL_LENGTH_MAX: Final = 2000
PORT_MAX: Final = 65_535
NUMERIC_NAME: Final = re.compile(r"(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)\.?$", re.IGNORECASE)
LOCAL_NAMES: Final = frozenset({"localhost"})
RETRY_AFTER_SECONDS: Final = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
ATTEMPTS_MAX: Final = len(RETRY_AFTER_SECONDS) + 1
JITTER: Final = 0.1
CHANCE: Final = random.SystemRandom()


def generate_key() -> bytes:
    """Make the bytes of a signing secret."""
    return secrets.token_bytes(SECRET_BYTES)


def write_secret(key: bytes) -> str:
    """Write a signing secret as its customer holds it."""
    return WRITTEN_PREFIX + base64.b64encode(key).decode()


def read_secret(secret: str) -> bytes:
    """Read a signing secret. Raises ValueError."""
    if not secret.startswith(WRITTEN_PREFIX):
        raise ValueError("a signing secret begins with whsec_")
    try:
        return base64.b64decode(secret.removeprefix(WRITTEN_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("a signing secret is base64") from None


def wire_id(message_id: UUID) -> str:
    """Write a message's id, the same at each attempt, so that a receiver can tell a repetition."""
    return f"msg_{message_id.hex}"


def signature(keys: Sequence[bytes], message: str, sent_at: int, body: str) -> str:
    """Sign a message, named as on the wire, with each secret that counts."""
    signed = f"{message}.{sent_at}.{body}".encode()
    return " ".join("v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys)


def retry_after(attempts: int) -> int | None:
    """Say how many seconds after the given attempt (1 is the first) the next one comes; None after the last.

    5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h and 24 h, each up to a tenth more or less: ten attempts in about
    three days.
    """
    if attempts >= ATTEMPTS_MAX:
        return None
    seconds = RETRY_AFTER_SECONDS[attempts - 1]
    return round(seconds * CHANCE.uniform(1 - JITTER, 1 + JITTER))


def check_url(text: str, *, local: bool) -> URL:
    """Let pass a URL that may be an endpoint; whether its host may be reached is for its addresses to say.

    https alone; in the local environment also http to this very machine. Read with the parser that the sender uses.
    Raises EndpointUrlInvalidError.
    """
    if len(text) > URL_LENGTH_MAX or not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        raise EndpointUrlInvalidError
    try:
        url = URL(text)
        host, port = url.host, url.port
    except ValueError:
        raise EndpointUrlInvalidError from None
    schemes = {"https", "http"} if local and host and is_this_machine(host) else {"https"}
    if url.scheme not in schemes or not host or not port or not 0 < port <= PORT_MAX:
        raise EndpointUrlInvalidError
    if not _is_literal(host) and NUMERIC_NAME.search(host):
        raise EndpointUrlInvalidError
    if url.user is not None or url.password is not None or "#" in text or "@" in url.authority:
        raise EndpointUrlInvalidError
    return url


def is_this_machine(host: str) -> bool:
    """Tell whether a host is named as this very machine."""
    return host.lower() in LOCAL_NAMES or is_loopback(host)


def is_allowed(address: str, *, local: bool) -> bool:
    """Tell whether something may be sent to an address: a public one or, in the local environment, loopback."""
    return is_public(address) or (local and is_loopback(address))


def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
