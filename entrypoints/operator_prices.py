"""The operator's commands about prices: each reads its own variables, does one thing, and answers with a status."""

import getpass
import json
from typing import Final

import click

from entrypoints.operator import DONE, FAILED, RuntimeSettings, with_database
from syneudp.commands import prices
from syneudp.commands.hosts import Operator
from syneudp.commands.prices import PriceRefusedError
from syneudp.kernel.settings import load_settings

COMMAND: Final = "prices"


async def set_price(
    *, plan: str, hour_price: str | None, storage_price: str | None, begins: str, by: str, reason: str, as_json: bool
) -> int:
    """Set a price to come; returns the exit status."""

    async def work() -> int:
        operator = Operator(name=by or getpass.getuser(), reason=reason)
        try:
            done = await prices.set_price(
                plan, hour_price=hour_price, storage_price=storage_price, begins=begins, operator=operator
            )
        except PriceRefusedError as refusal:
            click.echo(str(refusal), err=True)
            return FAILED
        told = {**prices.price_values(done.price), "replayed": done.replayed}
        click.echo(json.dumps(told, indent=2) if as_json else prices.set_line(done))
        return DONE

    return await with_database(load_settings(RuntimeSettings), COMMAND, work, quiet=True)


async def list_prices(*, as_json: bool) -> int:
    """List the prices; returns the exit status."""

    async def work() -> int:
        listed = await prices.list_prices()
        if as_json:
            told = [{**prices.price_values(line.price), "state": line.state} for line in listed]
            click.echo(json.dumps(told, indent=2))
        else:
            click.echo("\n".join(prices.price_lines(listed)))
        return DONE

    return await with_database(load_settings(RuntimeSettings), COMMAND, work, quiet=True)
