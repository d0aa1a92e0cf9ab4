"""``syneudp hosts``: the words of the command line, without what they do."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from entrypoints.commanding import run_operator_command

Command = TypeVar("Command", bound=Callable[..., Any])

MODULE: Final = "operator_hosts"
REASON: Final = "Why; it goes into the audit trail."
BY: Final = "Who acts, for the audit trail; the account of this process unless given."


def acting(command: Command) -> Command:
    """Give a command the two options that say who acts and why."""
    by = click.option("--by", envvar="SYNEUDP_OPERATOR", default="", help=BY)
    return by(click.option("--reason", required=True, help=REASON)(command))


@click.group()
def hosts() -> None:
    """Look after the hosts that customers' databases are placed on."""


@hosts.command()
@click.argument("name")
@click.option("--engine", required=True, type=click.Choice(["postgresql", "mysql"]))
@click.option("--agent-url", required=True, help="Where its agent answers, such as http://10.0.0.5:8100.")
@click.option("--capacity", required=True, type=int, help="How many databases it takes.")
@click.option("--capacity-bytes", help="What their plans may store together, such as 500GiB; not counted unless given.")
@acting
def add(**told: Any) -> None:
    """Add a host, once its agent has answered and serves the engine."""
    run_operator_command("add", module=MODULE, **told)


@hosts.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(as_json: bool) -> None:
    """List the hosts: state, capacity, what is placed, whether they answer, which version."""
    run_operator_command("show", module=MODULE, as_json=as_json)


@hosts.command()
@click.argument("name")
@acting
def drain(name: str, by: str, reason: str) -> None:
    """Place nothing new on a host; what is there stays."""
    run_operator_command("change", module=MODULE, verb="drain", name=name, by=by, reason=reason)


@hosts.command()
@click.argument("name")
@acting
def close(name: str, by: str, reason: str) -> None:
    """Take an empty host out of service."""
    run_operator_command("change", module=MODULE, verb="close", name=name, by=by, reason=reason)


@hosts.command("open")
@click.argument("name")
@acting
def open_again(name: str, by: str, reason: str) -> None:
    """Place on a draining or closed host again, or release a quarantined one as it is."""
    run_operator_command("change", module=MODULE, verb="open", name=name, by=by, reason=reason)


@hosts.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, every database in it.")
@click.option("--repair", is_flag=True, help="Send what is wanted of every drifted database again.")
@click.option("--by", envvar="SYNEUDP_OPERATOR", default="", help=BY)
@click.option("--reason", help=REASON)
def inspect(**told: Any) -> None:
    """Compare a host with its agent's reports, both ways; ends with status 1 where anything differs."""
    run_operator_command("inspect", module=MODULE, **told)
