"""What the house's own tests look at: the files that git would carry."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
MADE_BY_MACHINES = ("package-lock.json", "locks/")


def written_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = [name for name in listed.stdout.splitlines() if not any(part in name for part in MADE_BY_MACHINES)]
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))
