import asyncio
import signal
import subprocess
import sys
import time

import pytest

from syneudp.kernel.loops import supervise
from tests.servers import ROOT


async def test_a_failing_round_is_survived() -> None:
    stopping = asyncio.Event()
    rounds = 0

    async def work() -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            raise RuntimeError("first")
        stopping.set()

    await asyncio.wait_for(supervise("test", work, every_seconds=0.01, stopping=stopping), 5)
    assert rounds == 2


async def test_waking_starts_the_next_round_at_once() -> None:
    stopping, wake = asyncio.Event(), asyncio.Event()
    rounds = 0

    async def work() -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 2:
            stopping.set()

    running = asyncio.create_task(supervise("test", work, every_seconds=60, stopping=stopping, wake=wake))
    await asyncio.sleep(0.05)
    wake.set()
    began = time.monotonic()
    await asyncio.wait_for(running, 5)
    assert time.monotonic() - began < 5


ROLE = """
import asyncio, os, signal
from syneudp.kernel.loops import run_until_stopped

async def main(stopping):
    os.kill(os.getpid(), {number})
    await asyncio.wait_for(stopping.wait(), 5)

asyncio.run(run_until_stopped(main))
os.kill(os.getpid(), {number})
print("ended in good order")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_role_in_good_order_and_a_second_one_on_its_way_out_changes_nothing(
    number: signal.Signals,
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", ROLE.format(number=int(number))],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (ended.returncode, ended.stdout) == (0, "ended in good order\n"), ended.stderr
