import asyncpg
import pytest

from entrypoints.embedded import PostgreSQLServer
from syneudp import wallet
from syneudp.kernel.database import transact
from tests.payments.stripe_peer import StripePeer
from tests.payments.till import opened_till
from tests.servers import ControlDatabase

FORGERIES = {
    "paid_payment_is_credited": "UPDATE payments SET payment_id = 'pi_forged' WHERE status = 'paid'",
    "credited_payment_is_paid": "UPDATE payments SET status = 'failed'",
    "reversal_is_in_the_books": "UPDATE payment_reversals SET amount_micros = amount_micros + 1 WHERE NOT undone",
    "taken_back_is_a_reversal": "DELETE FROM payment_reversals WHERE kind = 'dispute'",
}


@pytest.mark.parametrize("rule", FORGERIES)
async def test_a_forged_payment_is_found_and_named(
    rule: str, control: ControlDatabase, postgresql_server: PostgreSQLServer, peer: StripePeer
) -> None:
    async with opened_till(control, peer) as till:
        customer = await till.stand.newcomer()
        _, intent_id = await till.paid(customer)
        opened, dispute_id = till.peer.dispute(intent_id, 700)
        await till.deliver(opened)
        await till.deliver((await till.peer.refund(intent_id, 300))[0])
        await till.deliver(till.peer.close_dispute(dispute_id, "won"))
    forger = await asyncpg.connect(postgresql_server.superuser_url(control.name))
    try:
        await forger.execute("SET session_replication_role = replica")
        assert (await forger.execute(FORGERIES[rule])).split()[-1] == "1"
    finally:
        await forger.close()
    assert rule in {finding.rule for finding in await transact(wallet.audit)}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE payments SET amount_micros = 1",
        "UPDATE payments SET status = 'pending'",
        "UPDATE payments SET payment_id = 'pi_other'",
        "UPDATE payment_reversals SET undone = false",
        "UPDATE payment_reversals SET amount_micros = 1",
        "DELETE FROM payments",
        "DELETE FROM payment_reversals",
        "TRUNCATE payment_reversals",
    ],
)
async def test_the_tables_refuse_to_change_what_is_settled(
    statement: str, control: ControlDatabase, peer: StripePeer
) -> None:
    async with opened_till(control, peer) as till:
        _, intent_id = await till.paid(await till.stand.newcomer())
        events, refund_id = await till.peer.refund(intent_id, 300)
        await till.deliver([*events, *await till.peer.fail_refund(intent_id, refund_id)])
    runtime = await asyncpg.connect(control.url)
    try:
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.CheckViolationError)):
            await runtime.execute(statement)
    finally:
        await runtime.close()
