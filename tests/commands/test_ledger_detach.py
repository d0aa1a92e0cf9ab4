import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from syneudp import ledger, wallet
from syneudp.commands.ledger_audit import audit_books
from syneudp.kernel import clock
from syneudp.kernel.database import reading, rows, transact, value
from syneudp.ledger import BooksCutError
from syneudp.wallet import Month, WalletRecord
from tests.servers import ROOT, ControlDatabase
from tests.wallet.customers import HOUR, UNIT, balance, begin_shards_at, close_hour, new_customer, start, stop, top_up

SHARD = 5
PRICE = 3601
WHY = ("--reason", "thirteen months are over")


def command(control: ControlDatabase, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: told for name, told in os.environ.items() if not name.startswith("SYNEUDP_")}
    told = {"SYNEUDP_MIGRATION_DATABASE_URL": control.owner_url, "SYNEUDP_DATABASE_URL": control.url}
    return subprocess.run(
        [sys.executable, "-m", "entrypoints", "ledger", *arguments],
        cwd=ROOT,
        env={**kept, **told, "SYNEUDP_OPERATOR": "ada"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
async def cut(control: ControlDatabase) -> Month:
    month = Month.of(await clock.now(reading()))
    last = Month.of(month.begins_at - 1)
    owner = await asyncpg.connect(control.owner_url)
    await owner.execute(
        f"CREATE TABLE entries_last PARTITION OF entries FOR VALUES FROM ({last.begins_at}) TO ({month.begins_at})"
    )
    await owner.execute("SELECT ledger_guard_partition('entries_last')")
    await owner.close()
    await begin_shards_at(control, month.begins_at // HOUR - 2)
    return month


async def live_through(cut: Month) -> tuple[WalletRecord, WalletRecord]:
    resource = uuid4()
    with clock.frozen(cut.begins_at - 2 * HOUR + 11):
        busy, idle = [await new_customer(shard=SHARD, balance_micros=UNIT) for _ in range(2)]
        for each in (resource, uuid4()):
            await start(busy, each, PRICE)
        await start(idle, uuid4(), 7)
    with clock.frozen(cut.begins_at - 100):
        await close_hour(SHARD, cut.begins_at // HOUR - 2)
        await stop(busy, resource)
    for hour in (-1, 0):
        with clock.frozen(cut.begins_at + (hour + 1) * HOUR + 9):
            await close_hour(SHARD, cut.begins_at // HOUR + hour)
            await transact(partial(ledger.seal, shard=SHARD))
            await transact(ledger.take_checkpoint)
    return busy, idle


async def test_months_are_detached_behind_a_checkpoint_and_the_books_go_on(
    control: ControlDatabase, cut: Month, tmp_path: Path
) -> None:
    busy, idle = await live_through(cut)
    held = [await balance(each) for each in (busy, idle)]
    before = await ledger.balance_at(reading(), busy.account_id, cut.begins_at - 1)
    earlier, later = tmp_path / "earlier.jsonl", tmp_path / "later.jsonl"
    assert command(control, "export", "--output", str(earlier)).returncode == 0
    told = command(control, "detach", "--before", str(cut), "--output", str(later), *WHY)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.splitlines()[1:] == ["Detached: entries_last"]
    assert await audit_books() == []
    assert [await balance(each) for each in (busy, idle)] == held
    assert await ledger.balance_at(reading(), busy.account_id, cut.begins_at - 1) == before
    with clock.frozen(cut.begins_at + 2 * HOUR + 9):
        await close_hour(SHARD, cut.begins_at // HOUR + 1)
        await top_up(idle, 5)
        this_month = await wallet.statement(reading(), busy.id, cut)
        months = await wallet.statement_months(reading(), busy.id)
        with pytest.raises(BooksCutError):
            await wallet.statement(reading(), busy.id, Month.of(cut.begins_at - 1))
    assert (this_month.opening_micros, this_month.closing_micros) == (
        UNIT - PRICE * (2 * HOUR - 11) // HOUR - PRICE * (2 * HOUR - 110) // HOUR,
        await balance(busy),
    )
    assert [each.month for each in months] == [cut]
    assert await audit_books() == []
    for file in (earlier, later):
        verified = command(control, "verify", "--checkpoint", str(file))
        assert (verified.returncode, verified.stdout) == (0, "Every seal is unbroken.\n"), verified.stderr
    kinds = [json.loads(line)["kind"] for line in later.read_text().splitlines()]
    assert kinds == ["checkpoint", "cut_off", "seal"]
    [event] = await rows(reading(), "SELECT actor, subject, reason FROM audit_events")
    assert tuple(event.values()) == ("operator:ada", f"ledger detach before {cut}", "thirteen months are over")


async def test_what_cannot_be_detached_is_told_in_one_sentence_and_leaves_all_as_it_was(
    control: ControlDatabase, cut: Month, tmp_path: Path, postgresql_superuser: str
) -> None:
    await live_through(cut)
    file, there = tmp_path / "new.jsonl", tmp_path / "there.jsonl"
    there.touch()
    now = str(cut)
    for arguments, sentence in (
        (("--before", str(cut.next()), "--output", str(file)), "of months that are over"),
        (("--before", "last", "--output", str(file)), "A month is written as"),
        (("--before", now, "--output", str(there)), "exists already"),
        (("--before", now, "--output", str(tmp_path / "none" / "file")), "cannot be written"),
        (("--before", str(Month.of(cut.begins_at - 1)), "--output", str(file)), "No entries of whole months"),
    ):
        told = command(control, "detach", *arguments, *WHY)
        assert (told.returncode, told.stdout, told.stderr.count("\n")) == (1, "", 1), told.stderr
        assert sentence in told.stderr
        assert not file.exists()
    superuser = await asyncpg.connect(postgresql_superuser)
    await superuser.execute("SET session_replication_role = replica")
    await superuser.execute("UPDATE entries SET amount_micros = amount_micros + 1 WHERE sequence = 1 AND leg = 0")
    await superuser.close()
    told = command(control, "detach", "--before", now, "--output", str(file), *WHY)
    assert told.returncode == 1
    assert "which `ledger audit` names; nothing was detached." in told.stderr
    assert not file.exists()
    assert await value(reading(), "SELECT count(*) FROM pg_inherits WHERE inhrelid = 'entries_last'::regclass") == 1
    assert await ledger.cut_at(reading()) is None


async def test_the_books_are_detached_by_their_owner_alone(
    control: ControlDatabase, cut: Month, tmp_path: Path
) -> None:
    await live_through(cut)
    other = ControlDatabase(name=control.name, url=control.url, owner_url=control.url)
    told = command(other, "detach", "--before", str(cut), "--output", str(tmp_path / "file"), *WHY)
    assert (told.returncode, told.stderr) == (1, "Only the owner of the books detaches entries.\n")
    assert not (tmp_path / "file").exists()
