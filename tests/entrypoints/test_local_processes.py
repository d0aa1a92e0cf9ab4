import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from entrypoints.local_leftovers import Census, children_of, started_at
from entrypoints.local_processes import RoleProcess, how_it_ended, run_once
from entrypoints.local_terminal import LaunchError

ROOT = Path(__file__).parents[2]
SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]


async def yes() -> bool:
    return True


async def no() -> bool:
    return False


def role(folder: Path, arguments: list[str], *, ready: Callable[[], Awaitable[bool]] = yes) -> RoleProcess:
    return RoleProcess(
        name="The tested process", arguments=arguments, environment={}, log=folder / "role.log", ready=ready
    )


@pytest.fixture(autouse=True)
def others() -> frozenset[int]:
    return frozenset(children_of(os.getpid()))


def children_but(others: frozenset[int]) -> list[int]:
    return [pid for pid in children_of(os.getpid()) if pid not in others]


def until(holds: Callable[[], bool], *, seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)
    return holds()


@pytest.mark.parametrize(("status", "told"), [(3, "ended with status 3"), (-9, "was ended by SIGKILL")])
def test_an_end_is_told_in_words(status: int, told: str) -> None:
    assert how_it_ended(status) == told


async def test_a_command_that_fails_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    failing = [sys.executable, "-c", "print('what went wrong'); raise SystemExit(3)"]
    with pytest.raises(LaunchError, match=r"(?s)syneudp seed ended with status 3; .*what went wrong"):
        await run_once("syneudp seed", failing, {}, tmp_path / "seed.log")


async def test_a_role_that_ends_before_it_is_ready_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    failing = role(tmp_path, [sys.executable, "-c", "raise SystemExit('no settings')"], ready=no)
    with pytest.raises(LaunchError, match=r"(?s)ended with status 1; .*no settings"):
        await failing.start(patience_seconds=30)


async def test_a_role_that_is_not_ready_in_time_is_told(tmp_path: Path) -> None:
    slow = role(tmp_path, SLEEPER, ready=no)
    with pytest.raises(LaunchError, match="was not ready within 0 seconds"):
        await slow.start(patience_seconds=0.3)
    await slow.stop()


async def test_a_killed_role_is_told_and_raised_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], others: frozenset[int]
) -> None:
    raised = asyncio.Event()
    kept = role(tmp_path, SLEEPER)
    await kept.start(patience_seconds=5)
    (before,) = children_but(others)
    keeping = asyncio.create_task(kept.keep_up(started=raised.set))
    os.kill(before, signal.SIGKILL)
    await asyncio.wait_for(raised.wait(), 15)
    (after,) = children_but(others)
    assert after != before
    assert "was ended by SIGKILL" in capsys.readouterr().out
    await kept.stop()
    await asyncio.wait_for(keeping, 15)
    assert children_but(others) == []


async def test_a_role_that_refuses_its_settings_is_not_raised_again(tmp_path: Path) -> None:
    refusing = role(tmp_path, [sys.executable, "-c", "import time; time.sleep(0.2); raise SystemExit(2)"])
    await refusing.start(patience_seconds=5)
    with pytest.raises(LaunchError, match="refuses to start"):
        await refusing.keep_up(started=lambda: None)


async def test_a_role_that_ignores_the_request_to_end_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: frozenset[int]
) -> None:
    monkeypatch.setattr("entrypoints.local_processes.STOP_PATIENCE_SECONDS", 0.3)
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    stubborn = role(tmp_path, [sys.executable, "-c", deaf])
    await stubborn.start(patience_seconds=5)
    assert await asyncio.to_thread(until, lambda: "deaf" in (tmp_path / "role.log").read_text())
    await stubborn.stop()
    assert children_but(others) == []


def test_a_child_ends_with_the_launcher_in_whatever_way_that_dies(tmp_path: Path) -> None:
    launcher = f"""
import asyncio, pathlib
from entrypoints.local_processes import RoleProcess, python_command
async def ready(): return True
async def main():
    command = python_command()
    command[command.index("-m"):] = ["-c", "import time; time.sleep(60)"]
    role = RoleProcess(name="r", arguments=command, environment={{}}, log=pathlib.Path({str(tmp_path)!r}) / "log", ready=ready)
    await role.start(patience_seconds=5)
    print("up", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    started = subprocess.Popen([sys.executable, "-c", launcher], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    assert started.stdout.readline() == "up\n"
    (child,) = children_of(started.pid)
    time.sleep(0.5)
    started.kill()
    started.wait()
    started.stdout.close()
    assert until(lambda: started_at(child) is None)


async def test_what_a_killed_launcher_left_is_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    left = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(1)")
    Census(tmp_path).record([left.pid])
    await Census(tmp_path).outlive()
    assert started_at(left.pid) is None
    assert "left behind" in capsys.readouterr().out
    await left.wait()


async def test_a_stranger_with_a_recorded_process_id_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "processes.json").write_text(f'{{"{os.getpid()}": 1}}')
    await asyncio.wait_for(Census(tmp_path).outlive(), 5)
    (tmp_path / "processes.json").write_text("broken")
    await asyncio.wait_for(Census(tmp_path).outlive(), 5)
