"""Server processes that never outlive whoever started them."""

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from entrypoints.embedded.accounts import Account, DeathSignal, command_as, engine_environment
from entrypoints.embedded.errors import EmbeddedEngineError

LOOK_EVERY_SECONDS: Final = 0.02
LOG_LINES_SHOWN: Final = 3
Progress = Callable[[str], None]


def say_nothing(_sentence: str) -> None:
    """Take a sentence about progress and keep quiet."""


class ServerProcess:
    """One server in a session of its own, so that Ctrl-C reaches only the launcher, which stops it in order.

    It is started by a thread that lives exactly as long as the server: Linux ties the death signal to the thread that
    forked, and a worker of a thread pool may end earlier. When the launcher dies in whatever way, the server gets its
    stop signal and stops as well.
    """

    def __init__(
        self, name: str, command: Sequence[str], *, account: Account, log: Path, stop_signal: DeathSignal
    ) -> None:
        self._name = name
        self._stop_signal = signal.Signals[f"SIG{stop_signal}"]
        self._command = command_as(account, command, death_signal=stop_signal)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._failure: OSError | None = None
        self._launched = threading.Event()
        self._ended = threading.Event()

    @property
    def pid(self) -> int:
        """Tell the process id of the running server."""
        if self._process is None:
            raise EmbeddedEngineError(f"{self._name} is not running.")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Say whether the process is alive."""
        return self._process is not None and not self._ended.is_set()

    def start(self, *, ready: Callable[[int], bool], within_seconds: float) -> None:
        """Start the server and wait until `ready`, which gets its process id, says yes.

        Raises EmbeddedEngineError with the last lines of its log where it ends or takes too long; nothing stays
        running then.
        """
        threading.Thread(target=self._keep, name=f"keeper of {self._name}", daemon=True).start()
        self._launched.wait()
        if self._failure is not None:
            raise EmbeddedEngineError(f"{self._name} could not be started: {self._failure.strerror}.")
        try:
            self._wait(ready, within_seconds)
        except BaseException:
            self.stop(within_seconds=0)
            raise

    def stop(self, *, within_seconds: float) -> None:
        """Ask the server to stop, and end it hard where it has not stopped in time; stopping twice is fine."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            self._process.send_signal(self._stop_signal)
        if not self._ended.wait(within_seconds):
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._ended.wait()
        self._process = None

    def _wait(self, ready: Callable[[int], bool], within_seconds: float) -> None:
        deadline = time.monotonic() + within_seconds
        while not ready(self.pid):
            if self._ended.is_set():
                raise EmbeddedEngineError(f"{self._name} did not start. Its log ends with: {self._last_words()}")
            if time.monotonic() > deadline:
                waited = f"was not ready after {within_seconds:.0f} s"
                raise EmbeddedEngineError(f"{self._name} {waited}. Its log ends with: {self._last_words()}")
            time.sleep(LOOK_EVERY_SECONDS)

    def _keep(self) -> None:
        try:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=engine_environment(),
                    cwd="/",
                    start_new_session=True,
                )
        except OSError as failure:
            self._failure = failure
            self._ended.set()
            return
        finally:
            self._launched.set()
        self._process.wait()
        self._ended.set()

    def _last_words(self) -> str:
        return last_lines(self._log.read_bytes())


def run_to_end(name: str, command: Sequence[str], *, account: Account, input_text: str | None = None) -> None:
    """Run a short program under the account; raises EmbeddedEngineError with its last words where it fails."""
    done = subprocess.run(
        command_as(account, command, death_signal="KILL"),
        input=None if input_text is None else input_text.encode(),
        stdin=subprocess.DEVNULL if input_text is None else None,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=engine_environment(),
        cwd="/",
        check=False,
    )
    if done.returncode != 0:
        raise EmbeddedEngineError(f"{name} failed. It said: {last_lines(done.stdout)}")


def last_lines(output: bytes) -> str:
    """Join the last lines of a program's output into one line of text."""
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    return " / ".join(lines[-LOG_LINES_SHOWN:]) or "nothing"


def refuse_busy_port(name: str, host: str, port: int) -> None:
    """Raise EmbeddedEngineError where something listens on the port already, or the address is not this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as failure:
            raise EmbeddedEngineError(f"{name} cannot listen on {host} port {port}: {failure.strerror}.") from failure


def free_port(host: str = "127.0.0.1") -> int:
    """Find a port that nothing listens on right now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
