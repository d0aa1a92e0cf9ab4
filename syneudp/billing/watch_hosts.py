"""Ask every agent whether it and its engines answer, so that nothing new is placed where nobody does."""

import asyncio
from functools import partial
from typing import Final

from syneudp import catalog
from syneudp.catalog import HostState, HostView
from syneudp.engines.client import AgentClient, AgentError
from syneudp.engines.contract import Engine
from syneudp.kernel.database import reading, transact
from syneudp.kernel.logging import log

ASK_SECONDS: Final = 12.0
ASKED_AT_ONCE: Final = 16


async def watch_hosts(agents: AgentClient) -> None:
    """Ask the agent of every host that is not closed once, and write down what it says of the host's engine."""
    by_agent: dict[str, list[HostView]] = {}
    for host in await catalog.hosts(reading()):
        if host.state is not HostState.CLOSED:
            by_agent.setdefault(host.agent_url, []).append(host)
    places = asyncio.Semaphore(ASKED_AT_ONCE)

    async def ask(agent_url: str, hosts: list[HostView]) -> None:
        async with places:
            answering = await _answering(agents, agent_url)
            versions = await _versions(agents, agent_url, hosts, answering)
        for host in hosts:
            await _write_down(host, answers=answering.get(host.engine, False), version=versions.get(host.engine))

    await asyncio.gather(*[ask(agent_url, hosts) for agent_url, hosts in by_agent.items()])


async def _answering(agents: AgentClient, agent_url: str) -> dict[Engine, bool]:
    try:
        return await agents.health(agent_url=agent_url, timeout_seconds=ASK_SECONDS)
    except AgentError:
        return {}


async def _versions(
    agents: AgentClient, agent_url: str, hosts: list[HostView], answering: dict[Engine, bool]
) -> dict[Engine, str]:
    news = [host for host in hosts if host.unreachable_since is not None or not host.engine_version]
    if not any(answering.get(host.engine, False) for host in news):
        return {}
    try:
        report = await agents.host(agent_url=agent_url)
    except AgentError:
        return {}
    return {told.engine: f"{told.flavour} {told.version}"[:100] for told in report.engines}


async def _write_down(host: HostView, *, answers: bool, version: str | None) -> None:
    if answers:
        if await transact(partial(catalog.record_answer, host=host, engine_version=version)):
            log.info("host_answers_again", host=host.name)
    elif await transact(partial(catalog.record_silence, host=host)):
        log.warning("host_unreachable", host=host.name)
