from uuid import UUID, uuid4

import pytest

from syneudp import ledger
from syneudp.kernel.database import Connection, reading, transact
from syneudp.ledger import AccountKind, AccountUnknownError, Entry, Reason, Transfer
from tests.ledger.test_post_transfer import AT, open_account, open_clearing
from tests.servers import ControlDatabase


async def pay(purse: UUID, amount_micros: int, *, created_at: int, effective_at: int) -> Transfer:
    clearing = await open_clearing()

    async def work(tx: Connection) -> Transfer:
        return await ledger.post(
            tx,
            reason=Reason.ADJUSTMENT,
            key=str(uuid4()),
            effective_at=effective_at,
            created_at=created_at,
            entries=[Entry(purse, amount_micros), Entry(clearing, -amount_micros)],
        )

    return await transact(work)


async def test_a_balance_is_known_at_every_past_second(control: ControlDatabase) -> None:
    purse = await open_account(AccountKind.WALLET)
    await pay(purse, 100, created_at=AT, effective_at=AT)
    await pay(purse, -30, created_at=AT + 10, effective_at=AT + 5)
    seconds = (AT - 1, AT, AT + 4, AT + 5, AT + 9, AT + 10, AT + 99)
    assert [await ledger.balance_at(reading(), purse, at) for at in seconds] == [0, 100, 100, 100, 100, 70, 70]
    assert [await ledger.effective_balance_at(reading(), purse, at) for at in seconds] == [0, 100, 100, 70, 70, 70, 70]


async def test_a_correction_changes_what_counts_and_never_what_was_written(control: ControlDatabase) -> None:
    purse = await open_account(AccountKind.WALLET)
    await pay(purse, 100, created_at=AT, effective_at=AT)
    before = await ledger.balance_at(reading(), purse, AT + 5)
    await pay(purse, -1, created_at=AT + 60, effective_at=AT + 1)
    assert await ledger.balance_at(reading(), purse, AT + 5) == before == 100
    assert await ledger.effective_balance_at(reading(), purse, AT + 5) == 99


async def test_the_balance_of_an_unknown_account_is_refused(control: ControlDatabase) -> None:
    for read in (ledger.balance_at, ledger.effective_balance_at):
        with pytest.raises(AccountUnknownError):
            await read(reading(), uuid4(), AT)
