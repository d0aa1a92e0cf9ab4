"""Books forged by hand, with every trigger off: the audit is red and names the row."""

from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID, uuid4

import asyncpg
import pytest

from syneudp import ledger, wallet
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, transact
from syneudp.ledger import AccountKind, Entry, Reason, Transfer
from syneudp.wallet import Debit, LockedWallet
from tests.servers import ControlDatabase
from tests.wallet.customers import (
    HOUR,
    UNIT,
    assert_books_hold,
    begin_shards_at,
    close_hour,
    locked,
    new_customer,
    start,
    stop,
    top_up,
)

FIRST_HOUR = 700_000
AT = FIRST_HOUR * HOUR
SHARD = 33
RESOURCE = UUID(int=7)
Forgery = Callable[[asyncpg.Connection], Awaitable[str]]

TOP_UP = "(SELECT id FROM transfers WHERE reason = 'top_up' ORDER BY ordinal LIMIT 1)"
PURSE = "(SELECT account_id FROM wallets ORDER BY created_at, id LIMIT 1)"


@pytest.fixture
async def forger(control: ControlDatabase, postgresql_superuser: str) -> asyncpg.Connection:
    await begin_shards_at(control, FIRST_HOUR)
    with clock.frozen(AT + 10):
        rich = await new_customer(shard=SHARD, balance_micros=UNIT)
        debtor = await new_customer(shard=SHARD)
        await start(rich, RESOURCE, 3601)
        await start(rich, uuid4(), 7200)
    with clock.frozen(AT + 30):
        await stop(rich, RESOURCE)
    with clock.frozen(AT + 40):
        await start(rich, RESOURCE, 5000)
        paid = await top_up(debtor, 100)

        async def take(tx: Connection, held: LockedWallet) -> Debit:
            return await wallet.debit(
                tx,
                held,
                reason=Reason.REFUND,
                key="taken",
                amount_micros=60,
                counter=AccountKind.CLEARING,
                provider="sandbox",
                reverses_id=paid.transfer_id,
            )

        await locked(debtor, take)
        await locked(
            debtor,
            lambda tx, held: wallet.debit(
                tx, held, reason=Reason.ADJUSTMENT, key="owed", amount_micros=50, counter=AccountKind.ADJUSTMENTS
            ),
        )
    for hour in (1, 2):
        with clock.frozen(AT + hour * HOUR + 5):
            await close_hour(SHARD, FIRST_HOUR + hour - 1)
            await transact(partial(ledger.seal, shard=SHARD))
            await transact(ledger.take_checkpoint)
    await assert_books_hold()
    connection = await asyncpg.connect(postgresql_superuser)
    await connection.execute("SET session_replication_role = replica")
    return connection


def said(statement: str, row: str) -> Forgery:
    """Forge with a statement; `row` reads, before it, how the audit is to call the row."""

    async def forge(forger: asyncpg.Connection) -> str:
        named = str(await forger.fetchval(f"SELECT ({row})::text"))
        await forger.execute(statement)
        return named

    return forge


async def repeat_a_charge(forger: asyncpg.Connection) -> str:
    found = await forger.fetchrow(f"SELECT id, account_id FROM wallets WHERE account_id = {PURSE}")
    assert found is not None
    revenue = await forger.fetchval("SELECT id FROM accounts WHERE kind = 'revenue'")
    await _post(Reason.USAGE_REST, [Entry(found["account_id"], -20), Entry(revenue, 20)])
    return str(found["id"])


async def credit_a_payment_twice(forger: asyncpg.Connection) -> str:
    purse = await forger.fetchval(f"SELECT {PURSE}")
    clearing = await forger.fetchval("SELECT id FROM accounts WHERE kind = 'clearing'")
    return str((await _post(Reason.TOP_UP, [Entry(purse, UNIT), Entry(clearing, -UNIT)])).id)


async def _post(reason: Reason, entries: list[Entry]) -> Transfer:
    async def work(tx: Connection) -> Transfer:
        return await ledger.post(
            tx, reason=reason, key=str(uuid4()), effective_at=AT, created_at=AT + 3 * HOUR, entries=entries
        )

    return await transact(work)


FORGERIES: dict[str, tuple[str, Forgery]] = {
    "a changed amount": (
        "transfer_sums_to_zero",
        said(f"UPDATE entries SET amount_micros = amount_micros + 1 WHERE leg = 0 AND transfer_id = {TOP_UP}", TOP_UP),
    ),
    "two changed amounts": (
        "transfer_is_what_was_told",
        said(f"UPDATE entries SET amount_micros = amount_micros * 2 WHERE transfer_id = {TOP_UP}", TOP_UP),
    ),
    "a deleted entry": (
        "transfer_has_its_entries",
        said(f"DELETE FROM entries WHERE leg = 1 AND transfer_id = {TOP_UP}", TOP_UP),
    ),
    "a deleted transfer": (
        "entry_has_its_transfer",
        said(
            "DELETE FROM transfers WHERE idempotency_key = 'owed'",
            "SELECT id FROM transfers WHERE idempotency_key = 'owed'",
        ),
    ),
    "a repeated charge": ("usage_posted_is_the_closed_form", repeat_a_charge),
    "a payment credited twice": ("credit_has_its_payment", credit_a_payment_twice),
    "a payment that nobody made": (
        "payment_credited_once",
        said(
            "INSERT INTO top_ups SELECT '00000000-0000-0000-0000-00000000f00d', wallet_id, provider, 'made up', amount_micros,"
            " gen_random_uuid(), created_at FROM top_ups LIMIT 1",
            "SELECT '00000000-0000-0000-0000-00000000f00d'",
        ),
    ),
    "a refund kept": (
        "credited_is_captured_less_refunded",
        said(
            "UPDATE transfers SET reason = 'top_up' WHERE idempotency_key = 'taken'",
            f"SELECT 'shard {SHARD} sandbox in EUR'",
        ),
    ),
    "a gap": (
        "account_sequence_has_no_gap",
        said(
            f"UPDATE entries SET sequence = sequence + 1 WHERE account_id = {PURSE} AND sequence > 1",
            f"SELECT {PURSE} || ' entry 3'",
        ),
    ),
    "a changed balance": (
        "account_balance_is_the_sum",
        said(f"UPDATE accounts SET balance_micros = balance_micros + 1 WHERE id = {PURSE}", PURSE),
    ),
    "a changed balance on the way": (
        "entry_balance_is_the_sum",
        said(
            f"UPDATE entries SET balance_after_micros = balance_after_micros + 1 WHERE account_id = {PURSE} AND sequence = 2",
            f"SELECT {PURSE} || ' entry 2'",
        ),
    ),
    "a wallet below zero": (
        "wallet_never_below_zero",
        said(
            f"UPDATE entries SET balance_after_micros = -1 WHERE account_id = {PURSE} AND sequence = 2",
            f"SELECT {PURSE} || ' entry 2'",
        ),
    ),
    "a debt that was let go": (
        "account_balance_is_the_sum",
        said(
            "UPDATE accounts SET balance_micros = 0 WHERE kind = 'debt'",
            "SELECT id FROM accounts WHERE kind = 'debt'",
        ),
    ),
    "a reversal beyond its transfer": (
        "reversals_stay_within",
        said(
            "UPDATE entries SET amount_micros = sign(amount_micros) * 101 WHERE transfer_id ="
            " (SELECT id FROM transfers WHERE idempotency_key = 'taken')",
            "SELECT reverses_id FROM transfers WHERE idempotency_key = 'taken'",
        ),
    ),
    "a broken seal": (
        "seal_is_unbroken",
        said(
            "UPDATE transfers SET effective_at = effective_at + 1 WHERE idempotency_key = 'owed'",
            f"SELECT 'shard {SHARD} seal 1'",
        ),
    ),
    "a changed chain of seals": (
        "seal_chain_is_unbroken",
        said("UPDATE seals SET previous_digest = sha256('x') WHERE number = 2", f"SELECT 'shard {SHARD} seal 2'"),
    ),
    "a seal left out": (
        "seal_chain_is_unbroken",
        said("DELETE FROM seals WHERE number = 1", f"SELECT 'shard {SHARD} seal 2'"),
    ),
    "a changed checkpoint": (
        "checkpoint_is_unbroken",
        said(f"UPDATE checkpoints SET heads[{SHARD + 1}] = 1 WHERE number = 2", "SELECT 'checkpoint 2'"),
    ),
    "a moved segment": (
        "usage_posted_is_the_closed_form",
        said(
            "UPDATE usage_segments SET from_at = from_at - 5 WHERE price_micros_per_hour = 7200",
            "SELECT wallet_id FROM usage_segments LIMIT 1",
        ),
    ),
    "overlapping segments": (
        "segments_touch_without_overlap",
        said(
            f"UPDATE usage_segments SET until_at = {AT + 41} WHERE price_micros_per_hour = 3601",
            f"SELECT '{RESOURCE} from {AT + 40}'",
        ),
    ),
    "a missing close": (
        "hours_closed_once_in_order",
        said(f"DELETE FROM hour_closes WHERE hour = {FIRST_HOUR}", f"SELECT 'shard {SHARD}'"),
    ),
    "a close left without its row": (
        "hour_transfer_has_its_run_row",
        said(
            f"DELETE FROM hour_closes WHERE hour = {FIRST_HOUR + 1}",
            f"SELECT transfer_id FROM hour_closes WHERE hour = {FIRST_HOUR + 1}",
        ),
    ),
    "changed totals of an hour": (
        "hour_totals_are_their_details",
        said(
            f"UPDATE hour_closes SET charge_micros = charge_micros - 1 WHERE hour = {FIRST_HOUR}",
            f"SELECT 'shard {SHARD} hour {FIRST_HOUR}'",
        ),
    ),
    "a moved end of the money": (
        "depletion_is_the_last_second_paid_for",
        said("UPDATE wallet_depletions SET depletes_at = depletes_at + 1", "SELECT wallet_id FROM wallet_depletions"),
    ),
}


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_the_audit_names_the_row_of_a_forgery(forger: asyncpg.Connection, forgery: str) -> None:
    rule, forge = FORGERIES[forgery]
    row = await forge(forger)
    await forger.close()
    findings = await transact(ledger.audit) + await transact(wallet.audit)
    assert row in [finding.row for finding in findings if finding.rule == rule], findings
