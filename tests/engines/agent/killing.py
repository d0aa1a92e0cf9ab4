import asyncio
import json
import random
import sys

from syneudp.engines.contract import Endpoint, Engine


async def kill_an_agent_in_the_middle(engine: Engine, *, admin_url: str, endpoint: Endpoint) -> None:
    """Let another process fill and claim for a random moment, then end it with SIGKILL."""
    doomed = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.engines.agent.doomed",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert doomed.stdin is not None
    assert doomed.stdout is not None
    order = {"engine": engine.value, "admin_url": admin_url, "host": endpoint.host, "port": endpoint.port}
    doomed.stdin.write(json.dumps(order).encode() + b"\n")
    try:
        assert await doomed.stdout.readline() == b"opened\n"
        await asyncio.sleep(random.uniform(0, 0.4))
        assert doomed.returncode is None
    finally:
        doomed.kill()
        await doomed.wait()
