"""Bring what is wanted to the agent: claim, commit, call, record. No transaction is open while the network is used."""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID

from syneudp import catalog
from syneudp.engines.client import AgentRefusedError, AgentUnavailableError, GenerationStaleError
from syneudp.engines.contract import Applied, Desired, State
from syneudp.engines.verifiers import generate_password, verifiers_for
from syneudp.instances.credentials import Credential, connection_uri, read_credential
from syneudp.instances.errors import EngineUnavailableError
from syneudp.instances.move_creation import move_creation
from syneudp.instances.outcomes import (
    Outcome,
    Recorded,
    postpone,
    record_applied,
    record_refused,
    record_stale,
    record_unavailable,
    withdraw,
)
from syneudp.instances.parcels import Parcel, leased_until, sent_of
from syneudp.instances.records import InstanceRecord, read_record
from syneudp.instances.rules import REFUSED_BACKOFF_SECONDS
from syneudp.instances.values import InstanceServices, InstanceView, Secret
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, transact, value
from syneudp.kernel.identifiers import new_id
from syneudp.kernel.logging import log
from syneudp.kernel.sealing import Keyring, SealBrokenError

WAIT_SECONDS: Final = 0.05
CALL_SECONDS_MIN: Final = 0.2

CLAIM: Final = (
    "UPDATE instance_outbox SET lease_id = $2, leased_until = $4, attempts = attempts + 1"
    " WHERE instance_id = $1 AND (leased_until IS NULL OR leased_until <= $3) RETURNING attempts"
)


@dataclass(frozen=True, slots=True, repr=False)
class Ready:
    """A database that its agent has just confirmed, with its password; has no repr, so that no log line shows it."""

    instance: InstanceView
    secret: Secret


class _Claim:
    """What a look at the outbox can find beside something to send."""

    NOTHING: Final = "nothing"
    LEASED: Final = "leased"
    UNREADABLE: Final = "unreadable"


async def deliver(
    services: InstanceServices,
    instance_id: UUID,
    *,
    timeout_seconds: float,
    withdraw_if_engine_down: bool = False,
) -> bool:
    """Have the agent bring about what is wanted of an instance; True once that is confirmed.

    False when it is not confirmed in time; the reconciler then finishes. Where another process is just delivering,
    its end is waited for. With `withdraw_if_engine_down`, a creation to which the agent answers that its engine
    cannot be reached is taken back and EngineUnavailableError raised. Never call it inside a transaction.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_seconds
    while (remaining := deadline - loop.time()) > 0:
        call_seconds = max(remaining, CALL_SECONDS_MIN)
        claimed = await transact(partial(_claim, services=services, instance_id=instance_id, seconds=call_seconds))
        if claimed == _Claim.NOTHING:
            return True
        if claimed == _Claim.UNREADABLE:
            return False
        if not isinstance(claimed, Parcel):
            await asyncio.sleep(WAIT_SECONDS)
            continue
        recorded = await _send(services, claimed, seconds=call_seconds, withdraw_if_engine_down=withdraw_if_engine_down)
        if recorded.outcome is not Outcome.SUPERSEDED:
            return recorded.outcome is Outcome.CONFIRMED
    return False


async def deliver_creation(services: InstanceServices, parcel: Parcel, *, timeout_seconds: float) -> Ready | None:
    """Send a creation whose lease was taken along with its intent; what the agent confirmed in time, or None.

    What comes after that is for `deliver`, which this calls where something newer is wanted by then. Where the agent
    answers that its engine cannot be reached, the creation is taken back and EngineUnavailableError raised. Never call
    it inside a transaction.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_seconds
    recorded = await _send(services, parcel, seconds=timeout_seconds, withdraw_if_engine_down=True)
    record = recorded.record
    if recorded.outcome is Outcome.SUPERSEDED:
        await deliver(
            services,
            parcel.sent.instance_id,
            timeout_seconds=deadline - loop.time(),
            withdraw_if_engine_down=True,
        )
    if recorded.outcome is not Outcome.CONFIRMED or record is None or record.connection is None:
        return None
    uri = connection_uri(record.engine, record.connection, parcel.password)
    return Ready(instance=record.view(), secret=Secret(password=parcel.password, uri=uri))


async def _claim(tx: Connection, *, services: InstanceServices, instance_id: UUID, seconds: float) -> Parcel | str:
    now = await clock.now(tx)
    lease_id = new_id()
    attempts = await value(tx, CLAIM, instance_id, lease_id, now, leased_until(now, seconds=seconds))
    if attempts is None:
        leased = await value(tx, "SELECT true FROM instance_outbox WHERE instance_id = $1", instance_id)
        return _Claim.LEASED if leased else _Claim.NOTHING
    record = await read_record(tx, instance_id)
    if record is None:
        return _Claim.NOTHING
    host = await catalog.host(tx, record.host_id)
    sent = sent_of(record, lease_id=lease_id, attempts=attempts)
    try:
        credential = await _credential(tx, record, services.keyring)
    except SealBrokenError:
        log.exception("credential_cannot_be_opened", instance=str(record.id))
        await postpone(tx, sent, due_at=now + REFUSED_BACKOFF_SECONDS)
        return _Claim.UNREADABLE
    return Parcel(
        sent=sent,
        record=record,
        agent_url=host.agent_url,
        password=credential.password,
        previous_seconds=credential.keep_previous_seconds,
    )


async def _credential(tx: Connection, record: InstanceRecord, keyring: Keyring) -> Credential:
    """Open the wanted password; an end needs none and goes out even when the password cannot be opened."""
    if record.wanted is State.TERMINATED:
        return Credential(password=generate_password())
    found = await read_credential(tx, instance_id=record.id, version=record.credential_version, keyring=keyring)
    if found is None:
        raise SealBrokenError("the wanted credential is gone")
    return found


async def _send(
    services: InstanceServices, parcel: Parcel, *, seconds: float, withdraw_if_engine_down: bool
) -> Recorded:
    sent = parcel.sent
    try:
        applied = await _call(services, parcel, seconds=seconds)
    except GenerationStaleError as stale:
        return Recorded(await transact(partial(record_stale, sent=sent, report=stale.applied)))
    except AgentRefusedError as refused:
        return Recorded(await transact(partial(record_refused, sent=sent, status=refused.status, code=refused.code)))
    except AgentUnavailableError as unavailable:
        log.warning("delivery_put_off", instance=str(sent.instance_id), attempts=sent.attempts, reason=unavailable.code)
        if withdraw_if_engine_down and unavailable.engine_is_down and await transact(partial(withdraw, sent=sent)):
            raise EngineUnavailableError from None
        if unavailable.never_sent and await transact(partial(move_creation, sent=sent)):
            return Recorded(Outcome.SUPERSEDED)
        return Recorded(await transact(partial(record_unavailable, sent=sent)))
    return await transact(partial(record_applied, sent=sent, applied=applied))


async def _call(services: InstanceServices, parcel: Parcel, *, seconds: float) -> Applied:
    verifiers = parcel.verifiers
    if verifiers is None:
        verifiers = await asyncio.to_thread(verifiers_for, parcel.record.engine, parcel.password)
    desired = Desired(
        generation=parcel.sent.generation,
        state=parcel.sent.state,
        credential_version=parcel.sent.credential_version,
        verifiers=dict(verifiers),
        limits=parcel.record.limits,
        previous_password_seconds=parcel.previous_seconds,
    )
    return await services.agents.apply(
        agent_url=parcel.agent_url,
        engine=parcel.record.engine,
        verb=parcel.verb.value,
        instance_id=parcel.sent.instance_id,
        desired=desired,
        timeout_seconds=seconds,
    )
