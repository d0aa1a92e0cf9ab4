from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest

from syneudp.billing import close_hours
from syneudp.commands.billing_status import billing_status
from syneudp.commands.ledger_audit import audit_books
from syneudp.kernel import clock
from syneudp.kernel.database import execute, reading, value
from syneudp.wallet import WalletRecord, quarantines
from tests.servers import ControlDatabase
from tests.wallet.conftest import FIRST_HOUR
from tests.wallet.customers import HOUR, UNIT, begin_shards_at, new_customer, next_hour, start, stop, usage_posted

SHARD = 77
LAST_SHARD = 255
PRICE = 7_200
BEGIN = FIRST_HOUR * HOUR


@pytest.fixture
async def others(control: ControlDatabase) -> AsyncIterator[list[WalletRecord]]:
    await begin_shards_at(control, FIRST_HOUR)
    yield [await running(UNIT) for _ in range(2)]
    assert await audit_books() == []


async def running(balance_micros: int) -> WalletRecord:
    with clock.frozen(BEGIN):
        customer = await new_customer(shard=SHARD, balance_micros=balance_micros)
        await start(customer, uuid4(), PRICE)
    return customer


async def close_at(instant: int) -> None:
    with clock.frozen(instant):
        await close_hours(stopped=lambda: False, held=lambda: None)


async def move_account(control: ControlDatabase, account_id: UUID, shard: int) -> None:
    await as_owner(
        control,
        "ALTER TABLE accounts DISABLE TRIGGER USER",
        f"UPDATE accounts SET shard = {shard} WHERE id = '{account_id}'",
        "ALTER TABLE accounts ENABLE TRIGGER USER",
    )


async def as_owner(control: ControlDatabase, *statements: str) -> None:
    owner = await asyncpg.connect(control.owner_url)
    try:
        for statement in statements:
            await owner.execute(statement)
    finally:
        await owner.close()


async def test_a_wallet_whose_books_would_break_blocks_nobody_and_pays_all_of_it_once_repaired(
    control: ControlDatabase, others: list[WalletRecord]
) -> None:
    broken = await running(UNIT)
    await move_account(control, broken.account_id, SHARD + 1)
    await close_at(BEGIN + 2 * HOUR)
    assert await next_hour(SHARD) == await next_hour(LAST_SHARD) == FIRST_HOUR + 2
    assert [await usage_posted(each) for each in others] == [2 * PRICE] * 2
    assert await usage_posted(broken) == 0

    await close_at(BEGIN + 3 * HOUR)
    [aside] = await quarantines(reading())
    assert (aside.wallet_id, aside.hour) == (broken.id, FIRST_HOUR)
    findings = await audit_books()
    assert ("no_wallet_is_set_aside", str(broken.id)) in {(found.rule, found.row) for found in findings}
    assert "usage_posted_is_the_closed_form" not in {found.rule for found in findings}
    with clock.frozen(BEGIN + 3 * HOUR):
        assert any(str(broken.id) in line for line in (await billing_status(reading())).lines())

    await move_account(control, broken.account_id, SHARD)
    await close_at(BEGIN + 4 * HOUR)
    assert await quarantines(reading()) == []
    assert await usage_posted(broken) == 4 * PRICE
    assert [await usage_posted(each) for each in others] == [4 * PRICE] * 2


async def test_a_wallet_with_a_wrong_end_of_money_is_settled_at_the_right_second(others: list[WalletRecord]) -> None:
    short = await running(PRICE * 3 // 2)
    await execute(reading(), "UPDATE wallet_depletions SET depletes_at = 4102444800 WHERE wallet_id = $1", short.id)
    await close_at(BEGIN + 2 * HOUR)
    assert await next_hour(SHARD) == FIRST_HOUR + 2
    assert [await usage_posted(each) for each in others] == [2 * PRICE] * 2
    assert [aside.wallet_id for aside in await quarantines(reading())] == [short.id]
    await close_at(BEGIN + 2 * HOUR)
    assert await quarantines(reading()) == []
    ended = await value(reading(), "SELECT until_at FROM usage_segments WHERE wallet_id = $1", short.id)
    assert (ended, await usage_posted(short)) == (BEGIN + HOUR * 3 // 2, PRICE * 3 // 2)


async def test_what_a_customer_stops_while_set_aside_is_charged_wholly(
    control: ControlDatabase, others: list[WalletRecord]
) -> None:
    resource_id = uuid4()
    broken = await running(UNIT)
    with clock.frozen(BEGIN):
        await start(broken, resource_id, PRICE)
    await move_account(control, broken.account_id, SHARD + 1)
    await close_at(BEGIN + HOUR)
    assert len(await quarantines(reading())) == 1
    await move_account(control, broken.account_id, SHARD)
    with clock.frozen(BEGIN + HOUR * 3 // 2 - 1):
        await stop(broken, resource_id)
    assert await usage_posted(broken) == PRICE * 3 // 2
    await close_at(BEGIN + 2 * HOUR)
    assert await usage_posted(broken) == PRICE * 3 // 2 + 2 * PRICE
    assert [await usage_posted(each) for each in others] == [2 * PRICE] * 2


async def test_no_wallet_is_blamed_for_a_fault_of_its_shard_and_no_other_shard_waits(
    control: ControlDatabase, others: list[WalletRecord]
) -> None:
    await as_owner(
        control,
        "ALTER TABLE accounts ADD CONSTRAINT stuck"
        f" CHECK (kind <> 'revenue' OR shard <> {SHARD} OR balance_micros = 0)",
    )
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await close_at(BEGIN + 2 * HOUR)
    assert await quarantines(reading()) == []
    assert await next_hour(SHARD) == FIRST_HOUR
    assert await value(reading(), "SELECT count(*) FROM shards WHERE closed_through = $1", FIRST_HOUR + 2) == LAST_SHARD
    await as_owner(control, "ALTER TABLE accounts DROP CONSTRAINT stuck")
    await close_at(BEGIN + 2 * HOUR)
    assert [await usage_posted(each) for each in others] == [2 * PRICE] * 2
