"""Holds forged by hand, with every trigger off: the audit is red and names the instance."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from entrypoints.embedded import PostgreSQLServer
from syneudp import instances, wallet
from syneudp.billing import settle_due
from syneudp.commands.ledger_audit import audit_books
from syneudp.instances import InstanceServices
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, reading, transact
from syneudp.ledger import AccountKind, Reason
from syneudp.wallet import LockedWallet
from tests.billing.past import HOUR, confirm, running_since
from tests.instances.shop import LARGE_PRICE, UNIT, Customer, customer, stock
from tests.servers import ControlDatabase

NAMES = ("runs", "stored", "ended", "limited", "frozen")


async def owe(debtor: Customer) -> None:
    async def take(tx: Connection, locked: LockedWallet) -> None:
        await wallet.debit(
            tx, locked, reason=Reason.ADJUSTMENT, key="taken", amount_micros=11 * UNIT, counter=AccountKind.ADJUSTMENTS
        )
        await instances.freeze_indebted(tx, locked)

    await debtor.locked(take)


@pytest.fixture
async def forger(
    reach: InstanceServices, control: ControlDatabase, postgresql_server: PostgreSQLServer
) -> AsyncIterator[asyncpg.Connection]:
    """A forger of books that are right, with one instance for each way to be charged, all of them confirmed."""
    await stock()
    now = await clock.now(reading())
    buyers = {name: await customer(balance_micros=LARGE_PRICE if name == "ended" else 10 * UNIT) for name in NAMES}
    capped = buyers["limited"].wallet.id
    await transact(lambda tx: instances.set_cap(tx, capped, monthly_micros=LARGE_PRICE, runway_seconds=1))
    seen = {name: await running_since(reach, buyer, now, name) for name, buyer in buyers.items()}
    with clock.frozen(now + HOUR + 60):
        await settle_due(held=lambda: None)
        await buyers["stored"].suspend(seen["stored"].id)
        await owe(buyers["frozen"])
        for name in NAMES[1:]:
            await confirm(reach, seen[name].id)
    assert await audit_books() == []
    connection = await asyncpg.connect(postgresql_server.superuser_url(control.name))
    await connection.execute("SET session_replication_role = replica")
    yield connection
    await connection.close()


def of(name: str) -> str:
    return f"(SELECT id FROM instances WHERE name = '{name}')"


def hold(name: str, told: str) -> str:
    return f"INSERT INTO instance_holds (instance_id, hold, since_at) VALUES ({of(name)}, '{told}', 0)"


def unheld(name: str) -> str:
    return f"DELETE FROM instance_holds WHERE instance_id = {of(name)}"


CHARGED = "instance_is_charged_as_it_is_held"
TOLD = "wanted_state_was_told"
FROZEN = "instance_is_frozen_while_its_wallet_owes"
CAPPED = "cap_hold_has_its_cap"
FORGERIES = {
    "a hold on what is charged as running": ("runs", CHARGED, hold("runs", "balance")),
    "a use that ended without a hold": (
        "runs",
        CHARGED,
        f"UPDATE usage_segments SET until_at = from_at WHERE resource_id = {of('runs')}",
    ),
    "a use by another plan": (
        "runs",
        CHARGED,
        f"UPDATE usage_segments SET tariff_id = gen_random_uuid() WHERE resource_id = {of('runs')}",
    ),
    "a use that another wallet pays": (
        "runs",
        CHARGED,
        f"UPDATE usage_segments s SET wallet_id = i.wallet_id FROM instances i WHERE i.name = 'stored' AND s.resource_id = {of('runs')}",
    ),
    "a use of what is gone": (
        "runs",
        CHARGED,
        "UPDATE instances SET terminated_for = 'owner', observed_state = 'terminated' WHERE name = 'runs'",
    ),
    "data that is charged as running": (
        "stored",
        CHARGED,
        f"UPDATE usage_segments SET running = true WHERE until_at IS NULL AND resource_id = {of('stored')}",
    ),
    "data that nobody pays for": (
        "stored",
        CHARGED,
        "UPDATE instance_holds SET hold = 'operator' WHERE hold = 'owner'",
    ),
    "a hold let go in silence": ("ended", TOLD, unheld("ended")),
    "a limit's hold let go in silence": ("limited", TOLD, unheld("limited")),
    "a hold set in silence": ("runs", TOLD, hold("runs", "operator")),
    "a debt that stopped nothing": (
        "frozen",
        FROZEN,
        f"UPDATE instance_holds SET hold = 'operator' WHERE instance_id = {of('frozen')}",
    ),
    "a wallet frozen for nothing": ("stored", FROZEN, hold("stored", "frozen")),
    "a limit that was never set": ("ended", CAPPED, hold("ended", "cap")),
}


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_the_audit_names_the_instance_whose_holds_are_not_what_they_should_be(
    forger: asyncpg.Connection, forgery: str
) -> None:
    name, rule, statement = FORGERIES[forgery]
    await forger.execute(statement)
    row = str(await forger.fetchval("SELECT id FROM instances WHERE name = $1", name))
    findings = await audit_books()
    assert row in [finding.row for finding in findings if finding.rule == rule], findings
