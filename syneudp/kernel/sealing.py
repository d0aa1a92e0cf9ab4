"""Sealing at rest: AES-256-GCM (NIST SP 800-38D) under a random key per record, wrapped by a key with an id."""

import base64
import binascii
import json
import os
from collections.abc import Mapping
from typing import Final, Self
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FORMAT: Final = b"\x01"
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
WRAPPED_BYTES: Final = NONCE_BYTES + KEY_BYTES + TAG_BYTES
KEY_ID_LENGTH_MAX: Final = 32


class SealBrokenError(Exception):
    """A sealed value was altered, moved to another record or field, or sealed with a key not held here."""


class Keyring:
    """The key-encryption keys of `SYNEUDP_SEALING_KEYS`: the first one writes, all of them read."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        if not keys:
            raise ValueError("at least one sealing key is needed")
        self._keys = dict(keys)
        self._writing = next(iter(keys))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `kid:base64(32 bytes)[,kid:…]`. Raises ValueError with a sentence that shows no key."""
        keys: dict[str, bytes] = {}
        for part in text.split(","):
            key_id, separator, encoded = part.strip().partition(":")
            if not separator or not key_id.isalnum() or len(key_id) > KEY_ID_LENGTH_MAX or not key_id.isascii():
                raise ValueError("each sealing key is written kid:base64, the kid in letters and digits")
            try:
                key = base64.b64decode(encoded, validate=True)
            except binascii.Error as fault:
                raise ValueError(f"sealing key {key_id} is not base64") from fault
            if len(key) != KEY_BYTES:
                raise ValueError(f"sealing key {key_id} must be 32 bytes")
            if key_id in keys:
                raise ValueError(f"sealing key {key_id} stands twice")
            keys[key_id] = key
        return cls(keys)

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The ids of the keys held, the writing one first."""
        return tuple(self._keys)

    def writing_with(self, key_id: str) -> Self:
        """Return the same keys with another one of them writing. Raises KeyError for one that is not held."""
        return type(self)({key_id: self._keys[key_id], **self._keys})

    def seal(self, plaintext: bytes, *, record: UUID, field: str) -> bytes:
        """Encrypt a value so that it opens only for the same record and field."""
        bound = _associated_data(record, field, self._writing)
        record_key = AESGCM.generate_key(bit_length=KEY_BYTES * 8)
        wrapped = _encrypt(self._keys[self._writing], record_key, bound)
        return sealing_prefix(self._writing) + wrapped + _encrypt(record_key, plaintext, bound)

    def unseal(self, sealed: bytes, *, record: UUID, field: str) -> bytes:
        """Decrypt a value. Raises SealBrokenError when it was altered, moved, or its key is not held."""
        if sealed[:1] != FORMAT or len(sealed) < 2 + WRAPPED_BYTES:
            raise SealBrokenError("unknown format")
        id_end = 2 + sealed[1]
        try:
            key_id = sealed[2:id_end].decode("ascii")
            bound = _associated_data(record, field, key_id)
            record_key = _decrypt(self._keys[key_id], sealed[id_end : id_end + WRAPPED_BYTES], bound)
            return _decrypt(record_key, sealed[id_end + WRAPPED_BYTES :], bound)
        except (KeyError, InvalidTag, ValueError) as fault:
            raise SealBrokenError("the value cannot be opened") from fault


def sealing_prefix(key_id: str) -> bytes:
    """Return what every value sealed under that key begins with."""
    return FORMAT + bytes([len(key_id)]) + key_id.encode("ascii")


def _associated_data(record: UUID, field: str, key_id: str) -> bytes:
    return json.dumps(["syneudp", "v1", str(record), field, key_id], separators=(",", ":")).encode()


def _encrypt(key: bytes, plaintext: bytes, bound: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, bound)


def _decrypt(key: bytes, sealed: bytes, bound: bytes) -> bytes:
    return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound)
