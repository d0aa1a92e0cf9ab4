import asyncio
from functools import partial
from uuid import UUID

import asyncpg
import pytest

from syneudp import ledger
from syneudp.kernel.database import Connection, execute, reading, rows, transact, value
from syneudp.ledger import AccountKind, Entry, Finding, Seal
from tests.ledger.test_post_transfer import open_account, open_clearing, post
from tests.servers import ControlDatabase


async def seal(shard: int = 0) -> Seal | None:
    return await transact(partial(ledger.seal, shard=shard))


async def pay(purse: UUID, *, shard: int = 0) -> UUID:
    return (await post(Entry(purse, 5), Entry(await open_clearing(shard=shard), -5))).id


async def rules(control: ControlDatabase, forgery: str, owner_url: str) -> set[str]:
    superuser = await asyncpg.connect(owner_url)
    try:
        await superuser.execute("SET session_replication_role = replica")
        await superuser.execute(forgery)
    finally:
        await superuser.close()
    return {finding.rule for finding in await transact(ledger.verify)}


async def test_each_seal_covers_what_was_posted_since_the_last(control: ControlDatabase) -> None:
    purse = await open_account(AccountKind.WALLET)
    assert await seal() is None
    transfers = [await pay(purse) for _ in range(3)]
    first = await seal()
    assert first is not None
    assert (first.number, first.transfers, first.entries) == (1, 3, 6)
    assert await seal() is None
    late = await pay(purse)
    assert await ledger.seal_of(reading(), late) is None
    second = await seal()
    assert second is not None
    assert (second.number, second.transfers) == (2, 1)
    assert [await ledger.seal_of(reading(), each) for each in (*transfers, late)] == [(0, 1)] * 3 + [(0, 2)]
    assert await transact(ledger.verify) == []


async def test_each_shard_has_a_chain_of_its_own(control: ControlDatabase) -> None:
    for shard in (3, 200):
        await pay(await open_account(AccountKind.WALLET, shard=shard), shard=shard)
    assert [(told.number if (told := await seal(shard)) else None) for shard in (3, 4, 200)] == [1, None, 1]
    assert await transact(ledger.take_checkpoint) == 1
    found = await ledger.checkpoint(reading())
    assert found is not None
    assert [each.shard for each in found.seals] == [3, 200]
    assert ledger.checkpoint_digest(found) == found.digest


async def test_a_checkpoint_is_taken_only_where_a_seal_is_new(control: ControlDatabase) -> None:
    assert await transact(ledger.take_checkpoint) is None
    assert await ledger.checkpoint(reading()) is None
    purse = await open_account(AccountKind.WALLET)
    await pay(purse)
    await seal()
    told = await asyncio.gather(*(transact(ledger.take_checkpoint) for _ in range(4)))
    assert sorted(told, key=lambda number: number or 0) == [None, None, None, 1]
    await pay(purse)
    await seal()
    assert await transact(ledger.take_checkpoint) == 2
    first, second = await ledger.checkpoint(reading(), 1), await ledger.checkpoint(reading(), 2)
    assert first is not None
    assert second is not None
    assert second.previous_digest == first.digest
    assert await transact(ledger.verify) == []
    assert await transact(partial(ledger.verify, told=first)) == []


async def test_ordinals_are_given_by_the_database_alone(control: ControlDatabase) -> None:
    await pay(await open_account(AccountKind.WALLET))
    columns = "id, shard, reason, idempotency_key, digest, entry_count, effective_at, created_at, ordinal"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await execute(
            reading(),
            f"INSERT INTO transfers ({columns}) OVERRIDING SYSTEM VALUE"
            " SELECT gen_random_uuid(), shard, reason, 'x', digest, 2, 0, 0, 1 FROM transfers",
        )


@pytest.mark.parametrize("table", ["seals", "checkpoints"])
async def test_seals_and_checkpoints_are_append_only_and_continue_their_chain(
    control: ControlDatabase, table: str
) -> None:
    await pay(await open_account(AccountKind.WALLET))
    await seal()
    await transact(ledger.take_checkpoint)
    for statement in (f"UPDATE {table} SET digest = ''", f"DELETE FROM {table}", f"TRUNCATE {table}"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await execute(reading(), statement)
    columns = await rows(
        reading(), "SELECT attname FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0", table
    )
    copied = ", ".join("number + 1" if each["attname"] == "number" else each["attname"] for each in columns)
    with pytest.raises(asyncpg.CheckViolationError):
        await execute(reading(), f"INSERT INTO {table} SELECT {copied} FROM {table}")


async def test_a_seal_is_not_written_beside_another(control: ControlDatabase) -> None:
    purse = await open_account(AccountKind.WALLET)
    await pay(purse)
    written = asyncio.Event()
    committed = asyncio.Event()

    async def slow(tx: Connection) -> None:
        await ledger.seal(tx, 0)
        written.set()
        await committed.wait()

    async def a_session_waits() -> bool:
        return bool(await value(reading(), "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"))

    slower = asyncio.create_task(transact(slow))
    await written.wait()
    other = asyncio.create_task(seal())
    async with asyncio.timeout(30):
        while not await a_session_waits():
            await asyncio.sleep(0.01)
    committed.set()
    await slower
    with pytest.raises(asyncpg.UniqueViolationError):
        await other
    assert await value(reading(), "SELECT count(*) FROM seals") == 1


FORGERIES = {
    "an amount": ("UPDATE entries SET amount_micros = amount_micros * 2", "seal_is_unbroken"),
    "an order": ("UPDATE entries SET sequence = sequence + 7", "seal_is_unbroken"),
    "a time": ("UPDATE transfers SET effective_at = effective_at + 1", "seal_is_unbroken"),
    "a key": ("UPDATE transfers SET idempotency_key = idempotency_key || '.'", "seal_is_unbroken"),
    "a transfer gone": (
        "DELETE FROM transfers WHERE ordinal = (SELECT min(ordinal) FROM transfers)",
        "seal_is_unbroken",
    ),
    "entries gone": ("DELETE FROM entries WHERE leg = 0", "seal_is_unbroken"),
    "a seal rewritten": ("UPDATE seals SET entries_digest = sha256('x') WHERE number = 1", "seal_is_unbroken"),
    "a chain cut": ("UPDATE seals SET previous_digest = sha256('x') WHERE number = 2", "seal_chain_is_unbroken"),
    "a seal gone": ("DELETE FROM seals WHERE number = 1", "seal_chain_is_unbroken"),
    "the last seal gone": ("DELETE FROM seals WHERE number = 2", "checkpoint_is_unbroken"),
    "a checkpoint rewritten": ("UPDATE checkpoints SET heads[1] = 1 WHERE number = 2", "checkpoint_is_unbroken"),
    "a checkpoint gone": ("DELETE FROM checkpoints WHERE number = 1", "checkpoint_is_unbroken"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_what_was_sealed_cannot_change_unseen(control: ControlDatabase, superuser_url: str, forgery: str) -> None:
    purse = await open_account(AccountKind.WALLET)
    for _ in range(2):
        await pay(purse)
        await seal()
        await transact(ledger.take_checkpoint)
    statement, rule = FORGERIES[forgery]
    assert rule in await rules(control, statement, superuser_url)


async def test_a_history_rewritten_with_all_its_digests_differs_from_what_was_exported(
    control: ControlDatabase, superuser_url: str
) -> None:
    purse = await open_account(AccountKind.WALLET)
    await pay(purse)
    await seal()
    await transact(ledger.take_checkpoint)
    exported = await ledger.checkpoint(reading())
    assert exported is not None
    assert (
        await rules(
            control, "DELETE FROM checkpoints; DELETE FROM seals; DELETE FROM entries WHERE leg > 5", superuser_url
        )
        == set()
    )
    await pay(purse)
    await seal()
    await transact(ledger.take_checkpoint)
    assert await transact(ledger.verify) == []
    found: list[Finding] = await transact(partial(ledger.verify, told=exported))
    assert [(each.rule, each.row) for each in found] == [
        ("checkpoint_is_what_was_exported", "checkpoint 1"),
        ("seal_is_what_was_exported", "shard 0 seal 1"),
    ]
