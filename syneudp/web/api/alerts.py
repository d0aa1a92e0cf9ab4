"""`/wallet/alerts`: what the customer was told about their money."""

from uuid import UUID

from pydantic import Field
from quart import Blueprint
from quart_schema import validate_querystring, validate_response

from syneudp import instances, wallet
from syneudp.kernel.database import reading
from syneudp.wallet import AlertKind
from syneudp.web.access import Access, access, current_customer
from syneudp.web.api.values import Instant, Micros, PageQuery, Told, read_cursor, write_cursor, written, written_if
from syneudp.web.limits import READING, limited


class Concerned(Told):
    """A database that an alert is about."""

    id: UUID
    name: str


class Alert(Told):
    """Something a customer was told about their money, with the numbers of that moment."""

    id: UUID
    kind: AlertKind
    raised_at: Instant
    currency: str
    balance_micros: Micros
    available_micros: Micros
    burn_micros_per_hour: Micros
    ends_at: Instant | None = Field(
        description="When the money ends or ended, the cap was reached, or the data is or was deleted for good."
    )
    instances: list[Concerned] = Field(description="What stops, stopped, or goes with it.")


class AlertList(Told):
    """Alerts, newest first."""

    items: list[Alert]
    next_cursor: str | None


def add_routes(blueprint: Blueprint) -> None:
    """Add this noun's routes."""
    blueprint.get("/wallet/alerts")(list_alerts)


@access(Access.CUSTOMER)
@limited(READING)
@validate_querystring(PageQuery)
@validate_response(AlertList)
async def list_alerts(query_args: PageQuery) -> AlertList:
    """List what you were told about your money, newest first; each once, until a top-up arms it again."""
    customer, connection = current_customer(), reading()
    page = await wallet.alerts_of(
        connection, customer.wallet.id, limit=query_args.limit, cursor=read_cursor(query_args.cursor)
    )
    about = {resource_id for alert in page.items for resource_id in alert.resource_ids}
    names = await instances.names_of(connection, customer.user.id, about)
    items = [
        Alert(
            id=alert.id,
            kind=alert.kind,
            raised_at=written(alert.raised_at),
            currency=customer.wallet.currency,
            balance_micros=alert.balance_micros,
            available_micros=alert.available_micros,
            burn_micros_per_hour=alert.burn_micros_per_hour,
            ends_at=written_if(alert.ends_at),
            instances=[Concerned(id=each, name=names[each]) for each in alert.resource_ids if each in names],
        )
        for alert in page.items
    ]
    return AlertList(items=items, next_cursor=write_cursor(page.next_cursor))
