from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest

from syneudp import ledger
from syneudp.kernel.database import Connection, transact
from syneudp.ledger import AccountKind, Entry, Reason
from tests.servers import ControlDatabase

AT = 1_800_000_000
REFUSED = asyncpg.InsufficientPrivilegeError
THIS_MONTH = f"entries_{datetime.now(UTC):%Y_%m}"
BOOKS = ("accounts", "transfers", "entries", "entries_default", THIS_MONTH)
RICH_ACCOUNT = (
    "INSERT INTO accounts (id, kind, shard, currency, balance_micros, created_at)"
    " VALUES (gen_random_uuid(), 'wallet', 0, 'EUR', 5, 0)"
)
PARTITION_AT = int(datetime.now(UTC).timestamp())


@dataclass
class Books:
    runtime: asyncpg.Connection
    purse: UUID
    other: UUID
    clearing: UUID
    elsewhere: UUID
    dollars: UUID


@pytest.fixture
async def books(control: ControlDatabase) -> AsyncIterator[Books]:
    async def fill(tx: Connection) -> list[UUID]:
        purse = await ledger.open_account(tx, kind=AccountKind.WALLET, shard=0, currency="EUR")
        other = await ledger.open_account(tx, kind=AccountKind.WALLET, shard=0, currency="EUR")
        clearing = await ledger.open_account(tx, kind=AccountKind.CLEARING, shard=0, currency="EUR", provider="sandbox")
        elsewhere = await ledger.open_account(tx, kind=AccountKind.WALLET, shard=1, currency="EUR")
        dollars = await ledger.open_account(tx, kind=AccountKind.WALLET, shard=0, currency="USD")
        await ledger.post(
            tx,
            reason=Reason.TOP_UP,
            key="first",
            effective_at=AT,
            created_at=PARTITION_AT,
            entries=[Entry(purse, 100), Entry(clearing, -100)],
        )
        return [purse, other, clearing, elsewhere, dollars]

    accounts = await transact(fill)
    connection = await asyncpg.connect(control.url)
    yield Books(connection, *accounts)
    await connection.close()


async def write(
    books: Books, *legs: tuple[UUID, int, int, int], count: int | None = None, shard: int = 0, header: bool = True
) -> None:
    transfer = uuid4()
    statement = (
        "WITH made AS (INSERT INTO transfers"
        " (id, shard, reason, idempotency_key, digest, entry_count, effective_at, created_at)"
        f" SELECT $1::uuid, {shard}, 'credit', $1::uuid::text, sha256('x'), $2, {AT}, {AT} WHERE $8)"
        " INSERT INTO entries (transfer_id, leg, account_id, sequence, amount_micros, balance_after_micros, created_at)"
        f" SELECT $1::uuid, ($7::int[])[leg], account, sequence, amount, after, {AT}"
        " FROM unnest($3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[])"
        " WITH ORDINALITY AS t (account, sequence, amount, after, leg)"
    )
    async with books.runtime.transaction():
        await books.runtime.execute(
            statement,
            transfer,
            len(legs) if count is None else count,
            [account for account, _, _, _ in legs],
            [sequence for _, sequence, _, _ in legs],
            [amount for _, _, amount, _ in legs],
            [after for _, _, _, after in legs],
            list(range(len(legs))),
            header,
        )


async def test_a_right_transfer_passes(books: Books) -> None:
    await write(books, (books.purse, 2, -30, 70), (books.other, 1, 30, 30))
    await write(books, (books.purse, 3, -30, 40), (books.purse, 4, -30, 10), (books.other, 2, 60, 90))


async def test_what_breaks_a_rule_is_refused(books: Books) -> None:
    purse, other = books.purse, books.other
    wrong = {
        "unbalanced": ((purse, 2, -30, 70), (other, 1, 31, 31)),
        "gap": ((purse, 3, -30, 70), (other, 1, 30, 30)),
        "repeated sequence": ((purse, 1, -30, 70), (other, 1, 30, 30)),
        "wrong balance": ((purse, 2, -30, 71), (other, 1, 30, 30)),
        "below zero": ((purse, 2, -101, -1), (other, 1, 101, 101)),
        "below zero on the way": ((purse, 2, -101, -1), (purse, 3, 101, 100), (other, 1, 5, 5), (other, 2, -5, 0)),
        "another shard": ((purse, 2, -30, 70), (books.elsewhere, 1, 30, 30)),
        "another currency": ((purse, 2, -30, 70), (books.dollars, 1, 30, 30)),
        "unknown account": ((purse, 2, -30, 70), (uuid4(), 1, 30, 30)),
        "a zero": ((purse, 2, 0, 100), (other, 1, 0, 0)),
        "one leg": ((purse, 2, -30, 70),),
    }
    for legs in wrong.values():
        with pytest.raises(asyncpg.CheckViolationError):
            await write(books, *legs)
    with pytest.raises(asyncpg.CheckViolationError):
        await write(books, (purse, 2, -30, 70), (other, 1, 30, 30), count=3)
    with pytest.raises(asyncpg.CheckViolationError):
        await write(books, (purse, 2, -30, 70), (other, 1, 30, 30), shard=1)
    with pytest.raises(asyncpg.CheckViolationError):
        await write(books, (purse, 2, -30, 70), (other, 1, 30, 30), header=False)
    await write(books, (purse, 2, -30, 70), (other, 1, 30, 30))


async def test_a_transfer_without_entries_is_refused(books: Books) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await books.runtime.execute(
            "INSERT INTO transfers (id, shard, reason, idempotency_key, digest, entry_count, effective_at, created_at)"
            " VALUES ($1, 0, 'credit', 'bare', sha256('x'), 2, 0, 0)",
            uuid4(),
        )


async def test_nothing_is_added_to_a_transfer_that_stands(books: Books) -> None:
    transfer = await books.runtime.fetchval("SELECT id FROM transfers")
    with pytest.raises((asyncpg.CheckViolationError, asyncpg.UniqueViolationError)):
        await books.runtime.execute(
            "INSERT INTO entries (transfer_id, leg, account_id, sequence, amount_micros, balance_after_micros,"
            " created_at) VALUES ($1, 0, $2, 2, -1, 99, $4), ($1, 1, $3, 1, 1, 1, $4)",
            transfer,
            books.purse,
            books.other,
            PARTITION_AT,
        )
    with pytest.raises(asyncpg.CheckViolationError):
        await books.runtime.execute(
            "INSERT INTO entries (transfer_id, leg, account_id, sequence, amount_micros, balance_after_micros,"
            " created_at) VALUES ($1, 2, $2, 2, -1, 99, $4), ($1, 3, $3, 1, 1, 1, $4)",
            transfer,
            books.purse,
            books.other,
            PARTITION_AT,
        )


@pytest.mark.parametrize("table", BOOKS)
async def test_the_runtime_role_changes_and_removes_nothing(books: Books, table: str) -> None:
    for statement in (
        f"UPDATE {table} SET created_at = 0",
        f"DELETE FROM {table}",
        f"TRUNCATE {table}",
        f"DROP TABLE {table}",
        f"ALTER TABLE {table} DISABLE TRIGGER ALL",
        f"ALTER TABLE {table} OWNER TO syneudp_runtime",
        f"CREATE RULE quiet AS ON INSERT TO {table} DO INSTEAD NOTHING",
    ):
        with pytest.raises(REFUSED):
            await books.runtime.execute(statement)


async def test_the_runtime_role_moves_no_balance_and_reaches_no_partition(books: Books) -> None:
    for statement in (
        "UPDATE accounts SET balance_micros = 10 ^ 12",
        RICH_ACCOUNT,
        f"INSERT INTO {THIS_MONTH} SELECT * FROM entries",
        "INSERT INTO entries_default SELECT * FROM entries",
        f"ALTER TABLE entries DETACH PARTITION {THIS_MONTH}",
        "CREATE TABLE entries_mine PARTITION OF entries FOR VALUES FROM (1) TO (2)",
        "SET session_replication_role = replica",
        "SELECT ledger_guard_partition('entries')",
        "CREATE TRIGGER mine BEFORE INSERT ON entries FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change()",
    ):
        with pytest.raises(REFUSED):
            await books.runtime.execute(statement)


@pytest.mark.parametrize("table", BOOKS)
async def test_the_owner_is_refused_by_the_triggers_too(books: Books, control: ControlDatabase, table: str) -> None:
    owner = await asyncpg.connect(control.owner_url)
    try:
        for statement in (
            f"UPDATE {table} SET created_at = 0",
            f"DELETE FROM {table}",
            f"TRUNCATE {table} CASCADE",
        ):
            with pytest.raises(REFUSED):
                await owner.execute(statement)
        with pytest.raises(REFUSED):
            await owner.execute("INSERT INTO entries_default SELECT * FROM entries LIMIT 0")
        with pytest.raises(asyncpg.CheckViolationError):
            await owner.execute(RICH_ACCOUNT)
    finally:
        await owner.close()


async def test_every_partition_made_later_is_guarded_alike(books: Books, control: ControlDatabase) -> None:
    await transact(lambda tx: ledger.extend_entries(tx, months_ahead=26))
    owner = await asyncpg.connect(control.owner_url)
    try:
        guarded = await owner.fetch(
            "SELECT c.relname, count(t.tgname) AS triggers FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " LEFT JOIN pg_trigger t ON t.tgrelid = c.oid AND t.tgname IN"
            " ('entries_partition_refuses', 'entries_refuse_row_change')"
            " WHERE i.inhparent = 'entries'::regclass GROUP BY c.relname"
        )
        assert len(guarded) == 28
        assert {each["triggers"] for each in guarded} == {2}
        granted = await owner.fetch(
            "SELECT DISTINCT table_name FROM information_schema.role_table_grants"
            " WHERE grantee = 'syneudp_runtime' AND table_name LIKE 'entries\\_%'"
        )
        assert granted == []
    finally:
        await owner.close()


async def test_every_partition_refuses_every_change_and_every_direct_entry(
    books: Books, control: ControlDatabase
) -> None:
    owner = await asyncpg.connect(control.owner_url)
    try:
        found = await owner.fetch(
            "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'entries'::regclass ORDER BY 1"
        )
        partitions = [each["name"] for each in found]
        assert len(partitions) == 26
        for partition in partitions:
            changes = (
                f"UPDATE {partition} SET amount_micros = amount_micros",
                f"DELETE FROM {partition}",
                f"TRUNCATE {partition}",
                f"INSERT INTO {partition} SELECT * FROM entries LIMIT 0",
            )
            for statement in (*changes, f"ALTER TABLE entries DETACH PARTITION {partition}"):
                with pytest.raises(REFUSED):
                    await books.runtime.execute(statement)
            for statement in changes:
                with pytest.raises(REFUSED):
                    await owner.execute(statement)
    finally:
        await owner.close()


async def test_what_a_wallet_owes_is_never_more_than_paid(books: Books) -> None:
    owing = await transact(lambda tx: ledger.open_account(tx, kind=AccountKind.DEBT, shard=0, currency="EUR"))
    await write(books, (owing, 1, -30, -30), (books.other, 1, 30, 30))
    for legs in (
        ((owing, 2, 31, 1), (books.purse, 2, -31, 69)),
        ((owing, 2, 40, 10), (owing, 3, -20, -10), (books.purse, 2, -20, 80)),
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            await write(books, *legs)
    await write(books, (owing, 2, 30, 0), (books.purse, 2, -30, 70))
