"""Whose word about a caller's address counts."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

Network = IPv4Network | IPv6Network

FORWARDING_HEADERS = frozenset(
    {b"forwarded", b"remote-addr", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip"}
)
SCHEMES = frozenset({"http", "https"})


def parse_networks(text: str) -> tuple[Network, ...]:
    """Read networks parted by commas, such as `10.0.0.0/8, ::1`; raise ValueError on one that is none."""
    return tuple(ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())


def resolve_caller(scope: dict[str, Any], trusted: Sequence[Network]) -> dict[str, Any]:
    """Put the caller's own address and scheme into an ASGI scope and take every forwarding header out of it.

    Read from the right, `X-Forwarded-For` is believed as far as it was written by trusted proxies: the first address
    that is not one of them is the caller. From an untrusted peer nothing is believed.
    """
    headers: list[tuple[bytes, bytes]] = list(scope["headers"])
    kept = [(name, value) for name, value in headers if name.lower() not in FORWARDING_HEADERS]
    resolved = {**scope, "headers": kept}
    client = scope.get("client")
    if client is None or not _is_trusted(client[0], trusted):
        return resolved
    caller = client[0]
    for hop in reversed(_listed(headers, b"x-forwarded-for")):
        if not _is_address(hop):
            break
        caller = hop
        if not _is_trusted(hop, trusted):
            break
    resolved["client"] = (caller, client[1])
    schemes = _listed(headers, b"x-forwarded-proto")
    if schemes and schemes[-1] in SCHEMES:
        resolved["scheme"] = schemes[-1]
    return resolved


def _listed(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> list[str]:
    values = [value.decode("latin-1") for name, value in headers if name.lower() == wanted]
    return [part.strip() for part in ",".join(values).split(",") if part.strip()]


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_trusted(text: str, trusted: Sequence[Network]) -> bool:
    if not _is_address(text):
        return False
    address = ip_address(text)
    return any(address in network for network in trusted)
