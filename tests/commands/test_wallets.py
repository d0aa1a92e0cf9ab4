import json
import os
import subprocess
import sys
from functools import partial
from typing import Any

import pytest

from syneudp import identity, wallet
from syneudp.commands.wallets import WalletRefusedError, micros_of
from syneudp.instances import Hold
from syneudp.kernel import clock
from syneudp.kernel.database import reading, rows, transact
from tests.instances.shop import UNIT, Customer, customer, stock
from tests.servers import ROOT, ControlDatabase

WHY = ("--reason", "a broken month")


def command(control: ControlDatabase, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: told for name, told in os.environ.items() if not name.startswith("SYNEUDP_")}
    return subprocess.run(
        [sys.executable, "-m", "entrypoints", "wallet", *arguments],
        cwd=ROOT,
        env={**kept, "SYNEUDP_DATABASE_URL": control.url, "SYNEUDP_OPERATOR": "ada"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def done(control: ControlDatabase, *arguments: str) -> Any:
    told = command(control, *arguments, "--json")
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)


def refused(control: ControlDatabase, *arguments: str) -> str:
    told = command(control, *arguments)
    assert (told.returncode, told.stdout, told.stderr.count("\n")) == (1, "", 1), told.stderr
    return told.stderr


async def trail() -> list[tuple[str, str, str]]:
    found = await rows(reading(), "SELECT actor, subject, reason FROM audit_events ORDER BY id")
    return [(each["actor"], each["subject"], each["reason"]) for each in found]


async def email_of(buyer: Customer) -> str:
    user = await identity.user_of(reading(), buyer.id)
    assert user is not None
    return user.email


async def test_a_wallet_is_credited_once_a_key_with_a_trail(control: ControlDatabase) -> None:
    buyer = await customer(balance_micros=UNIT)
    first = done(control, "credit", await email_of(buyer), "2.5", *WHY, "--key", "goodwill")
    again = done(control, "credit", str(buyer.id), "2.5", *WHY, "--key", "goodwill")
    assert (first["replayed"], again["replayed"]) == (False, True)
    assert first["transfer_id"] == again["transfer_id"]
    assert await buyer.balance() == 3_500_000
    assert await trail() == [("operator:ada", f"wallet:{buyer.wallet.id} credit 2.5 EUR", "a broken month")]
    told = command(control, "credit", str(buyer.wallet.id), "2.5", *WHY, "--key", "goodwill")
    assert "was done before" in told.stdout
    assert "already stands for another movement" in refused(
        control, "credit", str(buyer.id), "2.6", *WHY, "--key", "goodwill"
    )


async def test_part_of_a_top_up_is_refunded_up_to_what_it_was(control: ControlDatabase) -> None:
    buyer = await customer(balance_micros=0)
    await buyer.top_up(10 * UNIT)
    [paid] = done(control, "show", str(buyer.id))["top_ups"]
    assert done(control, "refund", str(buyer.id), "4", "--top-up", paid["id"], *WHY)["debt_micros"] == 0
    [paid] = done(control, "show", str(buyer.id))["top_ups"]
    assert (paid["amount_micros"], paid["refundable_micros"]) == (10 * UNIT, 6 * UNIT)
    assert "Less than that is left" in refused(control, "refund", str(buyer.id), "6.01", "--top-up", paid["id"], *WHY)
    other = await customer(balance_micros=UNIT)
    assert "no top-up of that id" in refused(control, "refund", str(other.id), "1", "--top-up", paid["id"], *WHY)
    assert await buyer.balance() == 6 * UNIT


async def test_what_a_wallet_does_not_have_is_owed_and_freezes_what_runs(control: ControlDatabase) -> None:
    await stock()
    buyer = await customer(balance_micros=UNIT)
    made = await buyer.create()
    assert done(control, "adjust", str(buyer.id), "-1.5", *WHY)["debt_micros"] == UNIT // 2
    assert (await buyer.see(made.id)).holds == (Hold.FROZEN,)
    shown = command(control, "show", str(buyer.id))
    assert "It owes 0.500000 and is frozen until that is paid." in shown.stdout
    assert done(control, "adjust", str(buyer.id), "0.4", *WHY)["debt_micros"] == UNIT // 10
    assert done(control, "credit", str(buyer.id), "1", *WHY)["debt_micros"] == 0
    assert (await buyer.see(made.id)).holds == ()
    subjects = [subject.split(" ", 1)[1] for _, subject, _ in await trail()]
    assert subjects == ["adjust -1.5 EUR", "adjust 0.4 EUR", "credit 1 EUR"]


async def test_a_wallet_shows_what_it_held_then(control: ControlDatabase) -> None:
    at = await clock.now(reading())
    with clock.frozen(at):
        buyer = await customer(balance_micros=2 * UNIT)
    with clock.frozen(at + 86_400):
        await buyer.top_up(UNIT)
    told = done(control, "show", str(buyer.id), "--at", clock.rfc3339(at + 5))
    assert told["held"] == {"at": clock.rfc3339(at + 5), "written_micros": 2 * UNIT, "effective_micros": 2 * UNIT}
    assert (told["balance_micros"], told["debt_micros"]) == (3 * UNIT, 0)
    assert [each["reason"] for each in told["postings"]] == ["top_up", "top_up"]
    lines = command(control, "show", str(buyer.id), "--at", clock.rfc3339(at - 1)).stdout
    assert "it held 0.000000 as written by then and 0.000000 as counted by then." in lines


async def test_what_cannot_be_done_is_told_in_one_sentence_and_leaves_nothing(control: ControlDatabase) -> None:
    buyer = await customer(balance_micros=UNIT)
    who = str(buyer.id)
    for arguments, sentence in (
        (("credit", "nobody@example.com", "1", *WHY), "no customer"),
        (("credit", "nobody", "1", *WHY), "no customer"),
        (("credit", who, "one", *WHY), "An amount is"),
        (("credit", who, "1.1234567", *WHY), "An amount is"),
        (("credit", who, "0", *WHY), "more than zero"),
        (("credit", who, "9999999999", *WHY), "at most 10^9"),
        (("credit", who, "1", "--reason", "  "), "The reason is empty"),
        (("credit", who, "1", *WHY, "--key", "a\tb"), "A key is"),
        (("refund", who, "1", "--top-up", "that", *WHY), "no top-up"),
        (("show", who, "--at", "yesterday"), "An instant is"),
        (("show", who, "--at", "2026-11-24T10:00:00"), "An instant is"),
    ):
        assert sentence in refused(control, *arguments)
    assert command(control, "credit", who, "1").returncode == 2
    assert await buyer.balance() == UNIT
    assert await trail() == []


async def test_an_address_of_several_customers_is_not_guessed(control: ControlDatabase) -> None:
    one, two = await customer(), await customer()
    for each in (one, two):
        await transact(partial(identity.remember_user, user_id=each.id, email="Same@example.com"))
    told = refused(control, "credit", "same@example.com", "1", *WHY)
    assert str(one.id) in told
    assert str(two.id) in told
    assert await wallet.debt(reading(), one.wallet.id) == 0


def test_amounts_are_read_exactly() -> None:
    told = [micros_of(text) for text in ("12.50", "0.000001", "-3", "1234567890")]
    assert told == [12_500_000, 1, -3_000_000, 1_234_567_890_000_000]
    for text in ("", "1e3", "1,5", "+1", "٣", "1.", ".5", "- 1"):
        with pytest.raises(WalletRefusedError):
            micros_of(text)
