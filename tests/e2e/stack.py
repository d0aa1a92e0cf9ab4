"""A whole local stack in a folder of its own, started and stopped as `make up` does it."""

import contextlib
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
PORTS = (8000, 8100, 9999, 15431, 15432, 13306)
MINIMUM_RUNWAY_SECONDS = 5
READY_WITHIN_SECONDS = 120.0
STOPPED_WITHIN_SECONDS = 60.0


@dataclass(frozen=True)
class Stack:
    console: str
    state: Path
    launcher: int

    def audit(self) -> subprocess.CompletedProcess[str]:
        command = f". '{self.state}/operator.env' && exec '{sys.executable}' -m entrypoints ledger audit"
        return subprocess.run(["/bin/sh", "-c", command], cwd=PROJECT, capture_output=True, text=True, check=False)

    def logs(self) -> str:
        return "".join(path.read_text("utf-8", "replace") for path in sorted((self.state / "logs").glob("*.log")))


def free_offset() -> int:
    for _ in range(200):
        offset = 1000 + secrets.randbelow(16_000)
        if all(is_free(port + offset) for port in PORTS):
            return offset
    raise RuntimeError("no free range of ports")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@contextlib.contextmanager
def running_stack(*, prepare: Callable[[Path], None] = lambda _state: None) -> Iterator[Stack]:
    folder = Path(tempfile.mkdtemp(prefix="syneudp-e2e-"))
    folder.chmod(0o755)
    prepare(folder / "state")
    variables = {
        **os.environ,
        "PORT_OFFSET": str(free_offset()),
        "SYNEUDP_STATE": str(folder / "state"),
        "SYNEUDP_MINIMUM_RUNWAY_SECONDS": str(MINIMUM_RUNWAY_SECONDS),
        "PYTHONUNBUFFERED": "1",
    }
    told = folder / "launcher.log"
    with told.open("w") as output:
        launcher = subprocess.Popen(
            [sys.executable, "-m", "entrypoints", "local"],
            cwd=PROJECT,
            env=variables,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Stack(console=console_of(launcher, told), state=folder / "state", launcher=launcher.pid)
    finally:
        launcher.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            launcher.wait(STOPPED_WITHIN_SECONDS)
        if launcher.poll() is None:
            os.killpg(launcher.pid, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


def console_of(launcher: subprocess.Popen[bytes], told: Path) -> str:
    ends = time.monotonic() + READY_WITHIN_SECONDS
    while time.monotonic() < ends:
        found = re.search(r"Console\s+(http://\S+)", told.read_text())
        if found:
            return found[1]
        if launcher.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError(f"the local stack did not start:\n{told.read_text()}")
