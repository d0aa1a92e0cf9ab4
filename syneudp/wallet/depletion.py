"""When a wallet's money ends, and what happens then: its segments close at that very second and are posted.

Prices that are to change are seen ahead, so that only what changes balance, burn or a price moves a depletion. A
monthly cap ends segments the same way, under its own name, and leaves the balance alone.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from syneudp.kernel.database import Connection, execute
from syneudp.ledger import Reason, balance
from syneudp.wallet import rules
from syneudp.wallet.alerts import Ended, alert_cap_reached, alert_suspensions, remember_end
from syneudp.wallet.segment_records import close_and_post, split_and_post
from syneudp.wallet.standings import standing
from syneudp.wallet.values import EndCause, LockedWallet, Segment, UsageEnd

FORGET_END: Final = "DELETE FROM wallet_depletions WHERE wallet_id = $1"
ENDING_REASONS: Final = {EndCause.BALANCE: Reason.USAGE_DEPLETED, EndCause.CAP: Reason.USAGE_CAPPED}


def depletion_key(wallet_id: UUID, ended_at: int) -> str:
    """Name the one transfer that an end of a wallet's money (epoch seconds) is posted by."""
    return f"depletion:{wallet_id}:{ended_at}"


def cap_key(wallet_id: UUID, ended_at: int) -> str:
    """Name the one transfer that reaching a wallet's monthly cap (epoch seconds) is posted by."""
    return f"cap:{wallet_id}:{ended_at}"


async def settle_depletion(
    tx: Connection, locked: LockedWallet, *, depletes_at: int | None, changes_at: int | None
) -> LockedWallet:
    """Bring a wallet's open segments to `locked.now`: end them where its money did, or split them where prices changed.

    Where the money has ended, each closes at that very second and is posted; afterwards 0 <= balance < the cost of the
    next second of what ran, and the resources closed are told in `depleted`. Where the monthly cap was reached before,
    spent <= cap < spent + that cost. `depletes_at` is when it was last known to end, and `changes_at` the first
    boundary at which a segment is to be split; what lies ahead is left alone.
    """
    changed = changes_at is not None and changes_at <= locked.now
    if not changed and (depletes_at is None or depletes_at > locked.now):
        return locked
    stands = await standing(tx, locked.wallet.id)
    end = stands.computed_end()
    if end is not None and end.at <= locked.now:
        return await _end(tx, locked, stands.segments, end)
    if changed:
        passed = max(change.at for segment in stands.segments for change in segment.coming if change.at <= locked.now)
        await split_and_post(tx, locked, stands.segments, key=f"split:{locked.wallet.id}:{passed}", effective_at=passed)
    await recompute_depletion(tx, locked)
    return replace(locked, balance_micros=await balance(tx, locked.wallet.account_id))


async def recompute_depletion(tx: Connection, locked: LockedWallet) -> int | None:
    """Compute when the money or the cap ends what runs, after a change of any of them, and keep it with which it is.

    Answers when that is; None where nothing burns. A runway is watched for the money alone.
    """
    end = (await standing(tx, locked.wallet.id)).computed_end()
    await keep_end(tx, locked, end)
    return None if end is None else end.at


async def keep_end(tx: Connection, locked: LockedWallet, end: UsageEnd | None) -> None:
    """Write down when what runs ends; None where nothing burns."""
    if end is None:
        await execute(tx, FORGET_END, locked.wallet.id)
    else:
        await remember_end(tx, locked, end)


async def _end(tx: Connection, locked: LockedWallet, segments: Sequence[Segment], end: UsageEnd) -> LockedWallet:
    capped = end.why is EndCause.CAP
    await close_and_post(
        tx,
        locked,
        [(segment, max(end.at, segment.from_at)) for segment in segments],
        reason=ENDING_REASONS[end.why],
        key=(cap_key if capped else depletion_key)(locked.wallet.id, end.at),
        effective_at=end.at,
    )
    await execute(tx, FORGET_END, locked.wallet.id)
    settled = replace(
        locked,
        balance_micros=await balance(tx, locked.wallet.account_id),
        depleted=tuple(segment.resource_id for segment in segments),
        ended=end,
    )
    told = Ended(locked=settled, ended_at=end.at, burn_micros_per_hour=rules.burn(segments, at=end.at))
    if capped:
        await alert_cap_reached(tx, told)
    else:
        await alert_suspensions(tx, [told])
    return settled
