import socket

import pytest

from syneudp.kernel.addresses import BindRefusedError, internal_binds, is_internal


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.9.9.9",
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "::1",
        "fd00::1",
        "::ffff:10.0.0.1",
    ],
)
def test_internal_addresses(address: str) -> None:
    assert is_internal(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "::",
        "169.254.169.254",
        "fe80::1",
        "fe80::1%eth0",
        "fd00::1%eth0",
        "8.8.8.8",
        "172.32.0.1",
        "172.15.255.255",
        "192.0.2.1",
        "203.0.113.7",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::ffff:8.8.8.8",
        "::ffff:0.0.0.0",
        "2001:db8::1",
        "64:ff9b::a00:1",
        "2002:a00:1::",
        "localhost",
        "",
        "127.1",
        "0x7f000001",
    ],
)
def test_everything_else_is_not(address: str) -> None:
    assert not is_internal(address)


def test_a_name_becomes_literal_addresses() -> None:
    assert set(internal_binds("localhost:8100")) <= {"127.0.0.1:8100", "[::1]:8100"}


@pytest.mark.parametrize(
    "bind",
    [
        "0.0.0.0:8100",
        "[::]:8100",
        "8.8.8.8:80",
        "::1:8100",
        "127.0.0.1",
        ":8100",
        "127.0.0.1:",
        "127.0.0.1:99999",
        "127.0.0.1:x",
        "no-such-host.invalid:80",
    ],
)
def test_a_bind_that_is_not_internal_or_not_one_at_all_is_refused(bind: str) -> None:
    with pytest.raises(BindRefusedError):
        internal_binds(bind)


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.1", "8.8.8.8"],
        ["10.0.0.1", "0.0.0.0"],
        ["127.0.0.1", "2001:db8::1"],
        ["::1", "::ffff:8.8.8.8"],
        ["192.168.0.1", "fe80::1%2"],
        [],
    ],
)
def test_a_name_that_also_stands_for_an_outside_address_is_refused_whole(
    monkeypatch: pytest.MonkeyPatch, answers: list[str]
) -> None:
    found = [(socket.AF_UNSPEC, socket.SOCK_STREAM, 0, "", (address, 8100)) for address in answers]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(BindRefusedError):
        internal_binds("localhost:8100")
