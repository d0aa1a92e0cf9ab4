"""Intend a new instance: row, placement, sealed password, event, outbox row; the agent is called later."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from syneudp import catalog
from syneudp.catalog import PlanView
from syneudp.engines.verifiers import generate_password
from syneudp.instances.credentials import FIRST_VERSION, seal_password
from syneudp.instances.errors import NameTakenError
from syneudp.instances.intents import HAND_OVER_SECONDS
from syneudp.instances.parcels import Parcel, leased_until, sent_of
from syneudp.instances.passwords import Drafted
from syneudp.instances.records import record_of
from syneudp.instances.rules import clean_name
from syneudp.instances.runway import pending_usage, require_runway
from syneudp.instances.values import InstanceView
from syneudp.kernel.database import Connection, load_sql, row, value
from syneudp.kernel.identifiers import new_id
from syneudp.kernel.sealing import Keyring
from syneudp.wallet import LockedWallet, Usage

NAME_IS_TAKEN: Final = (
    "SELECT EXISTS (SELECT FROM instances WHERE owner_id = $1 AND name = $2 AND terminated_for IS NULL AND id <> $3)"
)


@dataclass(frozen=True, slots=True)
class Created:
    """A database that is wanted from now on, and its first delivery where that was claimed along with it."""

    instance: InstanceView
    parcel: Parcel | None


async def create_instance(
    tx: Connection,
    locked: LockedWallet,
    *,
    owner_id: UUID,
    name: str,
    plan: PlanView,
    keyring: Keyring,
    runway_seconds: int,
    send_within_seconds: float | None = None,
    drafted: Drafted | None = None,
) -> Created:
    """Write down that an instance is wanted; charged only from the second in which its agent confirms it.

    A caller who sends it right after the commit says how long that call may take and holds the first lease; else
    whoever is first takes it. A password drafted ahead is not drafted again.

    Raises NameInvalidError, NameTakenError, InsufficientBalanceError, CapReachedError, CapacityExhaustedError.
    """
    cleaned = clean_name(name)
    instance_id = new_id()
    await require_free_name(tx, owner_id=owner_id, name=cleaned, instance_id=instance_id)
    added = [*await pending_usage(tx, locked), Usage(instance_id, plan.id)]
    await require_runway(tx, locked, added=added, runway_seconds=runway_seconds)
    host = await catalog.place(tx, engine=plan.engine, storage_bytes=plan.storage_limit_bytes)
    password = generate_password() if drafted is None else drafted.password
    lease_id = None if send_within_seconds is None else new_id()
    made: Any = await row(
        tx,
        load_sql(__file__, "create_instance.sql"),
        instance_id,
        owner_id,
        locked.wallet.id,
        cleaned,
        plan.engine,
        plan.id,
        plan.slug,
        plan.max_connections,
        plan.temp_bytes,
        plan.storage_limit_bytes,
        plan.statement_seconds,
        plan.idle_transaction_seconds,
        plan.memory_bytes,
        host.id,
        locked.now,
        seal_password(password, instance_id=instance_id, version=FIRST_VERSION, keyring=keyring),
        new_id(),
        locked.now + HAND_OVER_SECONDS,
        0 if lease_id is None else 1,
        lease_id,
        None if send_within_seconds is None else leased_until(locked.now, seconds=send_within_seconds),
    )
    record = record_of(made)
    parcel = None
    if lease_id is not None:
        sent = sent_of(record, lease_id=lease_id, attempts=1)
        parcel = Parcel(
            sent=sent,
            record=record,
            agent_url=host.agent_url,
            password=password,
            verifiers=None if drafted is None else drafted.verifiers,
        )
    return Created(instance=record.view(), parcel=parcel)


async def require_free_name(tx: Connection, *, owner_id: UUID, name: str, instance_id: UUID) -> None:
    """Raise NameTakenError where another live instance of the owner has the name; the wallet's lock orders them."""
    if await value(tx, NAME_IS_TAKEN, owner_id, name, instance_id):
        raise NameTakenError
