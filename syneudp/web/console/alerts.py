"""What a customer was told about their money, as a page."""

from typing import Final
from uuid import UUID

from quart import Blueprint, Response, request
from quart_schema import hide

from syneudp import instances, wallet, webhooks
from syneudp.kernel.database import reading
from syneudp.wallet import Alert, AlertKind
from syneudp.web.access import Access, access, current_customer
from syneudp.web.console.answers import current_figures, page
from syneudp.web.console.banners import named
from syneudp.web.console.figures import Figures, duration, instant
from syneudp.web.console.views import AlertView, Tone
from syneudp.web.limits import READING, limited

ALERTS_A_PAGE: Final = 25
RUNWAYS: Final = {
    AlertKind.RUNWAY_72_HOURS: ("Less than 72 hours of money", Tone.WAIT),
    AlertKind.RUNWAY_24_HOURS: ("Less than 24 hours of money", Tone.HALT),
    AlertKind.RUNWAY_1_HOUR: ("Less than an hour of money", Tone.STOP),
}


def add_routes(blueprint: Blueprint) -> None:
    """Add this noun's routes."""
    blueprint.get("/alerts")(show_alerts)


@hide
@access(Access.SESSION)
@limited(READING)
async def show_alerts() -> Response:
    """Show what the customer was told, newest first."""
    customer, connection = current_customer(), reading()
    found = await wallet.alerts_of(connection, customer.wallet.id, limit=ALERTS_A_PAGE, cursor=_before())
    about = {resource_id for alert in found.items for resource_id in alert.resource_ids}
    names = await instances.names_of(connection, customer.user.id, about)
    figures = current_figures()
    return await page(
        "alerts/list.html",
        section="alerts",
        alerts=[alert_view(alert, names, figures) for alert in found.items],
        older=found.next_cursor,
        endpoints=await webhooks.endpoints_of(connection, customer.user.id),
    )


def alert_view(alert: Alert, names: dict[UUID, str], figures: Figures) -> AlertView:
    """Write an alert in sentences, with the numbers of its moment."""
    known = [names[each] for each in alert.resource_ids if each in names]
    what = named(known) if known else "What ran"
    many = len(known) > 1
    when = instant(alert.ends_at) if alert.ends_at is not None else ""
    if alert.kind in RUNWAYS:
        title, tone = RUNWAYS[alert.kind]
        left = duration(max((alert.ends_at or alert.raised_at) - alert.raised_at, 0))
        money = f"{figures.money(alert.available_micros)} left at {figures.exact(alert.burn_micros_per_hour)} an hour"
        text = f"{money}: enough for {left}. {what} would stop on {when}."
    elif alert.kind is AlertKind.SUSPENDED:
        title, tone = "The wallet ran empty", Tone.STOP
        text = f"{what} stopped on {when}. The data is kept and nothing is charged."
    elif alert.kind is AlertKind.RETENTION_ENDING:
        title, tone = "Unpaid data is about to be deleted", Tone.STOP
        text = f"{what} {'are' if many else 'is'} deleted for good on {when}, unless you top up before."
    elif alert.kind is AlertKind.TERMINATED:
        title, tone = "Unpaid data was deleted", Tone.GONE
        text = f"{what} {'were' if many else 'was'} deleted on {when}, after the whole time that unpaid data is kept."
    else:
        title, tone = "The month's spending limit is reached", Tone.HALT
        text = f"{what} stopped on {when}. The data is kept, nothing is charged, and the next month begins anew."
    return AlertView(title=title, text=text, at=alert.raised_at, tone=tone)


def _before() -> UUID | None:
    try:
        return UUID(request.args.get("before", ""))
    except ValueError:
        return None
