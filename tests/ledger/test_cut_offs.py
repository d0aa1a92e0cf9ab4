from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from uuid import UUID, uuid4

import asyncpg
import pytest

from syneudp import ledger
from syneudp.kernel.database import Connection, execute, reading, transact, value
from syneudp.ledger import AccountKind, BooksCutError, DetachRefusedError, Entry, Reason, Transfer
from tests.ledger.test_post_transfer import open_account, open_clearing
from tests.servers import ControlDatabase


def month_from_now(months: int) -> int:
    now = datetime.now(UTC)
    year, month = divmod(now.year * 12 + now.month - 1 + months, 12)
    return int(datetime(year, month + 1, 1, tzinfo=UTC).timestamp())


FIRST, SECOND, THIRD = (month_from_now(months) for months in (1, 2, 3))


@pytest.fixture
async def owner(control: ControlDatabase) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(control.owner_url)
    yield connection
    await connection.close()


async def pay(purse: UUID, amount_micros: int, at: int, *, reverses_id: UUID | None = None) -> Transfer:
    clearing = await open_clearing()

    async def work(tx: Connection) -> Transfer:
        return await ledger.post(
            tx,
            reason=Reason.ADJUSTMENT,
            key=str(uuid4()),
            effective_at=at,
            created_at=at,
            entries=[Entry(purse, amount_micros), Entry(clearing, -amount_micros)],
            reverses_id=reverses_id,
        )

    return await transact(work)


async def seal() -> None:
    await transact(partial(ledger.seal, shard=0))
    await transact(ledger.take_checkpoint)


async def detach(owner: asyncpg.Connection, before_at: int) -> list[str]:
    found = await owner.fetch("SELECT name FROM ledger_detach_before($1, $1) AS name", before_at)
    await transact(ledger.take_checkpoint)
    return [each["name"] for each in found]


async def test_the_books_go_on_from_where_they_were_cut(control: ControlDatabase, owner: asyncpg.Connection) -> None:
    purse, gone = await open_account(AccountKind.WALLET), await open_account(AccountKind.WALLET)
    for at in (FIRST, FIRST + 5, SECOND - 1):
        await pay(purse, 100, at)
    await pay(gone, 7, FIRST)
    await pay(purse, -30, SECOND)
    await seal()
    exported = await ledger.checkpoint(reading())
    told = await detach(owner, SECOND)
    assert told[-1] == f"entries_{datetime.fromtimestamp(FIRST, UTC):%Y_%m}"
    assert await value(reading(), "SELECT count(*) FROM entries") == 2
    assert await ledger.audit(reading()) == []
    await pay(purse, -70, SECOND + 9)
    await pay(gone, 1, SECOND + 9)
    await seal()
    assert await ledger.audit(reading()) == []
    assert await transact(partial(ledger.verify, told=exported)) == []
    assert [await ledger.balance_at(reading(), purse, at) for at in (SECOND - 1, SECOND, THIRD)] == [300, 270, 200]
    assert await ledger.effective_balance_at(reading(), purse, SECOND) == 270
    assert (await ledger.balance_at(reading(), gone, SECOND), await ledger.balance_at(reading(), gone, THIRD)) == (7, 8)
    for read in (ledger.balance_at, ledger.effective_balance_at):
        with pytest.raises(BooksCutError):
            await read(reading(), purse, SECOND - 2)
    assert await ledger.cut_at(reading()) == SECOND


async def test_books_are_cut_again_and_again(control: ControlDatabase, owner: asyncpg.Connection) -> None:
    purse, rare = await open_account(AccountKind.WALLET), await open_account(AccountKind.WALLET)
    await pay(rare, 5, FIRST)
    for at in (FIRST, SECOND, SECOND + 1, THIRD):
        await pay(purse, 10, at)
    await seal()
    await detach(owner, SECOND)
    with pytest.raises(asyncpg.RaiseError, match="No entries of whole months"):
        await detach(owner, SECOND)
    await detach(owner, THIRD)
    await pay(rare, 5, THIRD + 1)
    assert await ledger.audit(reading()) == []
    told = await ledger.cut_off(reading())
    assert told is not None
    assert (told.number, told.before_at, told.accounts, told.entries) == (2, THIRD, 2, 4)
    assert [await ledger.balance_at(reading(), each, THIRD) for each in (purse, rare)] == [40, 5]


async def test_entries_out_of_the_order_of_time_are_kept_aside(
    control: ControlDatabase, owner: asyncpg.Connection
) -> None:
    purse = await open_account(AccountKind.WALLET)
    for at in (FIRST, SECOND + 3, FIRST + 9, SECOND + 4, FIRST + 11, THIRD):
        await pay(purse, 10, at)
    await seal()
    await detach(owner, SECOND)
    assert await ledger.audit(reading()) == []
    assert await value(reading(), "SELECT count(*) FROM cut_entries WHERE account_id = $1", purse) == 2
    assert await ledger.balance_at(reading(), purse, SECOND + 3) == 40
    await detach(owner, THIRD)
    assert await ledger.audit(reading()) == []
    await pay(purse, 10, THIRD + 1)
    assert await ledger.audit(reading()) == []
    assert await ledger.balance_at(reading(), purse, THIRD) == 60


async def test_nothing_is_written_before_the_cut_again(control: ControlDatabase, owner: asyncpg.Connection) -> None:
    purse = await open_account(AccountKind.WALLET)
    paid = await pay(purse, 100, FIRST)
    await seal()
    [*_, name] = await detach(owner, SECOND)
    for at in (SECOND - 1, FIRST, 0):
        with pytest.raises(asyncpg.CheckViolationError):
            await pay(purse, 1, at)
    with pytest.raises(asyncpg.CheckViolationError):
        await pay(purse, -1, SECOND, reverses_id=paid.id)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await owner.execute(f"DELETE FROM {name}")
    assert await owner.fetchval(f"SELECT count(*) FROM {name}") == 2


async def test_what_is_not_sealed_and_tied_is_not_detached(control: ControlDatabase, owner: asyncpg.Connection) -> None:
    purse = await open_account(AccountKind.WALLET)
    await pay(purse, 100, FIRST)
    with pytest.raises(asyncpg.RaiseError, match="is not sealed and tied"):
        await detach(owner, SECOND)
    await transact(partial(ledger.seal, shard=0))
    with pytest.raises(asyncpg.RaiseError, match="is not sealed and tied"):
        await detach(owner, SECOND)
    await transact(ledger.take_checkpoint)
    assert await detach(owner, SECOND)


async def test_entries_of_a_month_without_a_partition_stay(control: ControlDatabase, owner: asyncpg.Connection) -> None:
    purse = await open_account(AccountKind.WALLET)
    await pay(purse, 100, FIRST)
    await pay(purse, 100, 1_000)
    await seal()
    with pytest.raises(asyncpg.RaiseError, match="stand in the default partition"):
        await detach(owner, SECOND)


async def test_the_runtime_role_detaches_nothing_and_records_no_cut(
    control: ControlDatabase, owner: asyncpg.Connection
) -> None:
    with pytest.raises(DetachRefusedError, match="Only the owner"):
        await transact(partial(ledger.detach_before, before_at=SECOND))
    await pay(await open_account(AccountKind.WALLET), 100, FIRST)
    await seal()
    await detach(owner, SECOND)
    for table in ("cut_offs", "cut_balances", "cut_entries"):
        for statement in (f"INSERT INTO {table} SELECT * FROM {table}", f"DELETE FROM {table}", f"TRUNCATE {table}"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await execute(reading(), statement)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await owner.execute(f"DELETE FROM {table}")


FORGERIES = {
    "a balance": ("UPDATE cut_balances SET balance_micros = balance_micros + 1", "cut_off_is_unbroken"),
    "a chain": ("UPDATE cut_balances SET chain_balance_micros = 0", "entry_balance_is_the_sum"),
    "an account gone": ("DELETE FROM cut_balances WHERE balance_micros < 0", "cut_off_is_unbroken"),
    "an instant": ("UPDATE cut_offs SET before_at = before_at + 1", "cut_off_is_unbroken"),
    "the record gone": ("DELETE FROM cut_offs", "cut_off_is_tied"),
    "a header": ("UPDATE transfers SET effective_at = effective_at + 1", "seal_is_unbroken"),
    "a transfer put before it": ("UPDATE transfers SET created_at = 5", "transfer_has_its_entries"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_what_was_cut_cannot_change_unseen(
    control: ControlDatabase, owner: asyncpg.Connection, superuser_url: str, forgery: str
) -> None:
    purse = await open_account(AccountKind.WALLET)
    await pay(purse, 100, FIRST)
    await pay(purse, 100, SECOND)
    await seal()
    await detach(owner, SECOND)
    statement, rule = FORGERIES[forgery]
    superuser = await asyncpg.connect(superuser_url)
    await superuser.execute("SET session_replication_role = replica")
    await superuser.execute(statement)
    await superuser.close()
    assert rule in {finding.rule for finding in await ledger.audit(reading())}
