import gzip
import json
import re
from pathlib import Path

import pytest
from jinja2 import Environment

from syneudp.web.console.pages import STATIC, TEMPLATES

MARKUP = sorted(TEMPLATES.rglob("*.html"))
SCRIPTS = sorted((TEMPLATES.parent / "assets" / "src").glob("*.js"))
BUDGET_BYTES = 60 * 1024
FORBIDDEN = {
    "an inline style": re.compile(r"\sstyle\s*=|<style\b", re.IGNORECASE),
    "an event handler": re.compile(r"\son[a-z]+\s*=|\bhx-on\b", re.IGNORECASE),
    "a script without a source": re.compile(r"<script(?![^>]*\ssrc=)", re.IGNORECASE),
    "a script address": re.compile(r"javascript:", re.IGNORECASE),
    "an evaluated value": re.compile(r"hx-(?:vals|headers|vars)\s*=\s*[\"'](?:js|javascript):|hx-trigger=\"[^\"]*\["),
    "markup taken as safe": re.compile(r"\|\s*safe\b|autoescape\s+false"),
    "another host": re.compile(r"(?:src|href|action)=\"(?:https?:)?//", re.IGNORECASE),
}


@pytest.mark.parametrize("path", MARKUP, ids=lambda path: str(path.relative_to(TEMPLATES)))
@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_template_holds_nothing_the_content_security_policy_refuses(path: Path, name: str) -> None:
    assert not FORBIDDEN[name].search(path.read_text("utf-8"))


@pytest.mark.parametrize("path", MARKUP, ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_a_template_can_be_read(path: Path) -> None:
    assert Environment(autoescape=True).parse(path.read_text("utf-8")).body


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_the_script_evaluates_nothing_and_styles_nothing(path: Path) -> None:
    assert not re.search(r"\beval\(|new Function|\.style\b|setAttribute\(\"style\"|document\.write", path.read_text())


def test_the_built_script_and_style_fit_their_budget() -> None:
    names = json.loads((STATIC / "manifest.json").read_text("utf-8"))
    weight = sum(len(gzip.compress((STATIC / names[name]).read_bytes())) for name in ("console.css", "console.js"))
    assert 10_000 < weight <= BUDGET_BYTES
