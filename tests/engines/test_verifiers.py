import base64
import hashlib
import hmac
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syneudp.engines.contract import Engine, Scheme
from syneudp.engines.verifiers import (
    VerifierInvalidError,
    caching_sha2_password,
    check_verifier,
    generate_password,
    mysql_native_password,
    scram_sha_256,
    sha256_crypt,
    verifiers_for,
)

SHA_CRYPT_VECTORS = [
    ("Hello world!", "saltstring", 5000, "5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"),
    ("Hello world!", "saltstringsaltst", 10000, "3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA"),
    ("This is just a test", "toolongsaltstrin", 5000, "Un/5jzAHMgOGZ5.mWJpuVolil07guHPvOW8mGRcvxa5"),
    (
        "we have a short salt string but not a short password",
        "short",
        77777,
        "JiO1O3ZpDAxGJeaDIuqCoEFysAe1mZNJRs3pw0KQRd/",
    ),
    ("a short string", "asaltof16chars..", 123456, "gP3VQ/6X7UUEW3HkBn2w1/Ptq2jxPyzV/cZKmF/wJvD"),
]
RFC7677_NONCE = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
RFC7677_SALT = "W22ZaJ0SNY7soEsUEjb6gQ=="
RFC7677_PROOF = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
RFC7677_SERVER_SIGNATURE = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
PRINTABLE = "".join(chr(code) for code in range(0x20, 0x7F))


@pytest.mark.parametrize(("password", "salt", "rounds", "digest"), SHA_CRYPT_VECTORS)
def test_sha256_crypt_agrees_with_the_vectors_of_its_specification(
    password: str, salt: str, rounds: int, digest: str
) -> None:
    assert sha256_crypt(password, salt, rounds=rounds) == digest


def test_a_scram_verifier_proves_the_exchange_of_rfc_7677() -> None:
    verifier = scram_sha_256("pencil", salt=base64.b64decode(RFC7677_SALT))
    keys = verifier.rpartition("$")[2].split(":")
    stored_key, server_key = (base64.b64decode(key) for key in keys)
    exchange = (
        f"n=user,r=rOprNGfwEbeRWgbNEkqO,r={RFC7677_NONCE},s={RFC7677_SALT},i=4096,c=biws,r={RFC7677_NONCE}".encode()
    )
    signature = hmac.digest(stored_key, exchange, "sha256")
    client_key = bytes(a ^ b for a, b in zip(base64.b64decode(RFC7677_PROOF), signature, strict=True))
    assert hashlib.sha256(client_key).digest() == stored_key
    assert base64.b64encode(hmac.digest(server_key, exchange, "sha256")).decode() == RFC7677_SERVER_SIGNATURE


def test_a_mysql_native_verifier_is_what_the_password_function_gave() -> None:
    assert mysql_native_password("password") == "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19"


def test_a_caching_sha2_verifier_has_seventy_characters_and_a_salt_of_its_own() -> None:
    first, second = caching_sha2_password("word"), caching_sha2_password("word")
    assert first != second
    assert len(first) == 70
    assert first.startswith("$A$005$")
    assert first.isascii()
    assert "$" not in first[7:]


@given(st.text(PRINTABLE, min_size=1, max_size=64))
def test_every_verifier_that_is_written_is_accepted(password: str) -> None:
    for engine in Engine:
        for scheme, verifier in verifiers_for(engine, password).items():
            check_verifier(scheme, verifier)
            assert password not in verifier or len(password) < 8


@given(st.text(max_size=160), st.sampled_from(Scheme))
def test_other_text_is_no_verifier(text: str, scheme: Scheme) -> None:
    with pytest.raises(VerifierInvalidError):
        check_verifier(scheme, text)


@pytest.mark.parametrize("scheme", Scheme)
@pytest.mark.parametrize("spoil", ["{}\n", "{}'", " {}", "{}\0", "{}{}"])
def test_a_verifier_with_anything_around_it_is_refused(scheme: Scheme, spoil: str) -> None:
    engine = Engine.POSTGRESQL if scheme is Scheme.SCRAM_SHA_256 else Engine.MYSQL
    verifier = verifiers_for(engine, "word")[scheme]
    with pytest.raises(VerifierInvalidError):
        check_verifier(scheme, spoil.format(verifier, verifier))


def test_a_verifier_with_weak_iterations_or_short_keys_is_refused() -> None:
    verifier = scram_sha_256("word")
    for spoilt in (verifier.replace("4096", "1"), verifier[:-8] + "====", verifier.replace(":", "::")):
        with pytest.raises(VerifierInvalidError):
            check_verifier(Scheme.SCRAM_SHA_256, spoilt)


@pytest.mark.parametrize("password", ["", "pässword", "a\tb", "\x00", "日本"])
def test_a_password_that_saslprep_might_change_is_refused(password: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        verifiers_for(Engine.POSTGRESQL, password)


def test_passwords_are_long_plain_and_never_the_same() -> None:
    passwords = {generate_password() for _ in range(1000)}
    assert len(passwords) == 1000
    assert all(
        len(password) == 28 and set(password) <= set(string.ascii_letters + string.digits) for password in passwords
    )
