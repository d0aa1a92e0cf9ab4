"""localstripe as a process of its own, on loopback alone: its own command listens on every address."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import URLError
from urllib.request import Request, urlopen

from entrypoints.embedded import free_port
from tests.instances.agents import plain_environment

PROGRAM = (
    "import sys\n"
    "from aiohttp import web\n"
    "from localstripe.server import app\n"
    "web.run_app(app, host='127.0.0.1', port=int(sys.argv[1]), print=None)\n"
)


@contextmanager
def running_localstripe() -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(port)],
        env=plain_environment({}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _await(f"{url}/v1/balance_transactions", process)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=20)


def _await(url: str, process: "subprocess.Popen[bytes]") -> None:
    ends = time.monotonic() + 60
    while True:
        try:
            with urlopen(Request(url, headers={"Authorization": "Bearer sk_test_probe"}), timeout=5):
                return
        except URLError:
            if process.poll() is not None or time.monotonic() > ends:
                raise
            time.sleep(0.05)
