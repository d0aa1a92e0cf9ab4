import json
import os
import subprocess
import sys
from functools import partial
from typing import Any
from uuid import uuid4

from syneudp import catalog, wallet
from syneudp.billing.reckon_prices import reckon_prices
from syneudp.commands.ledger_audit import audit_books
from syneudp.kernel import clock
from syneudp.kernel.clock import rfc3339
from syneudp.kernel.database import reading, rows
from tests.instances.shop import UNIT, customer, stock
from tests.servers import ROOT, ControlDatabase
from tests.wallet.customers import HOUR, start
from tests.wallet.pricing import reckonings

PLAN = "postgresql-small"
WHY = ("--reason", "dearer power")


def command(control: ControlDatabase, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: told for name, told in os.environ.items() if not name.startswith("SYNEUDP_")}
    return subprocess.run(
        [sys.executable, "-m", "entrypoints", "prices", *arguments],
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


async def coming(*, hours: int = 24) -> int:
    return (await clock.now(reading()) // HOUR + hours) * HOUR


async def test_a_price_is_set_once_with_a_trail_and_told_with_its_state(control: ControlDatabase) -> None:
    await stock()
    begins_at = await coming()
    asked = partial(done, control, "set", PLAN, "--hour-price", "0.01", "--from", rfc3339(begins_at), *WHY)
    first, again = asked(), asked()
    assert (first["replayed"], again["replayed"]) == (False, True)
    assert (first["price_micros_per_hour"], first["storage_price_micros_per_gib_hour"]) == (10_000, 137)
    listed = [each for each in done(control, "list") if each["plan"] == PLAN]
    assert [(each["state"], each["price_micros_per_hour"]) for each in listed] == [("now", 6_944), ("to come", 10_000)]
    assert "0.010000 EUR" in command(control, "list").stdout
    trail = await rows(reading(), "SELECT actor, subject, reason FROM audit_events")
    assert [(each["actor"], each["reason"]) for each in trail] == [("operator:ada", "dearer power")]
    assert trail[0]["subject"].startswith(f"price: {PLAN} costs 0.010000 EUR an hour")
    assert (await catalog.plan_by_slug(reading(), PLAN, begins_at)).price_micros_per_hour == 10_000


async def test_what_cannot_be_is_refused_in_a_sentence(control: ControlDatabase) -> None:
    await stock()
    later, half_past = rfc3339(await coming()), rfc3339(await coming() + 1800)
    for arguments, sentence in (
        (("no-such-plan", "--hour-price", "1", "--from", later), "no plan of that name"),
        ((PLAN, "--from", later), "Say --hour-price"),
        ((PLAN, "--hour-price", "-1", "--from", later), "A price is"),
        ((PLAN, "--hour-price", "1001", "--from", later), "A price is"),
        ((PLAN, "--storage-price", "cheap", "--from", later), "A price is"),
        ((PLAN, "--hour-price", "1", "--from", "tomorrow"), "a full hour"),
        ((PLAN, "--hour-price", "1", "--from", "2026-12-01T10:00:00"), "a full hour"),
        ((PLAN, "--hour-price", "1", "--from", half_past), "on the full hour"),
        ((PLAN, "--hour-price", "1", "--from", rfc3339(await coming(hours=0))), "in the future"),
    ):
        assert sentence in refused(control, "set", *arguments, *WHY)
    done(control, "set", PLAN, "--hour-price", "1", "--from", later, *WHY)
    assert "Another price" in refused(control, "set", PLAN, "--hour-price", "2", "--from", later, *WHY)
    assert len(await rows(reading(), "SELECT FROM audit_events")) == 1


async def test_the_billing_role_looks_at_the_wallets_that_a_price_concerns(control: ControlDatabase) -> None:
    await stock()
    buyer, other = await customer(balance_micros=UNIT), await customer(balance_micros=UNIT)
    plan = await catalog.plan_by_slug(reading(), PLAN, await clock.now(reading()))
    await start(other.wallet, other.id, 1000)
    await buyer.locked(lambda tx, locked: wallet.open_segment(tx, locked, resource_id=uuid4(), tariff_id=plan.id))
    before = await wallet.next_depletion(reading())
    begins_at = await coming()
    done(control, "set", PLAN, "--hour-price", "1", "--from", rfc3339(begins_at), *WHY)
    assert len(await reckonings()) == 256
    assert await audit_books() == []
    assert await reckon_prices(stopped=lambda: False, held=lambda: None) == 1
    assert await reckonings() == []
    after = await wallet.next_depletion(reading())
    assert before is not None
    assert after is not None
    assert begins_at < after < begins_at + HOUR < before
    assert await reckon_prices(stopped=lambda: False, held=lambda: None) == 0
