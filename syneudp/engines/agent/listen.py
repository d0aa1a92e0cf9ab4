"""The agent's listening sockets: bound to internal addresses, and looked at again once bound."""

import socket
from collections.abc import Sequence

from syneudp.kernel.addresses import BindRefusedError, is_internal, split_bind


def open_internal_sockets(binds: Sequence[str]) -> list[socket.socket]:
    """Bind one socket a literal address, not listening yet. Port 0 takes a free one.

    Raises BindRefusedError for an address that is not internal, before a socket opens and again after it is bound,
    and OSError where the address is taken.
    """
    addresses = [split_bind(bind) for bind in binds]
    outside = [host for host, _ in addresses if not is_internal(host)]
    if outside or not addresses:
        raise BindRefusedError("the agent listens on internal addresses only")
    opened: list[socket.socket] = []
    try:
        for host, port in addresses:
            opened.append(_bound(host, port))
        require_internal(opened)
    except BaseException:
        for bound in opened:
            bound.close()
        raise
    return opened


def require_internal(bound: Sequence[socket.socket]) -> None:
    """Raise BindRefusedError unless each socket's own address, as the system tells it, is internal."""
    if not all(is_internal(str(opened.getsockname()[0])) for opened in bound):
        raise BindRefusedError("a socket was bound to an address that is not internal")


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind((host, port))
    except BaseException:
        opened.close()
        raise
    return opened
