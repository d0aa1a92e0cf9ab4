"""The built style, script, fonts and icon, served from this host under names that change with their content."""

from http import HTTPStatus
from pathlib import Path
from typing import Final

from quart import Blueprint, Response, abort, request
from quart_schema import hide

from syneudp.web.access import Access, access
from syneudp.web.console.pages import STATIC, STATIC_PATH
from syneudp.web.limits import PROBING, limited

MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
ENCODINGS: Final = (("br", ".br"), ("gzip", ".gz"))
FOR_A_YEAR: Final = "public, max-age=31536000, immutable"


def add_routes(blueprint: Blueprint) -> None:
    """Add this noun's routes."""
    blueprint.get(f"{STATIC_PATH}/<string:name>")(show_file)


@hide
@access(Access.PUBLIC)
@limited(PROBING)
async def show_file(name: str) -> Response:
    """Send one built file, compressed ahead where the browser takes it; 404 for any other name."""
    files = {path.name: path for path in STATIC.glob("*") if path.suffix in MEDIA_TYPES} if STATIC.is_dir() else {}
    path = files.get(name)
    if path is None:
        abort(HTTPStatus.NOT_FOUND)
    encoding, chosen = _compressed(path)
    response = Response(chosen.read_bytes(), content_type=MEDIA_TYPES[path.suffix])
    response.headers["Cache-Control"] = FOR_A_YEAR
    response.headers["Vary"] = "Accept-Encoding"
    if encoding:
        response.headers["Content-Encoding"] = encoding
    return response


def _compressed(path: Path) -> tuple[str, Path]:
    for encoding, suffix in ENCODINGS:
        candidate = path.with_name(path.name + suffix)
        if request.accept_encodings.quality(encoding) > 0 and candidate.is_file():
            return encoding, candidate
    return "", path
