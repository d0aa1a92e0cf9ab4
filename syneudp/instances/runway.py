"""What a wallet must cover, and its monthly cap leave room for, before something runs on it."""

from collections.abc import Sequence
from typing import Final

from syneudp import wallet
from syneudp.instances.errors import CapReachedError, InsufficientBalanceError
from syneudp.instances.values import EventKind, Hold
from syneudp.kernel.database import Connection, rows
from syneudp.wallet import EndCause, LockedWallet, Usage

PENDING: Final = (
    "SELECT i.id, i.plan_id FROM instances i"
    " WHERE i.wallet_id = $1 AND i.terminated_for IS NULL"
    " AND NOT EXISTS (SELECT FROM instance_holds h WHERE h.instance_id = i.id)"
    " AND (i.observed_state IS DISTINCT FROM 'running' OR i.applied_generation < i.state_generation) ORDER BY i.id"
)
REFUSALS: Final = {Hold.BALANCE: InsufficientBalanceError, Hold.CAP: CapReachedError}
LACKED: Final = {Hold.BALANCE: EndCause.BALANCE, Hold.CAP: EndCause.CAP}
BALANCE_FIRST: Final = (Hold.BALANCE, Hold.CAP)
CAP_FIRST: Final = (Hold.CAP, Hold.BALANCE)
NO_START: Final = {Hold.BALANCE: EventKind.UNAFFORDABLE, Hold.CAP: EventKind.CAP_TOO_LOW}


async def pending_usage(tx: Connection, locked: LockedWallet) -> list[Usage]:
    """List what is wanted running and not yet confirmed, so not yet charged as running."""
    return [Usage(found["id"], found["plan_id"]) for found in await rows(tx, PENDING, locked.wallet.id)]


async def lacking(
    tx: Connection,
    locked: LockedWallet,
    *,
    added: Sequence[Usage],
    runway_seconds: int,
    order: Sequence[Hold] = BALANCE_FIRST,
) -> Hold | None:
    """Tell what keeps all that is used and what is to be added from running so long: the first in `order`, or None."""
    return first_hold(await wallet.lacking(tx, locked, added=added, runway_seconds=runway_seconds), order)


def first_hold(missing: frozenset[EndCause], order: Sequence[Hold] = BALANCE_FIRST) -> Hold | None:
    """Name the first hold in `order` whose cause is missing; None where nothing is."""
    return next((hold for hold in order if LACKED[hold] in missing), None)


async def require_runway(tx: Connection, locked: LockedWallet, *, added: Sequence[Usage], runway_seconds: int) -> None:
    """Raise InsufficientBalanceError or CapReachedError unless wallet and cap cover the runway (seconds)."""
    missing = await lacking(tx, locked, added=added, runway_seconds=runway_seconds)
    if missing is not None:
        raise REFUSALS[missing]
