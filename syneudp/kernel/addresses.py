"""Which addresses are internal (loopback, RFC 1918 and RFC 4193, and nothing else), and which are public."""

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

PORT_MAX: Final = 65_535
INTERNAL_NETWORKS: Final = (
    IPv4Network("127.0.0.0/8"),
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv6Network("::1/128"),
    IPv6Network("fc00::/7"),
)
IPV4_NOT_PUBLIC: Final = (
    IPv4Network("0.0.0.0/8"),
    IPv4Network("100.64.0.0/10"),
    IPv4Network("169.254.0.0/16"),
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.88.99.0/24"),
    IPv4Network("198.18.0.0/15"),
    IPv4Network("224.0.0.0/3"),
)
IPV6_NOT_PUBLIC: Final = (
    IPv6Network("2001::/23"),
    IPv6Network("2001:db8::/32"),
    IPv6Network("3fff::/20"),
    IPv6Network("2002::/16"),
)
IPV6_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
NAT64: Final = IPv6Network("64:ff9b::/96")


class BindRefusedError(Exception):
    """A listener was asked for on an address that is not internal, or that cannot be understood."""


def is_internal(address: str) -> bool:
    """Tell whether an address is internal; IPv4-mapped IPv6 counts as the IPv4 address it carries.

    An explicit list, because `ipaddress.is_private` also accepts 0.0.0.0, link-local, documentation and reserved
    ranges.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return _is_internal(parsed)


def _is_internal(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return False
        address = address.ipv4_mapped or address
    return any(address.version == network.version and address in network for network in INTERNAL_NETWORKS)


def internal_binds(bind: str) -> list[str]:
    """Resolve ADDRESS:PORT once and return every address as a literal bind.

    Raises BindRefusedError unless all of them are internal; nothing has been bound by then.
    """
    host, port = split_bind(bind)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as fault:
        raise BindRefusedError("the address to listen on could not be resolved") from fault
    addresses = list(dict.fromkeys(str(answer[4][0]) for answer in found))
    outside = [address for address in addresses if not is_internal(address)]
    if outside or not addresses:
        raise BindRefusedError(
            f"{', '.join(outside) or 'nothing'} is not an internal address; "
            "listen on loopback, 10/8, 172.16/12, 192.168/16 or fc00::/7"
        )
    return [f"[{address}]:{port}" if ":" in address else f"{address}:{port}" for address in addresses]


def split_bind(bind: str) -> tuple[str, int]:
    """Split ADDRESS:PORT, the address in brackets where it is IPv6. Raises BindRefusedError."""
    host, separator, port_text = bind.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise BindRefusedError("write an IPv6 address in brackets")
    if not separator or not host or not port_text.isascii() or not port_text.isdigit() or int(port_text) > PORT_MAX:
        raise BindRefusedError("write the address to listen on as ADDRESS:PORT")
    return host, int(port_text)


def is_loopback(address: str) -> bool:
    """Tell whether an address is this very machine's; IPv4-mapped IPv6 counts as the IPv4 address it carries."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return (mapped or parsed).is_loopback


def is_public(address: str) -> bool:
    """Tell whether an address belongs to the open Internet: global, unicast, and so is the IPv4 address it carries.

    Everything else is refused: private, loopback, link-local (cloud metadata), shared (RFC 6598), reserved, multicast,
    and IPv6 that stands for such an IPv4 address (mapped, 6to4, Teredo, NAT64).
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address):
        if parsed.scope_id is not None or parsed not in IPV6_GLOBAL_UNICAST or _is_among(parsed, IPV6_NOT_PUBLIC):
            return _is_public_ipv4(_carried(parsed))
        carried = _carried(parsed)
        return parsed.is_global and not parsed.is_multicast and (carried is None or _is_public_ipv4(carried))
    return _is_public_ipv4(parsed)


def _is_public_ipv4(address: IPv4Address | None) -> bool:
    if address is None:
        return False
    return address.is_global and not address.is_multicast and not _is_among(address, IPV4_NOT_PUBLIC)


def _carried(address: IPv6Address) -> IPv4Address | None:
    if address.scope_id is not None:
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    if address.sixtofour is not None:
        return address.sixtofour
    return None if address.teredo is None else address.teredo[1]


def _is_among(address: IPv4Address | IPv6Address, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
