"""``syneudp prices``: the words of the command line, without what they do."""

from typing import Any, Final

import click

from entrypoints.commanding import run_operator_command
from entrypoints.host_commands import acting

MODULE: Final = "operator_prices"


@click.group()
def prices() -> None:
    """Look after what plans cost."""


@prices.command("set")
@click.argument("plan")
@click.option("--hour-price", metavar="UNITS", help="What an hour costs, in currency units, such as 0.0125.")
@click.option("--storage-price", metavar="UNITS", help="What a GiB stored for an hour costs, such as 0.000137.")
@click.option("--from", "begins", required=True, metavar="INSTANT", help="The full hour, such as 2026-12-01T10:00:00Z.")
@acting
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def set_price(**told: Any) -> None:
    """Set what PLAN costs from a full hour to come on, for what runs on it too; once set, it stays."""
    run_operator_command("set_price", module=MODULE, **told)


@prices.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_prices(**told: Any) -> None:
    """List every price of every plan: past, present and to come."""
    run_operator_command("list_prices", module=MODULE, **told)
