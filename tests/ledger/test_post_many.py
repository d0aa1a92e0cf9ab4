import asyncio
import hashlib
from uuid import UUID, uuid4

import asyncpg
import pytest

from syneudp import ledger
from syneudp.kernel.database import Connection, reading, rows, transact, value
from syneudp.ledger import AccountKind, Entry, IdempotencyConflictError, Posting, Reason, Transfer, TransferInvalidError
from tests.ledger.test_post_transfer import AT, open_account, open_clearing
from tests.servers import ControlDatabase

BATCHES = 30
READ = "SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'transfers'"


def credit(purse: UUID, clearing: UUID, amount: int, key: str) -> Posting:
    return Posting(
        reason=Reason.CREDIT,
        key=key,
        effective_at=AT,
        created_at=AT,
        entries=(Entry(purse, amount), Entry(clearing, -amount)),
    )


async def post_many(*postings: Posting) -> list[Transfer]:
    return await ledger.post_many(reading(), postings)


async def test_many_transfers_stand_each_for_itself_with_one_chain_an_account(control: ControlDatabase) -> None:
    purses = [await open_account(AccountKind.WALLET) for _ in range(5)]
    clearing = await open_clearing()
    told = await post_many(*(credit(purses[n % 5], clearing, n + 1, f"k{n}") for n in range(23)))
    assert len({each.id for each in told}) == 23
    assert not any(each.replayed for each in told)
    assert await ledger.balance(reading(), clearing) == -sum(range(24))
    written = await rows(
        reading(),
        "SELECT sequence, amount_micros, balance_after_micros FROM entries WHERE account_id = $1 ORDER BY sequence",
        clearing,
    )
    assert [each["amount_micros"] for each in written] == [-n for n in range(1, 24)]
    assert [each["sequence"] for each in written] == list(range(1, 24))
    assert await ledger.audit(reading()) == []


async def test_each_of_many_is_made_once_whoever_repeats_it(control: ControlDatabase) -> None:
    purse, clearing = await open_account(AccountKind.WALLET), await open_clearing()
    first = await ledger.post(
        reading(),
        reason=Reason.CREDIT,
        key="k1",
        effective_at=AT,
        created_at=AT,
        entries=[Entry(purse, 1), Entry(clearing, -1)],
    )
    batch = [credit(purse, clearing, n, f"k{n}") for n in (1, 2, 3)]
    told = await post_many(*batch, batch[1])
    assert [each.replayed for each in told] == [True, False, False, True]
    assert told[0].id == first.id
    assert told[3].id == told[1].id
    again = await asyncio.gather(*(post_many(*batch) for _ in range(4)))
    assert {tuple(each.id for each in transfers) for transfers in again} == {tuple(each.id for each in told[:3])}
    assert await ledger.balance(reading(), purse) == 6
    assert await ledger.audit(reading()) == []


async def test_many_processes_of_the_same_batch_make_it_once(control: ControlDatabase) -> None:
    purses = [await open_account(AccountKind.WALLET) for _ in range(4)]
    clearing = await open_clearing()
    batch = [credit(purses[n % 4], clearing, 5, f"b{n}") for n in range(40)]
    told = await asyncio.gather(*(transact(lambda tx: ledger.post_many(tx, batch)) for _ in range(6)))
    assert sum(not each.replayed for transfers in told for each in transfers) == 40
    assert await ledger.balance(reading(), clearing) == -200


async def test_one_key_of_many_that_stands_for_something_else_refuses_all(control: ControlDatabase) -> None:
    purse, clearing = await open_account(AccountKind.WALLET), await open_clearing()
    await post_many(credit(purse, clearing, 4, "taken"))
    with pytest.raises(IdempotencyConflictError):
        await post_many(credit(purse, clearing, 4, "new"), credit(purse, clearing, 5, "taken"))
    with pytest.raises(IdempotencyConflictError):
        await post_many(credit(purse, clearing, 4, "twice"), credit(purse, clearing, 5, "twice"))
    assert await ledger.balance(reading(), purse) == 4


async def test_one_refused_transfer_of_many_leaves_none(control: ControlDatabase) -> None:
    purse, clearing = await open_account(AccountKind.WALLET), await open_clearing()
    good = credit(purse, clearing, 4, "good")
    elsewhere = await open_clearing(shard=1)
    for bad in (credit(purse, clearing, -5, "dry"), credit(purse, elsewhere, 5, "abroad")):
        with pytest.raises(asyncpg.CheckViolationError):
            await post_many(good, bad)
    half = credit(uuid4(), clearing, 1, "half")
    for unknown in (credit(uuid4(), uuid4(), 1, "nobody"), half, credit(purse, clearing, 0, "nothing")):
        with pytest.raises(TransferInvalidError):
            await post_many(good, unknown)
    assert await value(reading(), "SELECT count(*) FROM transfers") == 0
    assert await post_many() == []


async def test_the_digest_is_sha_256_over_the_reason_and_the_legs(control: ControlDatabase) -> None:
    purse, clearing = await open_account(AccountKind.WALLET), await open_clearing()
    told = hashlib.sha256(f"credit|{purse}:7|{clearing}:-7".encode()).digest()
    await post_many(credit(purse, clearing, 7, "many"))

    async def post(tx: Connection) -> Transfer:
        legs = [Entry(purse, 7), Entry(clearing, -7)]
        return await ledger.post(tx, reason=Reason.CREDIT, key="one", effective_at=AT, created_at=AT, entries=legs)

    await transact(post)
    assert {each["digest"] for each in await rows(reading(), "SELECT digest FROM transfers")} == {told}


async def test_a_batch_reads_the_transfers_it_makes_and_not_all_that_were_ever_made(control: ControlDatabase) -> None:
    purse, clearing = await open_account(AccountKind.WALLET), await open_clearing()
    made = 50

    async def post_batches(tx: Connection) -> int:
        for number in range(BATCHES):
            await ledger.post_many(tx, [credit(purse, clearing, 1, f"{number}:{each}") for each in range(made)])
        before = await value(tx, READ)
        await ledger.post_many(tx, [credit(purse, clearing, 1, f"last:{each}") for each in range(made)])
        return int(await value(tx, READ)) - int(before)

    read = await transact(post_batches)
    assert made <= read <= 3 * made
