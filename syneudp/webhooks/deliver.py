"""Bring messages to endpoints: claim with a lease, commit, send, record. At least once, in no stated order."""

from collections.abc import Collection
from functools import partial
from typing import Any, Final
from uuid import UUID

from syneudp.kernel import clock
from syneudp.kernel.database import Connection, execute, load_sql, row, transact
from syneudp.kernel.identifiers import new_id
from syneudp.kernel.logging import log
from syneudp.kernel.sealing import Keyring, SealBrokenError
from syneudp.webhooks.endpoints import counting_keys
from syneudp.webhooks.reach import SEND_SECONDS, WebhookSender
from syneudp.webhooks.rules import retry_after
from syneudp.webhooks.values import DeliveryState, DisabledFor, Failure, Outcome, Parcel

LEASE_SECONDS: Final = int(SEND_SECONDS) + 15
GONE: Final = 410
RECORD: Final = (
    "UPDATE webhook_deliveries SET state = $4, due_at = $5, status = $6, failure = $7, lease_id = NULL,"
    " leased_until = NULL WHERE endpoint_id = $1 AND message_id = $2 AND lease_id = $3"
)
LOCK_ENDPOINT: Final = "SELECT disabled_for FROM webhook_endpoints WHERE id = $1 FOR NO KEY UPDATE"
ANY_ACCEPTED: Final = (
    "SELECT EXISTS (SELECT FROM webhook_deliveries d WHERE d.endpoint_id = $1 AND d.state = 'delivered'"
    " AND d.attempted_at >= (SELECT m.created_at FROM webhook_messages m WHERE m.id = $2)) AS accepted"
)
DISABLE: Final = (
    "UPDATE webhook_endpoints SET disabled_for = $2, disabled_at = $3 WHERE id = $1 AND disabled_for IS NULL"
)
GIVE_UP: Final = (
    "UPDATE webhook_deliveries SET state = 'failed', failure = 'disabled', lease_id = NULL, leased_until = NULL"
    " WHERE endpoint_id = $1 AND state = 'pending'"
)


async def claim_delivery(*, keyring: Keyring, busy: Collection[UUID]) -> Parcel | None:
    """Claim one delivery that is due and not of a busy endpoint, with what sending it needs; None for none.

    A claim whose process dies ends with its lease. One whose secret cannot be opened is put off, with an alarm.
    """
    while True:
        claimed = await transact(partial(_claim, keyring=keyring, busy=list(busy)))
        if not isinstance(claimed, Failure):
            return claimed


async def send_delivery(sender: WebhookSender, parcel: Parcel) -> Outcome:
    """Send a claimed delivery and record how it went. Never call it inside a transaction."""
    outcome = await sender.send(parcel)
    await transact(partial(record_outcome, parcel=parcel, outcome=outcome))
    return outcome


async def record_outcome(tx: Connection, parcel: Parcel, outcome: Outcome) -> None:
    """Record an attempt under its lease: accepted, to be tried again, or given up.

    An endpoint is disabled by its own 410 Gone, and when a message was refused for the whole schedule while nothing
    else was accepted; what still waits for it is given up with it.
    """
    held: Any = await row(tx, LOCK_ENDPOINT, parcel.endpoint_id)
    if held is None:
        return
    now = await clock.now(tx)
    state, due_at = DeliveryState.DELIVERED, now
    if outcome.failure is not None:
        pause = None if outcome.status == GONE or held["disabled_for"] else retry_after(parcel.attempts)
        state = DeliveryState.FAILED if pause is None else DeliveryState.PENDING
        due_at = now + (pause or 0)
    recorded = await execute(
        tx,
        RECORD,
        parcel.endpoint_id,
        parcel.message_id,
        parcel.lease_id,
        state.value,
        due_at,
        outcome.status,
        None if outcome.failure is None else outcome.failure.value,
    )
    if not recorded or state is not DeliveryState.FAILED:
        return
    if outcome.status == GONE:
        await _disable(tx, parcel.endpoint_id, DisabledFor.GONE, now=now)
    else:
        found: Any = await row(tx, ANY_ACCEPTED, parcel.endpoint_id, parcel.message_id)
        if not found["accepted"]:
            await _disable(tx, parcel.endpoint_id, DisabledFor.FAILING, now=now)


async def _claim(tx: Connection, *, keyring: Keyring, busy: list[UUID]) -> Parcel | Failure | None:
    now, lease_id = await clock.now(tx), new_id()
    found = await row(tx, load_sql(__file__, "claim_delivery.sql"), lease_id, now, now + LEASE_SECONDS, busy)
    if found is None:
        return None
    parcel = Parcel(lease_id=lease_id, sent_at=now, keys=(), **found)
    try:
        keys = await counting_keys(tx, parcel.endpoint_id, keyring, now=now)
    except SealBrokenError:
        log.exception("webhook_secret_cannot_be_opened", endpoint=str(parcel.endpoint_id))
        await record_outcome(tx, parcel, Outcome(status=None, failure=Failure.UNREADABLE_KEY))
        return Failure.UNREADABLE_KEY
    return Parcel(lease_id=lease_id, sent_at=now, keys=keys, **found)


async def _disable(tx: Connection, endpoint_id: UUID, why: DisabledFor, *, now: int) -> None:
    await execute(tx, DISABLE, endpoint_id, why.value, now)
    await execute(tx, GIVE_UP, endpoint_id)
    log.warning("webhook_endpoint_disabled", endpoint=str(endpoint_id), why=why.value)
