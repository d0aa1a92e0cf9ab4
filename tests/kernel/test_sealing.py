import base64
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syneudp.kernel.sealing import Keyring, SealBrokenError

RECORD = uuid4()
OLD = "k1:" + base64.b64encode(b"1" * 32).decode()
NEW = "k2:" + base64.b64encode(b"2" * 32).decode()


@given(st.binary(max_size=300))
def test_what_was_sealed_opens_again(plaintext: bytes) -> None:
    keyring = Keyring.parse(NEW)
    assert (
        keyring.unseal(keyring.seal(plaintext, record=RECORD, field="password"), record=RECORD, field="password")
        == plaintext
    )


def test_an_older_key_still_reads_after_a_newer_one_writes() -> None:
    sealed = Keyring.parse(OLD).seal(b"secret", record=RECORD, field="password")
    assert Keyring.parse(f"{NEW},{OLD}").unseal(sealed, record=RECORD, field="password") == b"secret"


def test_a_value_moved_to_another_record_or_field_does_not_open() -> None:
    keyring = Keyring.parse(NEW)
    sealed = keyring.seal(b"secret", record=RECORD, field="password")
    for record, field in ((uuid4(), "password"), (RECORD, "other")):
        with pytest.raises(SealBrokenError):
            keyring.unseal(sealed, record=record, field=field)


def test_every_altered_byte_is_noticed() -> None:
    keyring = Keyring.parse(NEW)
    sealed = keyring.seal(b"secret", record=RECORD, field="password")
    for place in range(len(sealed)):
        altered = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(SealBrokenError):
            keyring.unseal(altered, record=RECORD, field="password")


def test_a_missing_key_is_told_as_a_broken_seal() -> None:
    sealed = Keyring.parse(OLD).seal(b"secret", record=RECORD, field="password")
    with pytest.raises(SealBrokenError):
        Keyring.parse(NEW).unseal(sealed, record=RECORD, field="password")


@pytest.mark.parametrize(
    "text",
    ["", "k1", "k1:!!!", "k1:" + base64.b64encode(b"short").decode(), f"{OLD},{OLD}", ":" + OLD[3:], "ké:" + OLD[3:]],
)
def test_a_bad_keyring_is_refused_without_showing_a_key(text: str) -> None:
    with pytest.raises(ValueError, match="key") as refused:
        Keyring.parse(text)
    assert OLD[3:] not in str(refused.value)
