"""How a role or a command is found by name, run, and its refusal told.

Each is imported only when it is asked for, so that no process carries another plane's code.
"""

import sys
from importlib import import_module
from typing import Any, NoReturn

import click
import uvloop

from syneudp.kernel.addresses import BindRefusedError
from syneudp.kernel.loops import run_until_stopped
from syneudp.kernel.settings import SettingsInvalidError

REFUSED_STATUS = 2


def refuse(opening: str, faults: list[str]) -> NoReturn:
    """Print every fault on its own line and end the process with status 2."""
    for sentence in [opening, *faults]:
        click.echo(sentence, err=True)
    sys.exit(REFUSED_STATUS)


def run_module(name: str) -> None:
    """Run a module's ``run(stopping)`` until it is told to stop.

    Ends the process with status 2 where its settings have faults, after printing every one of them.
    """
    module = import_module(f"entrypoints.{name}")
    try:
        uvloop.run(run_until_stopped(module.run))
    except SettingsInvalidError as error:
        refuse(f"{name} cannot start with these settings:", error.faults)
    except BindRefusedError as error:
        refuse(f"{name} refuses to listen there:", [str(error)])


def run_operator_command(command: str, /, *, module: str = "operator", **told: Any) -> NoReturn:
    """Run one verb of a module of operators' commands to its end; its answer is the exit status."""
    commands = import_module(f"entrypoints.{module}")
    try:
        status = uvloop.run(getattr(commands, command)(**told))
    except SettingsInvalidError as error:
        refuse(f"{command.replace('_', ' ')} cannot run with these settings:", error.faults)
    sys.exit(status)
