"""The operator's commands: each reads its own variables, does one thing, and answers with an exit status."""

from collections.abc import Awaitable, Callable

import click
from pydantic import Field, SecretStr

from syneudp import catalog, instances
from syneudp.catalog import CatalogSettings
from syneudp.commands.billing_status import billing_status
from syneudp.commands.migrate import migrate as bring_up_to_date
from syneudp.kernel.database import Connection, database, reading, transact
from syneudp.kernel.logging import configure_logging
from syneudp.kernel.settings import Settings, load_settings

DONE = 0
FAILED = 1


class MigrationSettings(Settings):
    """What ``migrate`` reads: the control database as the owner of its tables."""

    database_url: SecretStr = Field(validation_alias="SYNEUDP_MIGRATION_DATABASE_URL")


class RuntimeSettings(Settings):
    """What a command reads that works as the runtime role."""

    database_url: SecretStr = Field(validation_alias="SYNEUDP_DATABASE_URL")


class SeedSettings(CatalogSettings, RuntimeSettings):
    """What ``seed`` reads: the currency of prices and the declared hosts."""


async def with_database(
    settings: RuntimeSettings | MigrationSettings,
    command: str,
    work: Callable[[], Awaitable[int]],
    *,
    quiet: bool = False,
) -> int:
    """Do a command's work with the control database open and the secrets kept out of the log.

    A quiet one logs nothing unless asked for debug: what it prints is all there is to say.
    """
    configure_logging(
        "critical" if quiet and settings.log_level != "debug" else settings.log_level,
        secrets=settings.secrets(),
        role=command,
    )
    async with database(settings.database_url.get_secret_value(), application_name=f"syneudp-{command}", pool_size=2):
        return await work()


async def migrate() -> int:
    """Apply the migrations that are missing; returns the exit status."""
    settings = load_settings(MigrationSettings)
    configure_logging(settings.log_level, secrets=settings.secrets(), role="migrate")
    applied = await bring_up_to_date(settings.database_url.get_secret_value())
    click.echo(f"Applied: {', '.join(applied)}" if applied else "The control database is up to date.")
    return DONE


async def seed() -> int:
    """Add plans, prices and declared hosts where they are missing; returns the exit status."""
    settings = load_settings(SeedSettings)

    async def plant(tx: Connection) -> None:
        await instances.seed_plans(tx, currency=settings.currency)
        await catalog.register_hosts(tx, settings.declared_hosts)

    async def work() -> int:
        await transact(plant)
        click.echo(f"Plans in {settings.currency} and {len(settings.declared_hosts)} declared hosts are there.")
        return DONE

    return await with_database(settings, "seed", work)


async def show_billing_status() -> int:
    """Print how far billing has come and what waits; returns the exit status."""
    settings = load_settings(RuntimeSettings)

    async def work() -> int:
        status = await billing_status(reading())
        click.echo("\n".join(status.lines()))
        return DONE

    return await with_database(settings, "billing-status", work)
