"""Server programs out of Debian packages, unpacked beside the project: nothing is installed, no root is needed."""

import fcntl
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from entrypoints.embedded.errors import EmbeddedEngineError
from entrypoints.embedded.processes import last_lines

DEBIAN_KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
UNSTABLE: Final = "sid"
LEFT_OUT: Final = ("perl_", "perl-base_", "perl-modules-", "libperl5")
LOADERS: Final = ("ld-linux-*.so.*",)
UNREACHED_SECONDS: Final = 900


@dataclass(frozen=True)
class UnpackedPrograms:
    """A folder that packages were unpacked into, and how its programs are started with its own libraries."""

    root: Path

    def at(self, root: Path) -> "UnpackedPrograms":
        """Tell the same of a copy elsewhere."""
        return UnpackedPrograms(root)

    def launcher(self) -> list[str]:
        """Write the command that starts a program through the unpacked loader and libraries."""
        loader = next(path for pattern in LOADERS for path in sorted(self.root.glob(f"**/{pattern}")))
        folders = sorted({str(path.parent) for path in self.root.glob("**/lib/**/*.so.*") if path.is_file()})
        return [str(loader), "--library-path", ":".join(folders)]


def unpack(
    package: str, engines: Path, *, name: str, from_unstable: bool, announce: Callable[[], None], title: str
) -> UnpackedPrograms:
    """Download a package with its library dependencies and unpack it into `engines/name`, once for every process.

    Two processes wait for each other on a lock file; a folder appears whole or not at all. `announce` is called before
    a download. Raises EmbeddedEngineError.
    """
    target = engines / name
    if target.is_dir():
        return UnpackedPrograms(target)
    engines.mkdir(parents=True, exist_ok=True)
    with locked(engines / f"{name}.lock"):
        if target.is_dir():
            return UnpackedPrograms(target)
        announce()
        for left in engines.glob(f".{name}-*"):
            shutil.rmtree(left, ignore_errors=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=engines))
        try:
            archives = _download(package, partial / "apt", from_unstable=from_unstable, title=title)
            root = partial / "root"
            root.mkdir()
            for archive in archives:
                _run(["dpkg", "-x", str(archive), str(root)], failure=f"{title} could not be unpacked")
            root.rename(target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return UnpackedPrograms(target)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file for this process alone until the block ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _download(package: str, folder: Path, *, from_unstable: bool, title: str) -> list[Path]:
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise EmbeddedEngineError(f"{title} cannot be fetched without apt-get and dpkg; put a server on PATH instead.")
    for part in ("lists/partial", "cache/archives/partial", "parts", "dpkg"):
        (folder / part).mkdir(parents=True)
    nothing_installed = folder / "dpkg" / "status"
    nothing_installed.touch()
    settings = {
        "Dir::State": str(folder),
        "Dir::State::lists": str(folder / "lists"),
        "Dir::State::status": str(nothing_installed),
        "Dir::Cache": str(folder / "cache"),
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "Acquire::Retries": "2",
        "Acquire::http::Timeout": "20",
        "Acquire::https::Timeout": "20",
    }
    if from_unstable:
        sources = folder / "sources.list"
        sources.write_text(f"{_unstable_source(title)}\n", encoding="utf-8")
        settings |= {"APT::Update::Error-Mode": "any"}
        settings |= {"Dir::Etc::sourcelist": str(sources), "Dir::Etc::sourceparts": str(folder / "parts")}
        settings |= {"Dir::Etc::preferencesparts": str(folder / "parts"), "Dir::Etc::preferences": "/dev/null"}
    configuration = folder / "apt.conf"
    lines = "".join(f'{key} "{value}";\n' for key, value in settings.items())
    configuration.write_text(lines, encoding="utf-8")
    unreached = f"{title} could not be fetched from the Debian mirror"
    _run(["apt-get", "update", "-q"], failure=unreached, configuration=configuration)
    install = ["apt-get", "install", "-q", "-y", "--download-only", "--no-install-recommends", package]
    _run(install, failure=unreached, configuration=configuration)
    archives = sorted((folder / "cache" / "archives").glob("*.deb"))
    return [archive for archive in archives if not archive.name.startswith(LEFT_OUT)]


def _unstable_source(title: str) -> str:
    machine = platform.freedesktop_os_release()
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)|$(RELEASE)|$(COMPONENT)", "Created-By: Packages"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    for line in listed.stdout.splitlines():
        mirror, release, component = line.split("|")
        if (machine.get("ID"), machine.get("VERSION_CODENAME"), "main") == ("debian", release, component):
            signed_by = f"[signed-by={DEBIAN_KEYRING}] " if DEBIAN_KEYRING.exists() else ""
            return f"deb {signed_by}{mirror} {UNSTABLE} main"
    raise EmbeddedEngineError(f"{title} cannot be fetched: this machine names no Debian mirror.")


def _run(command: Sequence[str], *, failure: str, configuration: Path | None = None) -> None:
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    if configuration is not None:
        environment["APT_CONFIG"] = str(configuration)
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            timeout=UNREACHED_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as slow:
        raise EmbeddedEngineError(f"{failure} within {UNREACHED_SECONDS} s.") from slow
    if done.returncode != 0:
        raise EmbeddedEngineError(f"{failure}. It said: {last_lines(done.stdout)}")
