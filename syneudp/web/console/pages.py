"""Write a page or a fragment from its template and frozen values."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from syneudp.kernel import clock
from syneudp.web.console.figures import Figures, day, duration, instant, month
from syneudp.web.console.views import Tone, Viewer

CONSOLE: Final = Path(__file__).parent
TEMPLATES: Final = CONSOLE / "templates"
STATIC: Final = CONSOLE / "static"
STATIC_PATH: Final = "/static"


def published_assets(folder: Path = STATIC) -> dict[str, str]:
    """Read the names the asset build gave its files; empty where the assets were not built.

    Pages then name the files without their digests and stay readable without style or script.
    """
    manifest = folder / "manifest.json"
    return dict(json.loads(manifest.read_text("utf-8"))) if manifest.is_file() else {}


class Pages:
    """The templates, ready to be written."""

    def __init__(self, *, assets: Mapping[str, str]) -> None:
        self._assets = dict(assets)
        self._templates = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(asset=self.asset, tones=Tone)
        self._templates.filters.update(day=day, duration=duration, instant=instant, month=month, rfc3339=clock.rfc3339)

    def asset(self, name: str) -> str:
        """Return the path under which a built file is served."""
        return f"{STATIC_PATH}/{self._assets.get(name, name)}"

    def write(self, template: str, *, figures: Figures, viewer: Viewer, **values: Any) -> str:
        """Write one template; raises jinja2.UndefinedError where it asks for a value that it was not given."""
        defaults: dict[str, Any] = {"section": "", "notice": None, "banners": ()}
        return self._templates.get_template(template).render(**{**defaults, **values}, figures=figures, viewer=viewer)
