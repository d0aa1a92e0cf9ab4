"""``syneudp wallet``: the words of the command line, without what they do."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from entrypoints.commanding import run_operator_command
from entrypoints.host_commands import acting

Command = TypeVar("Command", bound=Callable[..., Any])

MODULE: Final = "operator_wallet"
KEY: Final = "Moves the money once, however often the same key is given."
AMOUNT: Final = "AMOUNT"


def moving(command: Command) -> Command:
    """Give a command what every movement of money takes: customer, amount, reason, who acts, and a key."""
    keyed = click.option("--key", help=KEY)(acting(command))
    told = click.option("--json", "as_json", is_flag=True, help="Print JSON.")(keyed)
    return click.argument("customer")(click.argument("amount", metavar=AMOUNT)(told))


@click.group()
def wallet() -> None:
    """Look after a customer's wallet; CUSTOMER is an address, a customer's id or a wallet's."""


@wallet.command()
@click.argument("customer")
@click.option("--at", metavar="INSTANT", help="Tell what it held then too, such as 2026-11-24T10:00:00Z.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(**told: Any) -> None:
    """Show what a wallet has, owes and burns, its newest top-ups and its newest postings."""
    run_operator_command("show", module=MODULE, **told)


@wallet.command()
@moving
def credit(**told: Any) -> None:
    """Give AMOUNT currency units to a wallet; what it owes is paid first, and what it covers runs again."""
    run_operator_command("credit", module=MODULE, **told)


@wallet.command()
@moving
@click.option("--top-up", required=True, help="The top-up that was paid back, as `wallet show` lists it.")
def refund(**told: Any) -> None:
    """Take AMOUNT of a top-up back after it was paid back outside of any provider; the rest becomes a debt."""
    run_operator_command("refund", module=MODULE, **told)


@wallet.command(context_settings={"ignore_unknown_options": True})
@moving
def adjust(**told: Any) -> None:
    """Correct a wallet by AMOUNT, or by -AMOUNT downwards; what it does not have becomes a debt."""
    run_operator_command("adjust", module=MODULE, **told)
