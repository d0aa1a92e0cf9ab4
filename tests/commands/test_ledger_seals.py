import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import asyncpg
import pytest

from entrypoints.embedded import PostgreSQLServer
from syneudp import ledger
from syneudp.commands.ledger_seals import CheckpointRefusedError, checkpoint_lines, read_checkpoint
from syneudp.kernel.database import transact
from syneudp.ledger import Checkpoint, Seal
from tests.servers import ROOT, ControlDatabase
from tests.wallet.customers import UNIT, new_customer, top_up

SHARD = 9
TOLD = Checkpoint(
    number=7,
    taken_at=0,
    previous_digest=bytes(32),
    digest=bytes(32),
    seals=(Seal(shard=3, number=5, until_ordinal=40, transfers=2, entries=4, digest=bytes(range(32))),),
)
RIGHT = list(
    checkpoint_lines(
        Checkpoint(7, 0, bytes(32), ledger.checkpoint_digest(TOLD), TOLD.seals),
    )
)


def command(control: ControlDatabase, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    kept = {name: told for name, told in os.environ.items() if not name.startswith("SYNEUDP_")}
    return subprocess.run(
        [sys.executable, "-m", "entrypoints", "ledger", *arguments],
        cwd=ROOT,
        env={**kept, "SYNEUDP_DATABASE_URL": control.url},
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def fill_and_seal() -> None:
    await new_customer(shard=SHARD, balance_micros=UNIT)
    await transact(partial(ledger.seal, shard=SHARD))
    await transact(ledger.take_checkpoint)


async def test_a_checkpoint_is_exported_and_the_books_are_verified_against_it(
    control: ControlDatabase, postgresql_server: PostgreSQLServer, tmp_path: Path
) -> None:
    customer = await new_customer(shard=SHARD)
    await fill_and_seal()
    file = tmp_path / "checkpoint.jsonl"
    assert command(control, "export", "--output", str(file)).returncode == 0
    head, *seals = [json.loads(line) for line in file.read_text().splitlines()]
    assert (head["kind"], head["number"], head["seals"]) == ("checkpoint", 1, len(seals))
    assert command(control, "export").stdout == file.read_text()
    again = command(control, "export", "--output", str(file))
    assert (again.returncode, again.stderr) == (1, "That file exists already; nothing was written.\n")
    await top_up(customer, 5)
    await fill_and_seal()
    verified = command(control, "verify", "--checkpoint", str(file))
    assert (verified.returncode, verified.stdout) == (0, "Every seal is unbroken.\n"), verified.stderr
    assert command(control, "verify", "--checkpoint", "-", given=file.read_text()).returncode == 0
    superuser = await asyncpg.connect(postgresql_server.superuser_url(control.name))
    await superuser.execute("SET session_replication_role = replica")
    await superuser.execute("DELETE FROM checkpoints; UPDATE seals SET sealed_at = 0; DELETE FROM seals")
    await superuser.close()
    assert command(control, "verify").returncode == 0
    rewritten = command(control, "verify", "--checkpoint", str(file), "--json")
    assert rewritten.returncode == 1
    assert {each["rule"] for each in json.loads(rewritten.stdout)} == {
        "checkpoint_is_what_was_exported",
        "seal_is_what_was_exported",
    }


async def test_what_cannot_be_done_is_told_in_one_sentence(control: ControlDatabase, tmp_path: Path) -> None:
    nothing = command(control, "export")
    assert (nothing.returncode, nothing.stdout) == (1, "")
    assert nothing.stderr == "There is no checkpoint yet; the first one is taken when an hour is closed.\n"
    for told, sentence in (
        (command(control, "verify", "--checkpoint", str(tmp_path / "none")), "cannot be read: No such file"),
        (command(control, "verify", "--checkpoint", str(tmp_path)), "cannot be read"),
        (command(control, "verify", "--checkpoint", "-", given="{}"), "holds no checkpoint"),
        (command(control, "export", "--output", str(tmp_path / "none" / "file")), "no checkpoint yet"),
    ):
        assert (told.returncode, told.stderr.count("\n")) == (1, 1), told.stderr
        assert sentence in told.stderr


def test_a_checkpoint_is_read_back_as_it_was_written() -> None:
    assert list(checkpoint_lines(read_checkpoint("\n".join(RIGHT)))) == RIGHT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        "[]",
        "7",
        RIGHT[1],
        "\n".join([RIGHT[0]]),
        "\n".join([*RIGHT, RIGHT[1]]),
        "\n".join([RIGHT[0], RIGHT[0]]),
        "\n".join([RIGHT[0], RIGHT[1].replace('"transfers": 2', '"transfers": "2"')]),
        "\n".join([RIGHT[0], RIGHT[1].replace('"number": 5', '"number": -5')]),
        "\n".join([RIGHT[0], RIGHT[1].replace("0001", "00")]),
        "\n".join([RIGHT[0].replace('"format": 1', '"format": 2'), RIGHT[1]]),
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(CheckpointRefusedError, match="holds no checkpoint"):
        read_checkpoint(text)


def test_a_file_that_was_changed_is_refused() -> None:
    with pytest.raises(CheckpointRefusedError, match="changed"):
        read_checkpoint("\n".join([RIGHT[0], RIGHT[1].replace('"number": 5', '"number": 6')]))
