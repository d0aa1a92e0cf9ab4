import asyncio
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp

from entrypoints.embedded import free_port
from tests.servers import ROOT

READY_WITHIN_SECONDS = 20


@dataclass
class AgentRole:
    """The agent as a process of its own, and a session that carries its token."""

    process: asyncio.subprocess.Process
    url: str
    token: str
    session: aiohttp.ClientSession

    async def call(self, method: str, path: str, body: object = None, **options: Any) -> tuple[int, Any]:
        headers = options.pop("headers", {"X-Agent-Token": self.token})
        async with self.session.request(method, self.url + path, json=body, headers=headers, **options) as response:
            if response.content_type.endswith("json"):
                return response.status, await response.json()
            return response.status, await response.text()

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()


def agent_environment(**variables: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), "SYNEUDP_WARM_POOL": "0", **variables}


async def run_agent(environment: dict[str, str]) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "entrypoints",
        "--role",
        "agent",
        env=environment,
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), READY_WITHIN_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, (out + err).decode()


@asynccontextmanager
async def running_agent(
    *, token: str | None = None, until: str = "healthy", **variables: str
) -> AsyncIterator[AgentRole]:
    token = token or secrets.token_urlsafe(32)
    port = free_port()
    environment = agent_environment(SYNEUDP_AGENT_BIND=f"127.0.0.1:{port}", SYNEUDP_AGENT_TOKEN=token, **variables)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "entrypoints", "--role", "agent", env=environment, cwd=ROOT
    )
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
            role = AgentRole(process=process, url=f"http://127.0.0.1:{port}", token=token, session=session)
            await _until_ready(role, until=until)
            yield role
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.wait(), READY_WITHIN_SECONDS)


async def _until_ready(role: AgentRole, *, until: str) -> None:
    async with asyncio.timeout(READY_WITHIN_SECONDS):
        while True:
            assert role.process.returncode is None, "the agent ended while starting"
            with suppress(aiohttp.ClientConnectionError):
                if (await role.call("GET", "/v1/health"))[0] == HTTPStatus.OK or until == "answering":
                    return
            await asyncio.sleep(0.05)
