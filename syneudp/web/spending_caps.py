"""Setting the most that a customer spends in a month, for programs and pages alike."""

from syneudp import identity, instances
from syneudp.identity import Act
from syneudp.instances import CapSet
from syneudp.kernel.database import Connection, transact
from syneudp.web.acts import CUSTOMER
from syneudp.web.customers import Customer
from syneudp.web.services import WebServices
from syneudp.web.top_ups import deliver_some


async def set_cap(services: WebServices, customer: Customer, *, monthly_micros: int | None) -> CapSet:
    """Set it in micro-units a calendar month (UTC), or None for no limit, and carry out what follows at once.

    Raises CapInvalidError (422).
    """

    async def intend(tx: Connection) -> CapSet:
        done = await instances.set_cap(
            tx,
            customer.wallet.id,
            monthly_micros=monthly_micros,
            runway_seconds=services.instances.runway_seconds,
        )
        told = "none" if monthly_micros is None else f"{monthly_micros} micro-units a month"
        await identity.record_audit(
            tx,
            user_id=customer.user.id,
            actor=CUSTOMER,
            act=Act.SET_CAP,
            subject=f"wallet:{customer.wallet.id} {told}",
            address=customer.address,
            user_agent=customer.user_agent,
        )
        return done

    done = await transact(intend)
    await deliver_some(services, (*done.stopped, *done.resumed))
    return done
