"""The operator's commands about hosts: each reads its own variables, does one thing, and answers with a status."""

import getpass
import json
import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Final

import click
from pydantic import AfterValidator, Field, SecretStr

from entrypoints.control_settings import long_enough
from entrypoints.operator import DONE, FAILED, RuntimeSettings, with_database
from syneudp import catalog
from syneudp.catalog import HostRefusedError
from syneudp.commands import hosts
from syneudp.commands.hosts import Operator
from syneudp.engines.client import AgentClient
from syneudp.kernel.settings import load_settings

COMMAND: Final = "hosts"
SIZE: Final = re.compile(r"([0-9]{1,15})(?:\s*([KMGTP])iB)?")
POWERS: Final = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}
BAD_SIZE: Final = "A size is a number of bytes or of KiB, MiB, GiB, TiB or PiB, such as 500GiB."


class HostsSettings(RuntimeSettings):
    """What the commands read that ask an agent: the database as the runtime role, and the agents' token."""

    agent_token: Annotated[SecretStr, AfterValidator(long_enough)] = Field(validation_alias="SYNEUDP_AGENT_TOKEN")


async def add(*, by: str, reason: str, capacity_bytes: str | None, **told: object) -> int:
    """Add a host; returns the exit status."""

    async def work(agents: AgentClient) -> int:
        size = None if capacity_bytes is None else bytes_of(capacity_bytes)
        declared = catalog.declared_host(**told, capacity_bytes=size)
        host = await hosts.add_host(agents, declared, _operator(by, reason))
        click.echo(f"The host {host.name} serves {host.engine} ({host.engine_version}) and is open.")
        return DONE

    return await _with_agents(work)


async def show(*, as_json: bool) -> int:
    """List the hosts; returns the exit status."""

    async def work() -> int:
        found, now = await hosts.list_hosts()
        if as_json:
            click.echo(json.dumps([hosts.host_values(host) for host in found], indent=2))
        else:
            click.echo("\n".join(hosts.host_lines(found, now)))
        return DONE

    return await with_database(load_settings(RuntimeSettings), COMMAND, work, quiet=True)


async def change(*, verb: str, name: str, by: str, reason: str) -> int:
    """Drain, close or open a host; returns the exit status."""

    async def work() -> int:
        host = await hosts.change_state(verb, name, _operator(by, reason))
        left = "1 database is" if host.placed_instances == 1 else f"{host.placed_instances} databases are"
        click.echo(f"The host {host.name} is {host.state}. {left} placed on it.")
        return DONE

    return await with_database(load_settings(RuntimeSettings), COMMAND, _refusing(work), quiet=True)


async def inspect(*, name: str, as_json: bool, repair: bool, by: str, reason: str | None) -> int:
    """Compare a host with its agent's reports; returns the exit status, 1 where anything differs."""

    async def work(agents: AgentClient) -> int:
        if repair and not reason:
            raise HostRefusedError("Repairing is written into the audit trail; say why with --reason.")
        inspection = await hosts.inspect_host(agents, name)
        sent = await hosts.repair_host(inspection, _operator(by, reason or "")) if repair else 0
        if as_json:
            click.echo(json.dumps({**hosts.inspection_values(inspection), "sent_again": sent}, indent=2))
        else:
            click.echo("\n".join(hosts.inspection_lines(inspection)))
            if repair:
                click.echo(f"{sent} sent again; the billing role delivers them.")
        return FAILED if inspection.differing else DONE

    return await _with_agents(work)


def bytes_of(text: str) -> int:
    """Read a size such as 500GiB. Raises HostRefusedError."""
    found = SIZE.fullmatch(text.strip())
    if found is None:
        raise HostRefusedError(BAD_SIZE)
    return int(found[1]) << 10 * POWERS[found[2] or ""]


async def _with_agents(work: Callable[[AgentClient], Awaitable[int]]) -> int:
    settings = load_settings(HostsSettings)

    async def with_client() -> int:
        async with AgentClient(settings.agent_token.get_secret_value()) as agents:
            return await work(agents)

    return await with_database(settings, COMMAND, _refusing(with_client), quiet=True)


def _refusing(work: Callable[[], Awaitable[int]]) -> Callable[[], Awaitable[int]]:
    async def told() -> int:
        try:
            return await work()
        except HostRefusedError as refusal:
            click.echo(str(refusal), err=True)
            return FAILED

    return told


def _operator(by: str, reason: str) -> Operator:
    if not reason.strip():
        raise HostRefusedError("The reason is empty; say in a few words why.")
    return Operator(name=by or getpass.getuser(), reason=reason.strip())
