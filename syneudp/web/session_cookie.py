"""The console's one cookie: what it is called, how it is set, read and taken away."""

from typing import Final

from quart import Request, Response
from quart.typing import ResponseTypes

HARDENED_NAME: Final = "__Host-syneudp"
LOOPBACK_NAME: Final = "syneudp"


def cookie_name(*, https: bool) -> str:
    """Name the cookie; a browser keeps `__Host-` cookies only over TLS, so plain-http loopback goes without."""
    return HARDENED_NAME if https else LOOPBACK_NAME


def session_cookie(request: Request, *, https: bool) -> str | None:
    """Read the cookie of a request, or None."""
    return request.cookies.get(cookie_name(https=https)) or None


def set_session_cookie(response: ResponseTypes, cookie: str, *, https: bool) -> None:
    """Hand the cookie to the browser for as long as it stays open: HttpOnly, SameSite=Lax, this host alone."""
    response.set_cookie(cookie_name(https=https), cookie, path="/", httponly=True, secure=https, samesite="Lax")


def clear_session_cookie(response: Response, *, https: bool) -> None:
    """Take the cookie away."""
    response.delete_cookie(cookie_name(https=https), path="/", httponly=True, secure=https, samesite="Lax")
