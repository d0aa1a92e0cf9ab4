"""Every refusal of the platform, found by walking the classes: its status, its code, its sentence."""

import importlib
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator

import syneudp
from syneudp.kernel.errors import ProblemError

CODE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def every_problem() -> list[type[ProblemError]]:
    for found in pkgutil.walk_packages(syneudp.__path__, "syneudp."):
        importlib.import_module(found.name)
    return [each for each in descendants(ProblemError) if each.__module__.startswith("syneudp.")]


def descendants(parent: type[ProblemError]) -> Iterator[type[ProblemError]]:
    for child in parent.__subclasses__():
        yield child
        yield from descendants(child)


def test_every_refusal_has_a_status_a_code_and_a_sentence() -> None:
    for problem in every_problem():
        assert 400 <= problem.status < 600, problem
        assert CODE.fullmatch(problem.code), problem
        assert problem.title, problem
        assert problem.sentence.endswith("."), problem


def test_every_refusal_of_the_control_plane_has_a_code_of_its_own() -> None:
    codes = Counter(each.code for each in every_problem() if ".agent." not in each.__module__)
    assert [code for code, count in codes.items() if count > 1] == []


def test_every_refusal_can_be_raised_without_a_word() -> None:
    for problem in every_problem():
        assert str(problem()) == problem.sentence
