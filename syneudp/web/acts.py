"""What a signed-in customer does to their databases, for programs and pages alike.

Each act is one transaction for the intent with its audit record and its idempotency key, then one attempt to have the
agent carry it out, bounded to a few seconds, then a fresh look. What the agent has not confirmed by then is finished by
the billing role.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from syneudp import catalog, identity, instances
from syneudp.engines.contract import Engine
from syneudp.identity import Act
from syneudp.instances import InstanceView, Secret, Status
from syneudp.kernel.database import Connection, reading, transact
from syneudp.wallet import LockedWallet, Price
from syneudp.web.customers import Customer
from syneudp.web.once import Once, bind, claim
from syneudp.web.services import WebServices

DELIVERY_SECONDS: Final = 4.0
CUSTOMER: Final = "customer"
ENGINES: Final = frozenset(each.value for each in Engine)
REVEALABLE: Final = frozenset({Status.RUNNING, Status.SUSPENDING, Status.SUSPENDED, Status.RESUMING})
SETTLED: Final = frozenset({Status.RUNNING, Status.SUSPENDED, Status.FAILED, Status.TERMINATED})

Intent = Callable[[Connection, LockedWallet], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Acted:
    """An instance after an act.

    `confirmed` says that the agent has carried it out, `replayed` that the act was a repetition under the same key;
    `secret` holds the password where the act makes one known, and `price` what it costs where it began to run with it.
    """

    instance: InstanceView
    confirmed: bool
    replayed: bool
    secret: Secret | None = None
    price: Price | None = None


@dataclass(frozen=True, slots=True)
class Revealed:
    """The password that is accepted now."""

    secret: Secret
    replayed: bool


async def create(
    services: WebServices, customer: Customer, *, name: str, engine: str, plan: str, wanted: Once | None = None
) -> Acted:
    """Make a database.

    Raises UnknownPlanError (422), NameInvalidError (422), NameTakenError (409), InsufficientBalanceError (402),
    CapReachedError (402), CapacityExhaustedError (409), and EngineUnavailableError (503) where the engine is down and
    nothing was made.
    """

    async def intend(tx: Connection) -> UUID | tuple[instances.Created, Price]:
        made = await claim(tx, customer, wanted)
        if made is not None:
            return made
        locked = await instances.lock_wallet(tx, customer.wallet.id)
        chosen = await catalog.plan_by_slug(tx, plan, locked.now)
        if chosen.engine != engine:
            raise catalog.UnknownPlanError
        created = await instances.create_instance(
            tx,
            locked,
            owner_id=customer.user.id,
            name=name,
            plan=chosen,
            keyring=services.keyring,
            runway_seconds=services.instances.runway_seconds,
            send_within_seconds=DELIVERY_SECONDS,
            drafted=drafted,
        )
        await record(tx, customer, Act.CREATE, created.instance.id)
        await bind(tx, customer, wanted, created.instance.id)
        return created, Price(chosen.price_micros_per_hour, storage_micros_per_hour=0, storage_steps=0)

    if engine not in ENGINES:
        raise catalog.UnknownPlanError
    drafted = await services.instances.passwords.take(Engine(engine))
    intended = await transact(intend)
    replayed = isinstance(intended, UUID)
    if isinstance(intended, UUID):
        instance_id = intended
    else:
        created, price = intended
        instance_id, parcel = created.instance.id, created.parcel
        ready = None
        if parcel is not None:
            ready = await instances.deliver_creation(services.instances, parcel, timeout_seconds=DELIVERY_SECONDS)
        if ready is not None:
            return Acted(instance=ready.instance, confirmed=True, replayed=False, secret=ready.secret, price=price)
    view = await instances.instance(reading(), customer.user.id, instance_id)
    shown = view.status in REVEALABLE and view.connection is not None and not view.rotation_pending
    secret = await _unseal(services, customer, instance_id) if shown else None
    return Acted(instance=view, confirmed=view.status in SETTLED, replayed=replayed, secret=secret)


async def suspend(services: WebServices, customer: Customer, instance_id: UUID, *, wanted: Once | None = None) -> Acted:
    """Put the owner's hold on a database: no login and no session is left once it is confirmed."""

    async def intend(tx: Connection, locked: LockedWallet) -> object:
        return await instances.suspend_instance(tx, locked, owner_id=customer.user.id, instance_id=instance_id)

    return await _act(services, customer, instance_id, act=Act.SUSPEND, intent=intend, wanted=wanted)


async def resume(services: WebServices, customer: Customer, instance_id: UUID, *, wanted: Once | None = None) -> Acted:
    """Take the owner's hold away. Raises InsufficientBalanceError and CapReachedError (402), and HeldError (409)."""

    async def intend(tx: Connection, locked: LockedWallet) -> object:
        return await instances.resume_instance(
            tx,
            locked,
            owner_id=customer.user.id,
            instance_id=instance_id,
            runway_seconds=services.instances.runway_seconds,
        )

    return await _act(services, customer, instance_id, act=Act.RESUME, intent=intend, wanted=wanted)


async def rotate(
    services: WebServices,
    customer: Customer,
    instance_id: UUID,
    *,
    keep_previous_seconds: int = 0,
    wanted: Once | None = None,
) -> Acted:
    """Set a new password; `secret` holds it once it is in force. Asks the auth server first.

    The old one has stopped working by then, or works for so many seconds more. Raises PreviousPasswordNotKeptError
    (422) where the engine has one password a user.
    """
    await identity.confirm_live_session(services.auth, customer.access_token)

    async def intend(tx: Connection, locked: LockedWallet) -> object:
        return await instances.rotate_credential(
            tx,
            locked,
            owner_id=customer.user.id,
            instance_id=instance_id,
            keyring=services.keyring,
            keep_previous_seconds=keep_previous_seconds,
        )

    acted = await _act(services, customer, instance_id, act=Act.ROTATE, intent=intend, wanted=wanted)
    if not acted.confirmed:
        return acted
    return replace(acted, secret=await _unseal(services, customer, instance_id))


async def delete(services: WebServices, customer: Customer, instance_id: UUID) -> Acted:
    """Delete a database and its data for good; deleted already is success. Asks the auth server first."""
    await identity.confirm_live_session(services.auth, customer.access_token)

    async def intend(tx: Connection, locked: LockedWallet) -> object:
        return await instances.terminate_instance(tx, locked, owner_id=customer.user.id, instance_id=instance_id)

    return await _act(services, customer, instance_id, act=Act.DELETE, intent=intend, wanted=None)


async def change(
    services: WebServices,
    customer: Customer,
    instance_id: UUID,
    *,
    name: str | None = None,
    plan: str | None = None,
    wanted: Once | None = None,
) -> Acted:
    """Give a database another name, another plan of its engine, or both at once; None leaves either as it is.

    The price of another plan counts from this second on; `confirmed` says that its limits are in force. Raises
    NameTakenError (409), UnknownPlanError and PlanOfAnotherEngineError (422), PlanTooSmallError and
    CapacityExhaustedError (409), InsufficientBalanceError (402), CapReachedError (402).
    """

    async def intend(tx: Connection) -> bool:
        if await claim(tx, customer, wanted) is not None:
            return True
        locked = await instances.lock_wallet(tx, customer.wallet.id)
        if name is not None:
            await instances.rename_instance(tx, locked, owner_id=customer.user.id, instance_id=instance_id, name=name)
            await record(tx, customer, Act.RENAME, instance_id)
        if plan is not None:
            await instances.change_plan(
                tx,
                locked,
                owner_id=customer.user.id,
                instance_id=instance_id,
                plan=await catalog.plan_by_slug(tx, plan, locked.now),
                runway_seconds=services.instances.runway_seconds,
            )
            await record(tx, customer, Act.CHANGE_PLAN, instance_id)
        await bind(tx, customer, wanted, instance_id)
        return False

    replayed = await transact(intend)
    confirmed = plan is None or replayed
    if not confirmed:
        confirmed = await instances.deliver(services.instances, instance_id, timeout_seconds=DELIVERY_SECONDS)
    view = await instances.instance(reading(), customer.user.id, instance_id)
    return Acted(instance=view, confirmed=confirmed, replayed=replayed)


async def reveal(
    services: WebServices, customer: Customer, instance_id: UUID, *, wanted: Once | None = None
) -> Revealed:
    """Show the password that is accepted now, and record that it was shown. Asks the auth server first.

    Raises RotationPendingError (409) while a new one is on its way.
    """
    await identity.confirm_live_session(services.auth, customer.access_token)

    async def unseal(tx: Connection) -> Revealed:
        made = await claim(tx, customer, wanted)
        secret = await instances.reveal(
            tx, owner_id=customer.user.id, instance_id=instance_id, keyring=services.keyring
        )
        await record(tx, customer, Act.REVEAL, instance_id)
        if made is None:
            await bind(tx, customer, wanted, instance_id)
        return Revealed(secret=secret, replayed=made is not None)

    return await transact(unseal)


async def _act(
    services: WebServices, customer: Customer, instance_id: UUID, *, act: Act, intent: Intent, wanted: Once | None
) -> Acted:
    async def intend(tx: Connection) -> bool:
        if await claim(tx, customer, wanted) is not None:
            return True
        locked = await instances.lock_wallet(tx, customer.wallet.id)
        await intent(tx, locked)
        await record(tx, customer, act, instance_id)
        await bind(tx, customer, wanted, instance_id)
        return False

    replayed = await transact(intend)
    if not replayed:
        await instances.deliver(services.instances, instance_id, timeout_seconds=DELIVERY_SECONDS)
    view = await instances.instance(reading(), customer.user.id, instance_id)
    confirmed = view.status in SETTLED and not (act is Act.ROTATE and view.rotation_pending)
    return Acted(instance=view, confirmed=confirmed, replayed=replayed)


async def _unseal(services: WebServices, customer: Customer, instance_id: UUID) -> Secret:
    async def unseal(tx: Connection) -> Secret:
        return await instances.reveal(tx, owner_id=customer.user.id, instance_id=instance_id, keyring=services.keyring)

    return await transact(unseal)


async def record(tx: Connection, customer: Customer, act: Act, subject: UUID) -> None:
    """Record in the audit trail what a customer did, in the transaction that does it."""
    await identity.record_audit(
        tx,
        user_id=customer.user.id,
        actor=CUSTOMER,
        act=act,
        subject=str(subject),
        address=customer.address,
        user_agent=customer.user_agent,
    )
