from typing import Any

import pytest

from syneudp.web.proxies import parse_networks, resolve_caller

TRUSTED = parse_networks("10.0.0.0/8, ::1")


def scope(peer: str, *headers: tuple[str, str]) -> dict[str, Any]:
    return {
        "type": "http",
        "scheme": "http",
        "client": (peer, 4000),
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }


def test_nothing_an_untrusted_peer_forwards_counts() -> None:
    resolved = resolve_caller(
        scope("203.0.113.9", ("x-forwarded-for", "198.51.100.1"), ("X-Forwarded-Proto", "https")), TRUSTED
    )
    assert resolved["client"][0] == "203.0.113.9"
    assert resolved["scheme"] == "http"


def test_a_trusted_proxy_tells_the_caller_and_the_scheme() -> None:
    resolved = resolve_caller(
        scope("10.1.1.1", ("x-forwarded-for", "198.51.100.1"), ("x-forwarded-proto", "https")), TRUSTED
    )
    assert resolved["client"][0] == "198.51.100.1"
    assert resolved["scheme"] == "https"


def test_the_first_untrusted_hop_from_the_right_is_the_caller() -> None:
    forged = scope("10.1.1.1", ("x-forwarded-for", "127.0.0.1, 198.51.100.1"), ("x-forwarded-for", "10.2.2.2"))
    assert resolve_caller(forged, TRUSTED)["client"][0] == "198.51.100.1"


@pytest.mark.parametrize("told", ["", "unknown", "198.51.100.1:80", "'; DROP", ","])
def test_a_hop_that_is_no_address_ends_the_belief(told: str) -> None:
    assert resolve_caller(scope("10.1.1.1", ("x-forwarded-for", told)), TRUSTED)["client"][0] == "10.1.1.1"


def test_no_forwarding_header_reaches_the_application() -> None:
    names = ("forwarded", "Remote-Addr", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP")
    headers = [(name, "x") for name in names]
    kept = resolve_caller(scope("10.1.1.1", *headers, ("Accept", "text/html")), TRUSTED)["headers"]
    assert kept == [(b"Accept", b"text/html")]


def test_a_network_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="evil"):
        parse_networks("10.0.0.0/8, evil")
