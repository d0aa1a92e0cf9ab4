import re
import tokenize
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.house.sources import short, written_files

QUOTED = r"'(?:[^'\\\n]|\\.|'')*'|\"(?:[^\"\\\n]|\\.)*\""
SQL = re.compile(rf"(?P<kept>{QUOTED}|\$(?P<tag>\w*)\$)|(?P<comment>--|/\*)")
SCRIPT = re.compile(
    rf"(?P<kept>{QUOTED}|`(?:[^`\\]|\\.)*`|(?<=[(=:,\[!&|?{{;\n])\s*/(?![*/])(?:[^/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/)"
    r"|(?P<comment>/\*|//)"
)
STYLE = re.compile(rf"(?P<kept>{QUOTED}|url\([^)]*\))|(?P<comment>/\*)")
MARKUP = re.compile(r"(?P<kept>(?!))|(?P<comment>\{#|<!--)")
HASH = re.compile(rf"(?P<kept>{QUOTED}|\$#|\$\{{#|\\#|[^\s]#)|(?P<comment>#)")
FIRST_LINE = re.compile(r"\A#!.*\n")


def lines_with(pattern: re.Pattern[str]) -> Callable[[Path], list[int]]:
    def find(path: Path) -> list[int]:
        text = path.read_text(encoding="utf-8")
        if path.name == "run":
            text = FIRST_LINE.sub("\n", text)
        return [text.count("\n", 0, found.start()) + 1 for found in pattern.finditer(text) if found["comment"]]

    return find


def python_comments(path: Path) -> list[int]:
    with tokenize.open(path) as source:
        return [token.start[0] for token in tokenize.generate_tokens(source.readline) if token.type == tokenize.COMMENT]


BY_ENDING: dict[str, Callable[[Path], list[int]]] = {
    ".py": python_comments,
    ".sql": lines_with(SQL),
    ".js": lines_with(SCRIPT),
    ".mjs": lines_with(SCRIPT),
    ".css": lines_with(STYLE),
    ".html": lines_with(MARKUP),
    ".jinja": lines_with(MARKUP),
    ".svg": lines_with(MARKUP),
    ".toml": lines_with(HASH),
    ".yml": lines_with(HASH),
    ".yaml": lines_with(HASH),
    ".sh": lines_with(HASH),
    ".conf": lines_with(HASH),
}
BY_NAME: dict[str, Callable[[Path], list[int]]] = {
    "Dockerfile": lines_with(HASH),
    "Makefile": lines_with(HASH),
    "run": lines_with(HASH),
    ".gitignore": lines_with(HASH),
    ".dockerignore": lines_with(HASH),
}


def reader_of(path: Path) -> Callable[[Path], list[int]] | None:
    return BY_NAME.get(path.name) or BY_ENDING.get(path.suffix)


@pytest.mark.parametrize("path", [path for path in written_files() if reader_of(path)], ids=short)
def test_a_file_has_no_comments(path: Path) -> None:
    reader = reader_of(path)
    assert reader is not None
    assert reader(path) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.py", "x = 1  # why\n"),
        ("a.sql", "SELECT 1; -- why\n"),
        ("a.sql", "SELECT '--', /* why */ 1;\n"),
        ("a.js", "const a = 1; // why\n"),
        ("a.js", 'const a = "//"; /* why */\n'),
        ("a.css", "a { color: red } /* why */\n"),
        ("a.html", "<p>{# why #}</p>\n"),
        ("a.html", "<!-- why -->\n"),
        ("a.toml", "a = '#' # why\n"),
        ("a.yml", "a: 1 # why\n"),
        ("Dockerfile", "# why\nFROM a\n"),
        ("Makefile", "a:\n\t# why\n"),
    ],
)
def test_a_comment_is_found_in_every_language(tmp_path: Path, name: str, text: str) -> None:
    told = tmp_path / name
    told.write_text(text)
    reader = reader_of(told)
    assert reader is not None
    assert len(reader(told)) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.py", "x = '# not one'\n"),
        ("a.sql", "SELECT '--' || '/*';\n"),
        ("a.js", 'const a = "https://x.test/"; const b = /\\/\\//;\n'),
        ("a.css", "a { background: url(data:image/svg+xml;base64,//8=) }\n"),
        ("a.toml", 'a = "#fff"\n'),
        ("a.yml", "a: a#b\n"),
    ],
)
def test_what_only_looks_like_a_comment_is_left_alone(tmp_path: Path, name: str, text: str) -> None:
    told = tmp_path / name
    told.write_text(text)
    reader = reader_of(told)
    assert reader is not None
    assert reader(told) == []
