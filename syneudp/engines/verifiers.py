"""Password verifiers in each engine's own form, so that no plaintext password travels to an agent or an engine."""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import string
from collections.abc import Callable
from typing import Final

from syneudp.engines.contract import Engine, Scheme

PASSWORD_ALPHABET: Final = string.ascii_letters + string.digits
PASSWORD_CHARACTERS: Final = 28
SCRAM_ITERATIONS: Final = 4096
SCRAM_SALT_BYTES: Final = 16
SHA256_BYTES: Final = 32
CRYPT_ALPHABET: Final = "./" + string.digits + string.ascii_uppercase + string.ascii_lowercase
CACHING_SHA2_PREFIX: Final = "$A$005$"
CACHING_SHA2_ROUNDS: Final = 5000
CACHING_SHA2_SALT_CHARACTERS: Final = 20
CRYPT_CYCLE: Final = 42

SCHEMES: Final = {
    Engine.POSTGRESQL: (Scheme.SCRAM_SHA_256,),
    Engine.MYSQL: (Scheme.CACHING_SHA2_PASSWORD, Scheme.MYSQL_NATIVE_PASSWORD),
}
SCRAM_PATTERN: Final = re.compile(r"SCRAM-SHA-256\$4096:([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)")
CACHING_SHA2_PATTERN: Final = re.compile(r"\$A\$005\$[./0-9A-Za-z]{20}[./0-9A-Za-z]{42}[./0-9A-D]")
MYSQL_NATIVE_PATTERN: Final = re.compile(r"\*[0-9A-F]{40}")


class VerifierInvalidError(ValueError):
    """The text is no verifier of its scheme. The text itself is never repeated."""

    def __init__(self, scheme: Scheme) -> None:
        super().__init__(f"not a {scheme.value} verifier")


def generate_password() -> str:
    """Choose a password of 28 letters and digits: 166 random bits, unchanged by SASLprep and by URL quoting."""
    return "".join(secrets.choice(PASSWORD_ALPHABET) for _ in range(PASSWORD_CHARACTERS))


def verifiers_for(engine: Engine, password: str) -> dict[Scheme, str]:
    """Compute every verifier the engine's servers may ask for, each with a salt of its own.

    Raises ValueError for a password outside printable ASCII: only there is SASLprep (RFC 4013) the identity.
    """
    if not password or not all(" " <= character <= "~" for character in password):
        raise ValueError("a password must be printable ASCII")
    makers: dict[Scheme, Callable[[str], str]] = {
        Scheme.SCRAM_SHA_256: scram_sha_256,
        Scheme.CACHING_SHA2_PASSWORD: caching_sha2_password,
        Scheme.MYSQL_NATIVE_PASSWORD: mysql_native_password,
    }
    return {scheme: makers[scheme](password) for scheme in SCHEMES[engine]}


def check_verifier(scheme: Scheme, text: str) -> None:
    """Accept exactly what this module writes. Raises VerifierInvalidError."""
    accepted: dict[Scheme, Callable[[str], bool]] = {
        Scheme.SCRAM_SHA_256: _is_scram_sha_256,
        Scheme.CACHING_SHA2_PASSWORD: lambda value: CACHING_SHA2_PATTERN.fullmatch(value) is not None,
        Scheme.MYSQL_NATIVE_PASSWORD: lambda value: MYSQL_NATIVE_PATTERN.fullmatch(value) is not None,
    }
    if not accepted[scheme](text):
        raise VerifierInvalidError(scheme)


def scram_sha_256(password: str, *, salt: bytes | None = None) -> str:
    """Write PostgreSQL's stored form of RFC 5802 and RFC 7677: `SCRAM-SHA-256$4096:salt$StoredKey:ServerKey`."""
    chosen = secrets.token_bytes(SCRAM_SALT_BYTES) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), chosen, SCRAM_ITERATIONS)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    parts = [base64.b64encode(part).decode("ascii") for part in (chosen, stored_key, server_key)]
    return f"SCRAM-SHA-256${SCRAM_ITERATIONS}:{parts[0]}${parts[1]}:{parts[2]}"


def caching_sha2_password(password: str, *, salt: str | None = None) -> str:
    """Write MySQL's stored form `$A$005$` + 20 salt characters + SHA-256-crypt digest at 5000 rounds, 70 characters.

    MySQL takes any salt byte; letters and digits keep the text printable and free of NUL, `$` and quotes.
    """
    chosen = salt or "".join(secrets.choice(PASSWORD_ALPHABET) for _ in range(CACHING_SHA2_SALT_CHARACTERS))
    return CACHING_SHA2_PREFIX + chosen + sha256_crypt(password, chosen, rounds=CACHING_SHA2_ROUNDS)


def mysql_native_password(password: str) -> str:
    """Write MariaDB's and old MySQL's stored form: `*` and upper-case hex of SHA1(SHA1(password))."""
    inner = hashlib.sha1(password.encode("ascii"), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(inner, usedforsecurity=False).hexdigest().upper()


def sha256_crypt(password: str, salt: str, *, rounds: int) -> str:
    """Compute the 43-character digest of U. Drepper's SHA-crypt (SHA-256), with a salt of any length."""
    key, salted = password.encode("ascii"), salt.encode("ascii")
    other = hashlib.sha256(key + salted + key).digest()
    first = hashlib.sha256(key + salted + _stretch(other, len(key)))
    bits = len(key)
    while bits:
        first.update(other if bits & 1 else key)
        bits >>= 1
    digest = first.digest()
    key_bytes = _stretch(hashlib.sha256(key * len(key)).digest(), len(key))
    salt_bytes = _stretch(hashlib.sha256(salted * (16 + digest[0])).digest(), len(salted))
    before, after = zip(*(_around(number, key_bytes, salt_bytes) for number in range(CRYPT_CYCLE)), strict=True)
    for number in range(rounds):
        place = number % CRYPT_CYCLE
        digest = hashlib.sha256(before[place] + digest + after[place]).digest()
    return _crypt_text(digest)


def _around(number: int, key: bytes, salt: bytes) -> tuple[bytes, bytes]:
    """Write what a round hashes before and after the digest of the last one; it repeats every CRYPT_CYCLE rounds."""
    between = (salt if number % 3 else b"") + (key if number % 7 else b"")
    return (key + between, b"") if number % 2 else (b"", between + key)


def _stretch(block: bytes, length: int) -> bytes:
    return (block * (length // len(block) + 1))[:length]


def _crypt_text(digest: bytes) -> str:
    order = [(index, (index + 10) % 30, (index + 20) % 30) for index in (0, 21, 12, 3, 24, 15, 6, 27, 18, 9)]
    groups = [(digest[high] << 16 | digest[middle] << 8 | digest[low], 4) for high, middle, low in order]
    groups.append((digest[31] << 8 | digest[30], 3))
    return "".join(CRYPT_ALPHABET[value >> 6 * place & 63] for value, count in groups for place in range(count))


def _is_scram_sha_256(text: str) -> bool:
    found = SCRAM_PATTERN.fullmatch(text)
    if found is None:
        return False
    lengths = (SCRAM_SALT_BYTES, SHA256_BYTES, SHA256_BYTES)
    return all(_is_base64_of(part, length) for part, length in zip(found.groups(), lengths, strict=True))


def _is_base64_of(text: str, length: int) -> bool:
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error:
        return False
    return len(raw) == length and base64.b64encode(raw).decode("ascii") == text
