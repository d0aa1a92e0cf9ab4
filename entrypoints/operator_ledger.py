"""The operator's commands about the books: each reads its own variables, does one thing, and answers with a status."""

import getpass
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

import click

from entrypoints.operator import DONE, FAILED, MigrationSettings, RuntimeSettings, with_database
from syneudp.commands import ledger_detach, ledger_seals
from syneudp.commands.hosts import Operator
from syneudp.commands.ledger_audit import audit_books
from syneudp.commands.ledger_seals import CheckpointRefusedError
from syneudp.kernel.settings import load_settings
from syneudp.ledger import DetachRefusedError, Finding
from syneudp.wallet import Month, MonthInvalidError

COMMAND: Final = "ledger"
STANDARD: Final = "-"


async def audit(*, as_json: bool) -> int:
    """Recompute the books and print each violation on its own line; returns the exit status, 1 where there is one."""

    async def work() -> int:
        return tell(await audit_books(), right="The books are right.", as_json=as_json)

    return await with_database(load_settings(RuntimeSettings), COMMAND, work, quiet=as_json)


async def verify(*, checkpoint: str | None, as_json: bool) -> int:
    """Recompute the seals and compare with an exported checkpoint; returns the status, 1 where anything differs."""

    async def work() -> int:
        told = None if checkpoint is None else ledger_seals.read_checkpoint(_read(checkpoint))
        return tell(await ledger_seals.verify_books(told), right="Every seal is unbroken.", as_json=as_json)

    return await with_database(load_settings(RuntimeSettings), COMMAND, refusing(work), quiet=True)


async def export(*, output: str) -> int:
    """Write the newest checkpoint to a file that must not exist yet, or to standard output; returns the exit status."""

    async def work() -> int:
        write(output, await ledger_seals.export_checkpoint())
        return DONE

    return await with_database(load_settings(RuntimeSettings), COMMAND, refusing(work), quiet=True)


async def detach(*, before: str, output: str, by: str, reason: str) -> int:
    """Detach the entries of the months before one, as the owner of the books; returns the exit status."""

    async def work() -> int:
        if not reason.strip():
            raise DetachRefusedError("The reason is empty; say in a few words why.")
        try:
            month = Month.parse(before)
        except MonthInvalidError:
            raise DetachRefusedError("A month is written as 2026-11.") from None
        operator = Operator(name=by or getpass.getuser(), reason=reason.strip())
        done = await ledger_detach.detach_before(month, output, operator)
        click.echo("\n".join(ledger_detach.detached_lines(done)))
        return DONE

    return await with_database(load_settings(MigrationSettings), COMMAND, refusing(work), quiet=True)


def tell(findings: Sequence[Finding], *, right: str, as_json: bool) -> int:
    """Print violations, as lines or as JSON, and answer with the exit status that they mean."""
    if as_json:
        told = [{"rule": each.rule, "row": each.row, "detail": each.detail} for each in findings]
        click.echo(json.dumps(told, indent=2))
    else:
        for each in findings:
            click.echo(f"{each.rule}: {each.row}: {each.detail}")
        click.echo(f"{len(findings)} violations." if findings else right)
    return FAILED if findings else DONE


def refusing(work: Callable[[], Awaitable[int]]) -> Callable[[], Awaitable[int]]:
    """Turn a refusal into its sentence on standard error and exit status 1."""

    async def told() -> int:
        try:
            return await work()
        except (CheckpointRefusedError, DetachRefusedError) as refusal:
            click.echo(str(refusal), err=True)
            return FAILED

    return told


def write(output: str, lines: Sequence[str]) -> None:
    """Write lines to standard output or to a file that is not there yet. Raises CheckpointRefusedError."""
    text = "".join(f"{line}\n" for line in lines)
    if output == STANDARD:
        click.echo(text, nl=False)
        return
    try:
        with Path(output).open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise CheckpointRefusedError("That file exists already; nothing was written.") from None
    except OSError as error:
        raise CheckpointRefusedError(f"The file cannot be written: {error.strerror}.") from None


def _read(name: str) -> str:
    try:
        return sys.stdin.read() if name == STANDARD else Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise CheckpointRefusedError(f"The file cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise CheckpointRefusedError(ledger_seals.NOT_A_CHECKPOINT) from None
