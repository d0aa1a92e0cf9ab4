import pytest

from syneudp.kernel.errors import MalformedRequestError
from syneudp.web.strict_json import parse_json


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 1, "a": 2}',
        b'{"a": {"b": 1, "b": 2}}',
        b"\xff\xfe",
        b'{"a": "\xff"}',
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b"9" * 60_000,
        b'{"a": 1} {"b": 2}',
    ],
    ids=lambda body: repr(body[:20]),
)
def test_what_is_not_json_is_refused_without_a_crash(body: bytes) -> None:
    with pytest.raises(MalformedRequestError) as refusal:
        parse_json(body)
    assert refusal.value.detail == MalformedRequestError.sentence
    assert refusal.value.__cause__ is None


def test_json_is_read() -> None:
    assert parse_json('{"a": [1, 2.5, "ü", null, true]}'.encode()) == {"a": [1, 2.5, "ü", None, True]}
