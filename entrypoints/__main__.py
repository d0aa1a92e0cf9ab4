"""The ``syneudp`` command: one role of the platform, or one operator command.

Each part is imported by name only when it is asked for, so that no process carries another plane's code.
"""

import click
from click.core import ParameterSource

from entrypoints.commanding import REFUSED_STATUS, run_module, run_operator_command
from entrypoints.host_commands import hosts
from entrypoints.ledger_commands import ledger
from entrypoints.price_commands import prices
from entrypoints.wallet_commands import wallet

ROLES = ("api", "billing", "agent")


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--role", type=click.Choice(ROLES), envvar="SYNEUDP_ROLE", help="The role this process plays.")
@click.version_option(package_name="syneudp", prog_name="syneudp")
@click.pass_context
def main(context: click.Context, role: str | None) -> None:
    """Run one role of SyneUDP (--role or SYNEUDP_ROLE), or one operator command."""
    if context.invoked_subcommand is not None:
        if context.get_parameter_source("role") is ParameterSource.COMMANDLINE:
            raise click.UsageError("Give either --role or a command, not both.")
        return
    if role is None:
        click.echo(context.get_help())
        context.exit(REFUSED_STATUS)
    run_module(role)


@main.command()
def migrate() -> None:
    """Bring the control database to this release's schema, as the owner of its tables."""
    run_operator_command("migrate")


@main.command()
def seed() -> None:
    """Add the plans, their prices and the declared hosts where they are missing."""
    run_operator_command("seed")


@main.group()
def engines() -> None:
    """Look after the engines that customers' databases live on."""


@engines.command()
def prepare() -> None:
    """Make an engine ready for the agent, once, with its superuser's credentials."""
    run_module("prepare")


main.add_command(hosts)


main.add_command(ledger)
main.add_command(prices)
main.add_command(wallet)


@main.group()
def billing() -> None:
    """Look after billing."""


@billing.command()
def status() -> None:
    """Tell how far each shard's hours are closed and what waits."""
    run_operator_command("show_billing_status")


@main.command()
def local() -> None:
    """Start the whole platform on this machine for development."""
    run_module("local")


@main.command("local-auth")
def local_auth() -> None:
    """Start the local auth server, which stands in for Supabase Auth while developing."""
    run_module("local_auth")


if __name__ == "__main__":
    main(prog_name="syneudp")
