from uuid import UUID

import pytest

from syneudp.kernel.addresses import is_public
from syneudp.webhooks import EndpointUrlInvalidError, check_url
from syneudp.webhooks.rules import (
    ATTEMPTS_MAX,
    generate_key,
    read_secret,
    retry_after,
    signature,
    wire_id,
    write_secret,
)

KNOWN = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
DAY = 86_400


def test_a_signature_is_the_one_that_other_implementations_of_the_specification_give() -> None:
    told = signature([read_secret(KNOWN)], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, '{"test": 2432232314}')
    assert told == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert wire_id(UUID(int=7)) == "msg_" + "0" * 31 + "7"


def test_a_secret_is_read_as_it_was_written() -> None:
    key = generate_key()
    assert (len(key), read_secret(write_secret(key))) == (32, key)
    for wrong in ("C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_!"):
        with pytest.raises(ValueError, match="signing secret"):
            read_secret(wrong)


def test_ten_attempts_are_made_in_about_three_days() -> None:
    pauses = [retry_after(attempt) for attempt in range(1, ATTEMPTS_MAX + 1)]
    assert pauses[-1] is None
    waits = [pause for pause in pauses if pause is not None]
    assert (len(waits), waits[:7]) == (9, sorted(waits[:7]))
    assert 2.7 * DAY < sum(waits) < 3.6 * DAY


def test_retries_of_many_do_not_come_together() -> None:
    assert len({retry_after(4) for _ in range(50)}) > 10


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/hook",
        "https://",
        "https:///hook",
        "ftp://example.com/",
        "https://user@example.com/",
        "https://user:secret@example.com/",
        "https://example.com/#part",
        "https://example.com:0/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://127.1/",
        "https://example.com:99999/",
        "https://exämple.com/",
        "https://example.com/ hook",
        "https://example.com\\@127.0.0.1/",
        "https://example.com/\x00",
        "javascript:alert(1)",
        "example.com",
        "",
        "https://example.com/" + "a" * 2000,
    ],
)
@pytest.mark.parametrize("local", [False, True])
def test_what_is_no_endpoint_is_refused(url: str, *, local: bool) -> None:
    with pytest.raises(EndpointUrlInvalidError):
        check_url(url, local=local)


def test_http_is_for_this_very_machine_in_the_local_environment_alone() -> None:
    assert check_url("http://127.0.0.1:9000/hook?a=1", local=True).port == 9000
    assert check_url("http://localhost/hook", local=True).host == "localhost"
    assert check_url("https://hooks.example.com/x?y=z", local=False).host == "hooks.example.com"
    for url in ("http://127.0.0.1/hook", "http://localhost/hook"):
        with pytest.raises(EndpointUrlInvalidError):
            check_url(url, local=False)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_an_address_of_the_open_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.100.100.200",
        "0.0.0.0",
        "192.0.0.192",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::808:808",
        "2002:7f00:1::1",
        "2001:0:7f00:1::1",
        "2001:db8::1",
        "3fff::1",
        "example.com",
        "0x7f000001",
        "2130706433",
    ],
)
def test_every_other_address_is_not(address: str) -> None:
    assert not is_public(address)
