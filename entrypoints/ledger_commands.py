"""``syneudp ledger``: the words of the command line, without what they do."""

from typing import Any, Final

import click

from entrypoints.commanding import run_operator_command
from entrypoints.host_commands import acting

MODULE: Final = "operator_ledger"


@click.group()
def ledger() -> None:
    """Look after the books."""


@ledger.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def audit(as_json: bool) -> None:
    """Recompute the books and compare; ends with status 1 where anything differs."""
    run_operator_command("audit", module=MODULE, as_json=as_json)


@ledger.command()
@click.option("--checkpoint", metavar="FILE", help="A checkpoint that `ledger export` wrote; - is standard input.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify(**told: Any) -> None:
    """Recompute the seals, and compare with an exported checkpoint; ends with status 1 where anything differs."""
    run_operator_command("verify", module=MODULE, **told)


@ledger.command()
@click.option("--output", metavar="FILE", default="-", show_default=True, help="A file that is not there yet.")
def export(output: str) -> None:
    """Write the newest checkpoint as JSON lines, to be kept where the control database does not reach."""
    run_operator_command("export", module=MODULE, output=output)


@ledger.command()
@click.option("--before", metavar="MONTH", required=True, help="The first month that stays, such as 2026-11.")
@click.option("--output", metavar="FILE", required=True, help="Where the checkpoint behind it goes; not there yet.")
@acting
def detach(**told: Any) -> None:
    """Take the entries of the months before one out of the books, as the owner of its tables; audits them first."""
    run_operator_command("detach", module=MODULE, **told)
