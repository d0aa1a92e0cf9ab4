import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syneudp import ledger
from syneudp.kernel.database import Connection, reading, rows, transact, value
from syneudp.ledger import AccountKind, Entry, IdempotencyConflictError, Reason, Transfer, TransferInvalidError
from syneudp.ledger.rules import check_entries
from tests.servers import ControlDatabase

AT = 1_800_000_000


async def open_account(kind: AccountKind, *, shard: int = 0, currency: str = "EUR", provider: str = "") -> UUID:
    return await transact(
        lambda tx: ledger.open_account(tx, kind=kind, shard=shard, currency=currency, provider=provider)
    )


async def open_clearing(*, shard: int = 0, currency: str = "EUR") -> UUID:
    return await open_account(AccountKind.CLEARING, shard=shard, currency=currency, provider="sandbox")


async def post(*entries: Entry, key: str | None = None) -> Transfer:
    async def work(tx: Connection) -> Transfer:
        return await ledger.post(
            tx, reason=Reason.TOP_UP, key=key or str(uuid4()), effective_at=AT, created_at=AT, entries=entries
        )

    return await transact(work)


async def test_a_transfer_moves_both_sides(control: ControlDatabase) -> None:
    purse, clearing = await open_account(AccountKind.WALLET), await open_clearing()
    await post(Entry(purse, 500), Entry(clearing, -500))
    await post(Entry(purse, -200), Entry(clearing, 200))
    assert await ledger.balance(reading(), purse) == 300
    assert await ledger.balance(reading(), clearing) == -300
    entries = await rows(reading(), "SELECT * FROM entries WHERE account_id = $1 ORDER BY sequence", purse)
    assert [(each["sequence"], each["balance_after_micros"]) for each in entries] == [(1, 500), (2, 300)]
    assert await ledger.audit(reading()) == []


async def test_one_account_may_stand_on_several_legs(control: ControlDatabase) -> None:
    purse, clearing = await open_account(AccountKind.WALLET), await open_clearing()
    await post(Entry(purse, 5), Entry(purse, 7), Entry(clearing, -12))
    assert await ledger.balance(reading(), purse) == 12
    assert await ledger.audit(reading()) == []


async def test_the_same_key_and_movement_is_the_same_transfer(control: ControlDatabase) -> None:
    purse, clearing = await open_account(AccountKind.WALLET), await open_clearing()
    legs = (Entry(purse, 9), Entry(clearing, -9))
    told = await asyncio.gather(*(post(*legs, key="once") for _ in range(8)))
    assert len({each.id for each in told}) == 1
    assert sum(not each.replayed for each in told) == 1
    assert await ledger.balance(reading(), purse) == 9
    with pytest.raises(IdempotencyConflictError):
        await post(Entry(purse, 8), Entry(clearing, -8), key="once")


async def test_many_at_once_keep_one_chain(control: ControlDatabase) -> None:
    clearing = await open_clearing()
    purses = [await open_account(AccountKind.WALLET) for _ in range(4)]
    await asyncio.gather(*(post(Entry(purse, 1), Entry(clearing, -1)) for purse in purses * 10))
    assert await ledger.balance(reading(), clearing) == -40
    assert await ledger.audit(reading()) == []


async def test_system_accounts_are_one_a_shard_currency_and_provider(control: ControlDatabase) -> None:
    opened = await asyncio.gather(*(open_account(AccountKind.REVENUE) for _ in range(6)))
    assert len(set(opened)) == 1
    assert await open_account(AccountKind.REVENUE, shard=1) not in opened
    assert await open_account(AccountKind.REVENUE, currency="USD") not in opened
    assert await open_clearing() == await open_clearing()
    assert await open_account(AccountKind.CLEARING, provider="stripe") != await open_clearing()
    assert await open_account(AccountKind.WALLET) != await open_account(AccountKind.WALLET)


@pytest.mark.parametrize(("domain", "known"), [("account_kind", AccountKind), ("transfer_reason", Reason)])
async def test_the_database_knows_every_kind_and_reason_and_no_other(
    control: ControlDatabase, domain: str, known: type[AccountKind | Reason]
) -> None:
    for each in known:
        assert await value(reading(), f"SELECT $1::text::{domain}", each.value) == each.value
    for other in ("gift", "", "Wallet"):
        with pytest.raises(asyncpg.CheckViolationError):
            await value(reading(), f"SELECT $1::text::{domain}", other)


async def test_the_accounts_of_a_shard_stand_side_by_side(control: ControlDatabase) -> None:
    opened = [(await open_account(AccountKind.WALLET, shard=shard), shard) for shard in (9, 200, 9, 0, 200, 255, 0)]
    assert [shard for _, shard in sorted(opened)] == [0, 0, 9, 9, 200, 200, 255]
    assert len({account for account, _ in opened}) == len(opened)
    assert {account.version for account, _ in opened} == {8}


async def test_accounts_that_are_not_there_take_nothing(control: ControlDatabase) -> None:
    with pytest.raises(TransferInvalidError):
        await post(Entry(uuid4(), 1), Entry(uuid4(), -1))
    with pytest.raises(ledger.AccountUnknownError):
        await ledger.balance(reading(), uuid4())


async def test_partitions_are_made_ahead_by_the_runtime_role_and_only_once(control: ControlDatabase) -> None:
    assert await transact(lambda tx: ledger.extend_entries(tx, months_ahead=24)) == 0
    assert await transact(lambda tx: ledger.extend_entries(tx, months_ahead=30)) == 6
    assert await transact(lambda tx: ledger.extend_entries(tx, months_ahead=30)) == 0


async def test_a_month_without_a_partition_stands_in_the_default_one(control: ControlDatabase) -> None:
    purse, clearing = await open_account(AccountKind.WALLET), await open_clearing()
    far = 2_600_000_000

    async def work(tx: Connection) -> Transfer:
        return await ledger.post(
            tx,
            reason=Reason.TOP_UP,
            key="far",
            effective_at=far,
            created_at=far,
            entries=[Entry(purse, 1), Entry(clearing, -1)],
        )

    await transact(work)
    assert len(await rows(reading(), "SELECT FROM entries WHERE tableoid = 'entries_default'::regclass")) == 2
    assert await ledger.audit(reading()) == []


ACCOUNTS = [uuid4() for _ in range(3)]


@given(st.lists(st.builds(Entry, st.sampled_from(ACCOUNTS), st.integers(-5, 5)), max_size=5))
def test_entries_pass_only_where_they_are_one_transfer(entries: list[Entry]) -> None:
    amounts = [entry.amount_micros for entry in entries]
    if len(amounts) >= 2 and 0 not in amounts and sum(amounts) == 0:
        check_entries(entries)
    else:
        with pytest.raises(TransferInvalidError):
            check_entries(entries)


@pytest.mark.parametrize("amount", [2**62 + 1, 2**63, 2**70, True])
def test_amounts_no_account_holds_are_refused(amount: int) -> None:
    with pytest.raises(TransferInvalidError):
        check_entries([Entry(ACCOUNTS[0], amount), Entry(ACCOUNTS[1], -amount)])
