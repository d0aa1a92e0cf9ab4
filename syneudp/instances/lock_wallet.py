"""The lock that everyone above the wallet takes: it settles depletion and stops what the wallet no longer pays for."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from syneudp import wallet
from syneudp.instances.intents import raised
from syneudp.instances.records import lock_records
from syneudp.instances.rules import require_transition
from syneudp.instances.values import Actor, EventKind, Hold
from syneudp.kernel.database import Connection, execute, load_sql
from syneudp.kernel.identifiers import new_id
from syneudp.wallet import EndCause, LockedWallet

HOLDS: Final = {
    EndCause.BALANCE: (Hold.BALANCE, EventKind.BALANCE_DEPLETED),
    EndCause.CAP: (Hold.CAP, EventKind.CAP_REACHED),
}


async def lock_wallet(tx: Connection, wallet_id: UUID) -> LockedWallet:
    """Lock a wallet, settle its depletion up to now, and hold every instance whose segment that closed.

    They get the `balance` hold, or the `cap` hold where that was reached, a higher generation and an outbox row in this
    same transaction.
    """
    locked = await wallet.lock_wallet(tx, wallet_id)
    await hold_ended(tx, [locked])
    return locked


async def settle_many(tx: Connection, wallet_ids: Sequence[UUID]) -> set[UUID]:
    """Settle wallets whose money has ended and hold what they paid for; answers which were settled here.

    Those that are left are not due by now, or are for `lock_wallet` to settle one by one. Raises what
    `wallet.settle_many` raises.
    """
    settled = await wallet.settle_many(tx, wallet_ids)
    await hold_ended(tx, settled)
    return {locked.wallet.id for locked in settled}


async def hold_ended(tx: Connection, settled: Sequence[LockedWallet]) -> None:
    """Hold what settling ended, for the money or for the cap; a cap's hold stands since the month of its end."""
    for cause, (hold, kind) in HOLDS.items():
        ended = [locked for locked in settled if locked.ended is not None and locked.ended.why is cause]
        nows = {resource_id: locked.now for locked in ended for resource_id in locked.depleted}
        since = {
            resource_id: locked.ended.at if locked.ended is not None and cause is EndCause.CAP else locked.now
            for locked in ended
            for resource_id in locked.depleted
        }
        if nows:
            await _hold(tx, nows, since, hold=hold, kind=kind)


async def _hold(
    tx: Connection, nows: Mapping[UUID, int], since: Mapping[UUID, int], *, hold: Hold, kind: EventKind
) -> None:
    before = await lock_records(tx, sorted(nows))
    after = [raised(record, replace(record, holds=record.holds | {hold})) for record in before]
    for record, held in zip(before, after, strict=True):
        require_transition(record.status, held.status)
    await execute(
        tx,
        load_sql(__file__, "write_holds.sql"),
        [held.id for held in after],
        [held.generation for held in after],
        [held.state_generation for held in after],
        [nows[held.id] for held in after],
        [held.generation != record.generation for record, held in zip(before, after, strict=True)],
        [new_id() for _ in after],
        hold.value,
        kind.value,
        Actor.PLATFORM.value,
        [since[held.id] for held in after],
    )
