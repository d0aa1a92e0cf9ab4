"""Child processes of the development launcher: started apart from the terminal, watched, raised again, stopped.

Each is started through ``setpriv --pdeathsig``, so that it is told to stop when the launcher dies in whatever way.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from entrypoints.local_state import SECRET_MODE
from entrypoints.local_terminal import LaunchError, say

STOP_PATIENCE_SECONDS = 20.0
FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 30.0
STEADY_AFTER_SECONDS = 60.0
REFUSED_TO_START_STATUS = 2
READY_POLL_SECONDS = 0.1
LOG_TAIL_BYTES = 4000
LOG_TAIL_LINES = 12


def python_command(*arguments: str) -> list[str]:
    """Return the command that runs this project's own programs, tied to the launcher's life.

    Raises LaunchError where ``setpriv`` (util-linux) is missing.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise LaunchError("The program setpriv is missing; it is part of the Debian package util-linux.")
    return [setpriv, "--pdeathsig", "TERM", "--", sys.executable, "-m", "entrypoints", *arguments]


def log_tail(path: Path) -> str:
    """Return the last lines of a log file, for a fault's sentence."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LOG_TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return "\n".join(f"    {line}" for line in lines[-LOG_TAIL_LINES:])


def how_it_ended(status: int) -> str:
    """Return an exit status in words."""
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"


async def _spawn(arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> asyncio.subprocess.Process:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, SECRET_MODE)
    try:
        return await asyncio.create_subprocess_exec(
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            env=dict(environment),
            start_new_session=True,
        )
    finally:
        os.close(descriptor)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_PATIENCE_SECONDS)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def run_once(name: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
    """Run one command of the project to its end; raises LaunchError with the end of its log where it fails."""
    process = await _spawn(arguments, environment, log)
    try:
        status = await process.wait()
    except asyncio.CancelledError:
        await _stop(process)
        raise
    if status != 0:
        raise LaunchError(f"{name} {how_it_ended(status)}; {log} says:\n{log_tail(log)}")


class RoleProcess:
    """One long-running program of the stack, raised again with growing pauses whenever it ends unasked."""

    def __init__(
        self,
        *,
        name: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        ready: Callable[[], Awaitable[bool]],
    ) -> None:
        self.name = name
        self._arguments = arguments
        self._environment = environment
        self._log = log
        self._ready = ready
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()

    async def start(self, *, patience_seconds: float) -> None:
        """Start it and wait until it is ready; raises LaunchError where it ends or is not ready in time."""
        self._process = await _spawn(self._arguments, self._environment, self._log)
        deadline = time.monotonic() + patience_seconds
        while not await self._ready():
            if self._process.returncode is not None:
                raise LaunchError(
                    f"{self.name} {how_it_ended(self._process.returncode)}; {self._log} says:\n{log_tail(self._log)}"
                )
            if time.monotonic() > deadline:
                raise LaunchError(
                    f"{self.name} was not ready within {patience_seconds:.0f} seconds; "
                    f"{self._log} says:\n{log_tail(self._log)}"
                )
            await asyncio.sleep(READY_POLL_SECONDS)

    async def keep_up(self, *, started: Callable[[], None]) -> None:
        """Raise it again whenever it ends, until it is stopped; `started` is called after each new start.

        Raises LaunchError where it refuses its settings, which no further try mends.
        """
        backoff = FIRST_BACKOFF_SECONDS
        while self._process is not None:
            began = time.monotonic()
            status = await self._process.wait()
            if self._stopping.is_set():
                return
            if status == REFUSED_TO_START_STATUS:
                raise LaunchError(f"{self.name} refuses to start; {self._log} says:\n{log_tail(self._log)}")
            if time.monotonic() - began >= STEADY_AFTER_SECONDS:
                backoff = FIRST_BACKOFF_SECONDS
            say(f"  ! {self.name} {how_it_ended(status)} (see {self._log}); starting it again in {backoff:.1f} s.")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), backoff)
            backoff = min(backoff * 2, LONGEST_BACKOFF_SECONDS)
            if self._stopping.is_set():
                return
            self._process = await _spawn(self._arguments, self._environment, self._log)
            started()

    async def stop(self) -> None:
        """Ask it to end, and end it by force where it does not within twenty seconds."""
        self._stopping.set()
        if self._process is not None:
            await _stop(self._process)
