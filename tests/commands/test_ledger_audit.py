import asyncio
import os
import sys
from collections.abc import AsyncIterator
from functools import partial
from uuid import UUID, uuid4

import asyncpg
import pytest

from entrypoints.embedded import PostgreSQLServer
from syneudp import ledger, wallet
from syneudp.commands.ledger_audit import audit_books
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, transact
from syneudp.ledger import AccountKind, Reason
from syneudp.wallet import LockedWallet, WalletRecord
from tests.servers import ControlDatabase
from tests.wallet.customers import (
    HOUR,
    UNIT,
    begin_shards_at,
    close_hour,
    locked,
    new_customer,
    settle,
    start,
    stop,
    top_up,
)

FIRST_HOUR = 700_000
AT = FIRST_HOUR * HOUR
SHARD = 33
RESOURCE = UUID(int=7)


@pytest.fixture
async def forger(control: ControlDatabase, postgresql_server: PostgreSQLServer) -> AsyncIterator[asyncpg.Connection]:
    await begin_shards_at(control, FIRST_HOUR)
    with clock.frozen(AT + 10):
        rich = await new_customer(shard=SHARD, balance_micros=UNIT)
        poor = await new_customer(shard=SHARD, balance_micros=500)
        await start(rich, RESOURCE, 3601)
        await start(rich, uuid4(), 7200)
        await start(poor, uuid4(), 3600)
    with clock.frozen(AT + 30):
        await stop(rich, RESOURCE)
    with clock.frozen(AT + 40):
        await start(rich, RESOURCE, 5000)
    with clock.frozen(AT + 600):
        await settle(poor)
        await grant_and_take_back(rich)
    with clock.frozen(AT + 700):
        await reach_a_cap(await new_customer(shard=SHARD, balance_micros=UNIT))
    for hour in (1, 2):
        with clock.frozen(AT + hour * HOUR + 5):
            await close_hour(SHARD, FIRST_HOUR + hour - 1)
            await transact(partial(ledger.seal, shard=SHARD))
            await transact(ledger.take_checkpoint)
    connection = await asyncpg.connect(postgresql_server.superuser_url(control.name))
    await connection.execute("SET session_replication_role = replica")
    yield connection
    await connection.close()


async def reach_a_cap(record: WalletRecord) -> None:
    for monthly_micros in (900, 43):
        await locked(record, partial(wallet.set_cap, monthly_micros=monthly_micros))
    await start(record, uuid4(), 14_400)
    with clock.frozen(AT + 800):
        await settle(record)


async def grant_and_take_back(record: WalletRecord) -> None:
    async def work(tx: Connection, held: LockedWallet) -> None:
        granted = await wallet.credit(tx, held, key="granted", amount_micros=300)
        await wallet.debit(
            tx,
            held,
            reason=Reason.ADJUSTMENT,
            key="taken",
            amount_micros=100,
            counter=AccountKind.CREDITS,
            reverses_id=granted.transfer_id,
        )

    await locked(record, work)
    debtor = await new_customer(shard=SHARD)
    await locked(
        debtor,
        lambda tx, held: wallet.debit(
            tx, held, reason=Reason.REFUND, key="owed", amount_micros=50, counter=AccountKind.REFUNDS
        ),
    )
    await top_up(debtor, 20)


async def rules_broken() -> set[str]:
    return {finding.rule for finding in await audit_books()}


async def test_books_that_nobody_touched_are_right(forger: asyncpg.Connection) -> None:
    assert await audit_books() == []


ENTRY = (
    "(SELECT e.transfer_id FROM entries e JOIN transfers t ON t.id = e.transfer_id WHERE t.reason = 'top_up' LIMIT 1)"
)
HOUR_TRANSFER = f"(SELECT transfer_id FROM hour_closes WHERE shard = {SHARD} AND hour = {FIRST_HOUR})"
FORGERIES = {
    "transfer_sums_to_zero": f"UPDATE entries SET amount_micros = amount_micros + 1 WHERE leg = 0 AND transfer_id = {ENTRY}",
    "transfer_is_what_was_told": f"UPDATE entries SET amount_micros = amount_micros * 2 WHERE transfer_id = {ENTRY}",
    "transfer_has_its_entries": f"DELETE FROM entries WHERE transfer_id = {ENTRY}",
    "entry_has_its_transfer": f"DELETE FROM transfers WHERE id = {ENTRY}",
    "entry_has_its_account": "DELETE FROM accounts WHERE kind = 'revenue'",
    "books_sum_to_zero": "UPDATE accounts SET balance_micros = balance_micros + 1 WHERE kind = 'revenue'",
    "account_balance_is_the_sum": "UPDATE accounts SET last_sequence = last_sequence + 1 WHERE kind = 'revenue'",
    "account_sequence_has_no_gap": (
        "UPDATE entries SET sequence = sequence + 1 WHERE account_id = (SELECT id FROM accounts WHERE kind = 'revenue')"
    ),
    "entry_balance_is_the_sum": "UPDATE entries SET balance_after_micros = balance_after_micros + 1 WHERE sequence = 2",
    "wallet_never_below_zero": (
        "UPDATE entries SET balance_after_micros = -1 WHERE sequence = 2 AND account_id IN"
        " (SELECT account_id FROM wallets)"
    ),
    "usage_posted_is_the_closed_form": "UPDATE usage_segments SET price_micros_per_hour = price_micros_per_hour + 90",
    "segments_touch_without_overlap": (
        f"UPDATE usage_segments SET until_at = {AT + 99} WHERE resource_id = '{RESOURCE}' AND from_at < {AT + 30}"
    ),
    "segment_carries_the_rest": f"UPDATE usage_segments SET carry = carry + 1 WHERE from_at = {AT + 40}",
    "nothing_charged_past_depletion": (
        "UPDATE usage_segments SET until_at = until_at + 1 WHERE price_micros_per_hour = 3600"
    ),
    "no_paid_second_was_cut": (
        "UPDATE entries SET balance_after_micros = 1 WHERE balance_after_micros = 0 AND transfer_id IN"
        " (SELECT id FROM transfers WHERE reason = 'usage_depleted')"
    ),
    "no_hour_closed_past_depletion": f"UPDATE wallet_depletions SET depletes_at = {AT + 100}",
    "depletion_is_the_last_second_paid_for": "UPDATE wallet_depletions SET depletes_at = depletes_at + 1",
    "nothing_charged_past_the_cap": (
        "UPDATE usage_segments SET until_at = until_at + 1 WHERE price_micros_per_hour = 14400"
    ),
    "no_second_within_the_cap_was_cut": "UPDATE wallet_caps SET monthly_micros = 44 WHERE monthly_micros = 43",
    "caps_follow_each_other": "DELETE FROM wallet_caps WHERE number = 1",
    "segment_has_the_price_of_its_tariff": "UPDATE tariff_versions SET price_micros_per_hour = price_micros_per_hour + 1",
    "no_segment_spans_a_change_of_price": (
        f"INSERT INTO storage_steps SELECT resource_id, {AT + HOUR}, wallet_id, shard, 3 FROM usage_segments"
        " WHERE until_at IS NULL"
    ),
    "tariff_versions_are_whole": (
        f"INSERT INTO tariff_reckonings SELECT tariff_id, begins_at, {SHARD} FROM tariff_versions"
    ),
    "hours_closed_once_in_order": f"DELETE FROM hour_closes WHERE hour = {FIRST_HOUR}",
    "hour_totals_are_their_details": "UPDATE hour_closes SET charge_micros = charge_micros + 1",
    "hour_transfer_has_its_run_row": f"UPDATE transfers SET idempotency_key = 'hour:1:1' WHERE id = {HOUR_TRANSFER}",
    "reversals_stay_within": "UPDATE entries SET amount_micros ="
    " sign(amount_micros) * 400 WHERE transfer_id = (SELECT id FROM transfers WHERE idempotency_key = 'taken')",
    "reversals_are_counted": "UPDATE transfer_reversals SET reversed_micros = 0 WHERE reversed_micros > 0",
    "debt_never_above_zero": (
        "UPDATE entries SET balance_after_micros = 1 WHERE account_id IN (SELECT account_id FROM wallet_debts)"
    ),
    "debt_has_its_wallet": "DELETE FROM wallet_debts",
    "indebted_wallet_is_frozen": "UPDATE wallet_debts SET wallet_id = (SELECT wallet_id FROM usage_segments LIMIT 1)",
    "debt_payment_follows_money": "UPDATE transfers SET subject_id = id WHERE reason = 'debt_payment'",
    "seal_is_unbroken": "UPDATE seals SET entries_digest = sha256('x') WHERE number = 1",
    "seal_chain_is_unbroken": "UPDATE seals SET previous_digest = sha256('x') WHERE number = 2",
    "checkpoint_is_unbroken": "UPDATE checkpoints SET digest = sha256('x') WHERE number = 1",
    "clearing_moves_for_payments": "UPDATE transfers SET reason = 'credit' WHERE reason = 'top_up'",
    "credited_is_captured_less_refunded": "DELETE FROM top_ups",
    "payment_credited_once": "UPDATE top_ups SET amount_micros = amount_micros + 1",
    "credit_has_its_payment": "DELETE FROM top_ups",
    "wallet_has_its_account": "UPDATE accounts SET shard = 1 WHERE kind = 'wallet'",
    "account_has_its_wallet": "DELETE FROM wallets",
}


@pytest.mark.parametrize("rule", FORGERIES)
async def test_a_forgery_is_named(forger: asyncpg.Connection, rule: str) -> None:
    await forger.execute(FORGERIES[rule])
    assert rule in await rules_broken()


async def test_the_row_is_named(forger: asyncpg.Connection) -> None:
    wallet_id = await forger.fetchval("UPDATE wallet_depletions SET depletes_at = depletes_at + 1 RETURNING wallet_id")
    (finding,) = await audit_books()
    assert finding.row == str(wallet_id)


async def test_an_end_for_another_reason_than_its_own_is_named(forger: asyncpg.Connection) -> None:
    wallet_id = await forger.fetchval("UPDATE wallet_depletions SET why = 'cap' RETURNING wallet_id")
    (finding,) = await audit_books()
    assert (finding.rule, finding.row) == ("depletion_is_the_last_second_paid_for", str(wallet_id))


async def test_the_month_that_was_charged_past_its_cap_is_named(forger: asyncpg.Connection) -> None:
    wallet_id = await forger.fetchval("SELECT wallet_id FROM wallet_caps LIMIT 1")
    await forger.execute("UPDATE wallet_caps SET monthly_micros = 39")
    found = {finding.rule: finding for finding in await audit_books()}
    month = clock.rfc3339(AT)[:7]
    assert found["nothing_charged_past_the_cap"].row == f"{wallet_id} {month}"


@pytest.mark.parametrize("change", ["depletions + 1", "depletions - 1"])
async def test_an_end_that_an_hour_counts_too_much_or_not_at_all_is_named(
    forger: asyncpg.Connection, change: str
) -> None:
    await forger.execute(f"UPDATE hour_closes SET depletions = {change} WHERE depletions > 0")
    (finding,) = await audit_books()
    assert (finding.rule, finding.row) == ("hour_totals_are_their_details", f"shard {SHARD} hour {FIRST_HOUR}")


async def test_a_payment_that_was_credited_twice_is_named(forger: asyncpg.Connection) -> None:
    await forger.execute("ALTER TABLE top_ups DROP CONSTRAINT top_ups_payment_once")
    await forger.execute("UPDATE top_ups SET payment_id = 'same'")
    assert "payment_credited_once" in await rules_broken()


async def test_money_that_ended_and_was_forgotten_is_named(forger: asyncpg.Connection) -> None:
    await forger.execute("DELETE FROM wallet_depletions")
    assert await rules_broken() == {"depletion_is_the_last_second_paid_for"}


async def run_command(control: ControlDatabase) -> tuple[int, str]:
    command = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "entrypoints",
        "ledger",
        "audit",
        env={**os.environ, "SYNEUDP_DATABASE_URL": control.url},
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await command.communicate()
    return command.returncode or 0, told.decode()


async def test_the_command_ends_with_a_status_that_says_whether_the_books_are_right(
    forger: asyncpg.Connection, control: ControlDatabase
) -> None:
    assert (await run_command(control))[0] == 0
    shard = await forger.fetchval("DELETE FROM hour_closes WHERE hour = $1 RETURNING shard", FIRST_HOUR)
    status, told = await run_command(control)
    assert status == 1
    assert f"hours_closed_once_in_order: shard {shard}: " in told
