import contextlib
import json
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
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from entrypoints.local_leftovers import children_of, started_at
from entrypoints.local_plan import Ports

ROOT = Path(__file__).parents[2]
READY_SECONDS = 180
STOPPED_SECONDS = 60


def free_offset() -> int:
    for _ in range(100):
        offset = 1000 + secrets.randbelow(16_000)
        ports = Ports.shifted(offset)
        if all(
            is_free(port) for port in (ports.api, ports.agent, ports.auth, ports.control, ports.postgresql, ports.mysql)
        ):
            return offset
    raise AssertionError("no free ports")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def until(holds: Callable[[], bool], *, seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.1)
    return holds()


class Launcher:
    def __init__(self, folder: Path, *, offset: int | None = None, **variables: str) -> None:
        self.state = folder / "state"
        self.offset = free_offset() if offset is None else offset
        self.ports = Ports.shifted(self.offset)
        self._output = folder / "terminal"
        kept = {name: told for name, told in os.environ.items() if not name.startswith("SYNEUDP_")}
        with self._output.open("wb") as terminal:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "entrypoints", "local"],
                cwd=ROOT,
                env={**kept, "SYNEUDP_STATE": str(self.state), "PORT_OFFSET": str(self.offset), **variables},
                stdin=subprocess.DEVNULL,
                stdout=terminal,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self._output.read_text(encoding="utf-8")

    def wait_until_up(self) -> float:
        assert until(lambda: "Ctrl-C stops" in self.said or self.process.poll() is not None, seconds=READY_SECONDS)
        found = re.search(r"SyneUDP is up \((\d+\.\d) s\)", self.said)
        assert found, self.said
        return float(found[1])

    def family(self) -> dict[int, int | None]:
        return {pid: started_at(pid) for pid in (self.process.pid, *children_of(self.process.pid))}

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports.api}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def role(self, name: str) -> int:
        for pid in children_of(self.process.pid):
            with contextlib.suppress(OSError):
                if f"--role\0{name}\0" in Path(f"/proc/{pid}/cmdline").read_text():
                    return pid
        raise AssertionError(f"no {name}")

    def stop(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        return self.process.wait(STOPPED_SECONDS)


def is_gone(family: dict[int, int | None]) -> bool:
    return not any(began is not None and started_at(pid) == began for pid, began in family.items())


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="syneudp-local-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def launchers() -> Iterator[list[Launcher]]:
    started: list[Launcher] = []
    yield started
    for launcher in started:
        if launcher.process.poll() is None:
            launcher.stop(signal.SIGTERM)


def test_a_stack_starts_survives_the_death_of_its_roles_and_stops_without_a_trace(
    folder: Path, launchers: list[Launcher]
) -> None:
    launcher = Launcher(folder)
    launchers.append(launcher)
    launcher.wait_until_up()
    assert launcher.answers()
    assert "Sign in" in launcher.said

    for name in ("api", "agent", "billing"):
        assert _is_raised_again_after_a_kill(launcher, name)
    assert until(launcher.answers)

    second = subprocess.run(
        [sys.executable, "-m", "entrypoints", "local"],
        cwd=ROOT,
        env={**os.environ, "SYNEUDP_STATE": str(launcher.state)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert second.returncode == 1
    assert f"in use by another launcher (process {launcher.process.pid})" in second.stdout

    family = launcher.family()
    assert len(family) >= 8
    assert launcher.stop(signal.SIGINT) == 0
    assert is_gone(family)
    assert "Traceback" not in launcher.said


def test_a_second_start_finds_the_data_and_a_killed_launcher_leaves_nothing_running(
    folder: Path, launchers: list[Launcher]
) -> None:
    token = (folder / "state" / "secrets" / "agent-token").read_text()
    launcher = Launcher(folder)
    launchers.append(launcher)
    launcher.wait_until_up()
    assert "Initialising" not in launcher.said
    assert (folder / "state" / "secrets" / "agent-token").read_text() == token
    family = launcher.family()
    assert launcher.stop(signal.SIGKILL) == -signal.SIGKILL
    assert until(lambda: is_gone(family), seconds=STOPPED_SECONDS)

    again = Launcher(folder, offset=launcher.offset)
    launchers.append(again)
    again.wait_until_up()
    postgresql = json.loads((folder / "state" / "processes.json").read_text())
    assert len(postgresql) >= 7
    assert again.stop(signal.SIGTERM) == 0


def test_a_stop_during_the_first_steps_leaves_nothing_running(folder: Path, launchers: list[Launcher]) -> None:
    launcher = Launcher(folder)
    launchers.append(launcher)
    assert until(lambda: "Starting MySQL" in launcher.said, seconds=READY_SECONDS)
    family = launcher.family()
    assert launcher.stop(signal.SIGTERM) == 0
    assert "Everything has stopped." in launcher.said
    assert is_gone(family)
    assert is_free(launcher.ports.control)
    assert is_free(launcher.ports.mysql)


def test_an_engine_that_ends_stops_the_stack_with_a_sentence(folder: Path, launchers: list[Launcher]) -> None:
    launcher = Launcher(folder)
    launchers.append(launcher)
    launcher.wait_until_up()
    family = launcher.family()
    for pid in list(family):
        with contextlib.suppress(OSError):
            if b"mysqld" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
    assert launcher.process.wait(STOPPED_SECONDS) == 1
    assert "ended unexpectedly" in launcher.said
    assert is_gone(family)


def test_a_busy_port_is_told_in_one_sentence(tmp_path: Path) -> None:
    offset = free_offset()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", Ports.shifted(offset).api))
        taken.listen()
        launcher = Launcher(tmp_path, offset=offset)
        assert launcher.process.wait(30) == 1
    assert f"Port {Ports.shifted(offset).api}" in launcher.said
    assert "PORT_OFFSET" in launcher.said
    assert len(launcher.said.splitlines()) == 1


def test_a_file_where_the_state_folder_should_be_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    launcher = Launcher(tmp_path)
    assert launcher.process.wait(30) == 1
    assert len(launcher.said.splitlines()) == 1
    assert "it is a file" in launcher.said


def _is_raised_again_after_a_kill(launcher: Launcher, name: str) -> bool:
    before = launcher.role(name)
    os.kill(before, signal.SIGKILL)

    def is_another() -> bool:
        with contextlib.suppress(AssertionError):
            return launcher.role(name) != before
        return False

    return until(lambda: f"The {name} process was ended by SIGKILL" in launcher.said) and until(is_another)
