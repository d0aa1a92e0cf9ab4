import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.proof.mutations import MUTATIONS, Mutation
from tests.servers import ROOT, passing_folder

COPIED = ("syneudp", "entrypoints", "migrations", "tests", "pyproject.toml")
LEFT_OUT = shutil.ignore_patterns("node_modules", "__pycache__", "static")
TESTS_FAILED = 1


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_test_fails_when(mutation: Mutation) -> None:
    with passing_folder() as folder:
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, folder / name, ignore=LEFT_OUT)
            else:
                shutil.copy(ROOT / name, folder / name)
        (folder / ".engines").symlink_to(ROOT / ".engines")
        mutate(folder / mutation.file, mutation)
        told = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", mutation.noticed_by],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    assert told.returncode == TESTS_FAILED, told.stdout
    assert "AssertionError" in told.stdout or "Error" in told.stdout


def mutate(path: Path, mutation: Mutation) -> None:
    source = path.read_text(encoding="utf-8")
    for before, after in mutation.change:
        assert source.count(before) >= 1, f"{mutation.name}: its place is no longer in {mutation.file}"
        source = source.replace(before, after)
    path.write_text(source, encoding="utf-8")
