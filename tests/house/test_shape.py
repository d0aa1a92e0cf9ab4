import re
from pathlib import Path

import pytest

from tests.house.sources import short, written_files

LINES_MAX = 400
SINKS = {"utils", "util", "common", "helpers", "misc", "lib"}
DIRECTIVES = re.compile(r"\bno(?:qa)\b|type:\s*ign(?:ore)|prag(?:ma):|pytest\.(?:skip|mark\.(?:skip|xfail))")
FOREIGN = re.compile(
    r"py[p]i\.org|python[h]osted|registry\.npm[j]s|deb\.deb[i]an\.org|security\.deb[i]an\.org|proxy\.go[l]ang"
)
PYTHON = [path for path in written_files() if path.suffix == ".py"]
TEXTS = [path for path in written_files() if path.suffix not in {".png", ".ico", ".woff2"}]


@pytest.mark.parametrize("path", PYTHON, ids=short)
def test_a_file_is_short_enough_to_read_at_once(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES_MAX


@pytest.mark.parametrize("path", PYTHON, ids=short)
def test_a_file_has_a_name_that_says_what_it_holds(path: Path) -> None:
    assert not SINKS & {path.stem, *path.parts[len(Path(__file__).parents[2].parts) :]}


@pytest.mark.parametrize("path", [path for path in PYTHON if path.name != "test_shape.py"], ids=short)
def test_a_file_silences_no_check(path: Path) -> None:
    assert not DIRECTIVES.search(path.read_text(encoding="utf-8"))


def test_nothing_names_a_registry_host() -> None:
    named = [
        short(path)
        for path in TEXTS
        if path.name != "test_shape.py" and FOREIGN.search(path.read_text(encoding="utf-8"))
    ]
    assert named == []
