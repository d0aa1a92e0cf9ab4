"""Let go of data that nobody paid for in the whole retention, after one last look at the wallet under its lock."""

from typing import Final
from uuid import UUID

from syneudp import instances
from syneudp.billing.poll_payments import ask_open_payments
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, reading, transact
from syneudp.kernel.logging import log
from syneudp.wallet.payments import PaymentProvider, PaymentsUnavailableError

LIMIT: Final = 100


async def end_retention(*, provider: PaymentProvider, retention_seconds: int, runway_seconds: int) -> int:
    """Terminate what has stood under the balance hold for the retention (seconds); answers how many instances.

    The payment provider is asked first about every payment of the wallet that is still open; where it does not answer,
    nothing is dropped in this round.
    """
    now = await clock.now(reading())
    ended = 0
    for wallet_id in await instances.expired_wallets(reading(), now, retention_seconds=retention_seconds, limit=LIMIT):
        if not await _all_is_heard(wallet_id, provider=provider, runway_seconds=runway_seconds):
            continue
        expired = await _end(wallet_id, retention_seconds=retention_seconds, runway_seconds=runway_seconds)
        for instance_id in expired:
            log.warning("retention_ended", instance=str(instance_id))
        ended += len(expired)
    return ended


async def _all_is_heard(wallet_id: UUID, *, provider: PaymentProvider, runway_seconds: int) -> bool:
    try:
        await ask_open_payments(wallet_id, provider=provider, runway_seconds=runway_seconds)
    except PaymentsUnavailableError:
        log.warning("retention_waits_for_payments", wallet=str(wallet_id))
        return False
    return True


async def _end(wallet_id: UUID, *, retention_seconds: int, runway_seconds: int) -> list[UUID]:
    async def end(tx: Connection) -> list[UUID]:
        locked = await instances.lock_wallet(tx, wallet_id)
        return await instances.terminate_expired(
            tx, locked, retention_seconds=retention_seconds, runway_seconds=runway_seconds
        )

    return await transact(end)
