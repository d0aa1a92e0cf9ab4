"""The operator's commands about wallets: each reads its own variables, does one thing, and answers with a status."""

import getpass
import json
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

import click

from entrypoints.operator import DONE, FAILED, RuntimeSettings, with_database
from syneudp.commands import wallets
from syneudp.commands.hosts import Operator
from syneudp.commands.wallets import Acted, WalletRefusedError
from syneudp.instances import InstancesSettings
from syneudp.kernel.settings import load_settings

COMMAND: Final = "wallet"


class WalletCommandSettings(RuntimeSettings, InstancesSettings):
    """What the commands read: the database as the runtime role, and the runway that a wallet must cover."""


async def show(*, customer: str, at: str | None, as_json: bool) -> int:
    """Show a wallet; returns the exit status."""

    async def work() -> int:
        shown = await wallets.show(customer, at=at)
        if as_json:
            click.echo(json.dumps(wallets.shown_values(shown), indent=2))
        else:
            click.echo("\n".join(wallets.shown_lines(shown)))
        return DONE

    return await with_database(load_settings(RuntimeSettings), COMMAND, _refusing(work), quiet=True)


async def credit(*, customer: str, amount: str, by: str, reason: str, key: str | None, as_json: bool) -> int:
    """Give money to a wallet; returns the exit status."""
    settings = load_settings(WalletCommandSettings)

    async def act() -> Acted:
        runway_seconds = settings.minimum_runway_seconds
        return await wallets.credit(customer, amount, _operator(by, reason), key=key, runway_seconds=runway_seconds)

    return await _acting(settings, act, as_json=as_json)


async def refund(
    *, customer: str, amount: str, top_up: str, by: str, reason: str, key: str | None, as_json: bool
) -> int:
    """Take back part of a top-up; returns the exit status."""

    async def act() -> Acted:
        try:
            top_up_id = UUID(top_up)
        except ValueError:
            raise WalletRefusedError(wallets.NO_TOP_UP) from None
        return await wallets.refund(customer, amount, top_up_id, _operator(by, reason), key=key)

    return await _acting(load_settings(WalletCommandSettings), act, as_json=as_json)


async def adjust(*, customer: str, amount: str, by: str, reason: str, key: str | None, as_json: bool) -> int:
    """Correct a wallet up or down; returns the exit status."""
    settings = load_settings(WalletCommandSettings)

    async def act() -> Acted:
        runway_seconds = settings.minimum_runway_seconds
        return await wallets.adjust(customer, amount, _operator(by, reason), key=key, runway_seconds=runway_seconds)

    return await _acting(settings, act, as_json=as_json)


async def _acting(settings: RuntimeSettings, act: Callable[[], Awaitable[Acted]], *, as_json: bool) -> int:
    async def work() -> int:
        done = await act()
        click.echo(json.dumps(wallets.acted_values(done), indent=2) if as_json else wallets.acted_line(done))
        return DONE

    return await with_database(settings, COMMAND, _refusing(work), quiet=True)


def _refusing(work: Callable[[], Awaitable[int]]) -> Callable[[], Awaitable[int]]:
    async def told() -> int:
        try:
            return await work()
        except WalletRefusedError as refusal:
            click.echo(str(refusal), err=True)
            return FAILED

    return told


def _operator(by: str, reason: str) -> Operator:
    if not reason.strip():
        raise WalletRefusedError("The reason is empty; say in a few words why.")
    return Operator(name=by or getpass.getuser(), reason=reason.strip())
