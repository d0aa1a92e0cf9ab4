"""Read what a page shows: the customer's money, their databases, and what is sold."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from syneudp import catalog, instances, wallet
from syneudp.catalog import PlanView
from syneudp.instances import Hold, InstanceView, Status
from syneudp.kernel import clock
from syneudp.kernel.database import Connection, reading
from syneudp.kernel.money import SECONDS_PER_HOUR
from syneudp.ledger import Reason
from syneudp.wallet import Usage
from syneudp.wallet import payments as wallet_payments
from syneudp.web.console import words
from syneudp.web.console.charts import WINDOWS, ChartsView, Span, charts_view
from syneudp.web.console.figures import Figures
from syneudp.web.console.price_views import coming_prices, coming_prices_of_plans, past_prices
from syneudp.web.console.storage_notice import storage_notice
from syneudp.web.console.views import (
    CapView,
    ConnectionFacts,
    DatabaseRow,
    DatabaseView,
    EventView,
    HourView,
    MoneyView,
    PlanChoice,
    PostingView,
    PriceView,
)
from syneudp.web.customers import Customer

Catalog = tuple[tuple[str, tuple[PlanChoice, ...]], ...]

DATABASES_A_PAGE: Final = 100
EVENTS_SHOWN: Final = 12
HOURS_SHOWN: Final = 12
POSTINGS_A_PAGE: Final = 25


def month_start(now: int) -> int:
    """Return the first second of the month that an instant lies in, in UTC."""
    moment = clock.instant(now)
    return clock.epoch(datetime(moment.year, moment.month, 1, tzinfo=UTC))


async def money_of(customer: Customer) -> MoneyView:
    """Read a customer's wallet as it is now."""
    connection = reading()
    now = await clock.now(connection)
    return await _money(connection, customer, now, ())


async def shelf_of(
    customer: Customer, *, cursor: UUID | None = None
) -> tuple[tuple[DatabaseRow, ...], MoneyView, UUID | None]:
    """Read a page of a customer's databases, newest first, with the wallet and the cursor of the next page."""
    connection = reading()
    now = await clock.now(connection)
    page = await instances.instances_of(connection, customer.user.id, limit=DATABASES_A_PAGE, cursor=cursor)
    shown = await _rows(connection, page.items, now)
    return shown, await _money(connection, customer, now, page.items), page.next_cursor


async def database_of(customer: Customer, instance_id: UUID) -> tuple[InstanceView, DatabaseView, MoneyView]:
    """Read one database with all its page shows. Raises InstanceNotFoundError (404)."""
    connection = reading()
    now = await clock.now(connection)
    view = await instances.instance(connection, customer.user.id, instance_id)
    (row,) = await _rows(connection, [view], now)
    happened = await instances.events_of(connection, customer.user.id, instance_id, limit=EVENTS_SHOWN)
    events = tuple(
        EventView(sentence=words.event_sentence(event), at=event.happened_at, actor=words.ACTORS[event.actor])
        for event in happened.items
    )
    shown = DatabaseView(
        row=row,
        created_at=view.created_at,
        ready_at=view.ready_at,
        limits=view.limits,
        holds=frozenset(view.holds),
        connection=facts_of(view),
        events=events,
        hours=await _hours(connection, view, now),
        can_suspend=words.may_suspend(view),
        can_resume=words.may_resume(view),
        can_rotate=words.may_rotate(view),
        can_delete=view.status not in {Status.TERMINATING, Status.TERMINATED},
        gone=words.is_going(view),
        storage=storage_notice(view, now=now, going=words.is_going(view)),
        past_prices=await past_prices(connection, view, now),
        coming_prices=await coming_prices(connection, view, now),
    )
    return view, shown, await _money(connection, customer, now, [view])


async def charts_of(customer: Customer, instance_id: UUID, span: Span, *, figures: Figures) -> ChartsView:
    """Read what a database used over a span and draw it. Raises InstanceNotFoundError (404)."""
    connection = reading()
    now = await clock.now(connection)
    from_at = now - WINDOWS[span].seconds
    series = await instances.metrics_of(
        connection, customer.user.id, instance_id, from_at=from_at, until_at=now, now=now
    )
    hours = await wallet.usage_by_hour(connection, instance_id, from_at=from_at, until_at=now, now=now)
    return charts_view(span, series, hours, now=now, figures=figures)


async def catalog_for(money: MoneyView | None, *, runway_seconds: int = 0) -> Catalog:
    """Read what is sold by engine, with how long a wallet lasts with each plan; runway in seconds."""
    connection = reading()
    now = await clock.now(connection)
    plans = await catalog.plans(connection, now)
    coming = await coming_prices_of_plans(connection, now)
    engines = sorted({plan.engine for plan in plans}, key=lambda engine: engine.value, reverse=True)
    return tuple(
        (
            engine.value,
            tuple(
                _choice(plan, money, runway_seconds, coming.get(plan.id, ())) for plan in plans if plan.engine is engine
            ),
        )
        for engine in engines
    )


async def postings_of(customer: Customer, *, before: int | None) -> tuple[tuple[PostingView, ...], int | None]:
    """Read a page of a wallet's postings, newest first, and the cursor of the next page."""
    page = await wallet.transactions(reading(), customer.wallet.id, limit=POSTINGS_A_PAGE, cursor=before)
    subjects = {item.subject_id for item in page.items if item.subject_id is not None}
    receipts = await wallet_payments.payments_with_receipt(reading(), customer.wallet.id, subjects)
    names = await _names(customer, subjects)
    postings = tuple(
        PostingView(
            sentence=words.REASONS[item.reason],
            detail=names.get(item.subject_id, "") if item.subject_id else "",
            at=item.effective_at,
            amount_micros=item.amount_micros,
            balance_after_micros=item.balance_after_micros,
            receipt=item.subject_id if item.reason is Reason.TOP_UP and item.subject_id in receipts else None,
        )
        for item in page.items
    )
    return postings, page.next_cursor


def facts_of(view: InstanceView) -> ConnectionFacts | None:
    """Take the connection facts of an instance, or None while there is nothing to connect to."""
    found = view.connection
    if found is None or view.status in {Status.TERMINATED, Status.FAILED}:
        return None
    return ConnectionFacts(
        host=found.host, port=found.port, database=found.database, username=found.username, tls=found.tls
    )


async def _money(connection: Connection, customer: Customer, now: int, views: Sequence[InstanceView]) -> MoneyView:
    overview = await wallet.overview(connection, customer.wallet.id, now)
    ends, capped = overview.depletes_at, overview.cap_reached_at
    end = ends if capped is None else capped
    return MoneyView(
        currency=overview.currency,
        as_of=now,
        balance_micros=overview.balance_micros,
        accrued_micros=overview.accrued_micros,
        available_micros=overview.available_micros,
        burn_micros_per_hour=overview.burn_micros_per_hour,
        depletes_at=ends,
        runway_seconds=None if ends is None else max(ends - now, 0),
        halted=sum(Hold.BALANCE in view.holds for view in views),
        debt_micros=overview.debt_micros,
        spent_micros=overview.spent_this_month_micros,
        seconds_left=None if end is None else max(end - now, 0),
        cap=CapView(
            monthly_micros=overview.monthly_cap_micros,
            reached_at=capped,
            halted=sum(Hold.CAP in view.holds for view in views),
        ),
    )


async def _rows(connection: Connection, views: Sequence[InstanceView], now: int) -> tuple[DatabaseRow, ...]:
    if not views:
        return ()
    shown = [view.id for view in views]
    charged = await wallet.charged(connection, shown, month_start(now), now)
    burning = await wallet.burning(connection, shown, now)
    prices = await wallet.prices(connection, [Usage(view.id, view.plan_id) for view in views], at=now)
    plan_names = {plan.slug: _short_name(plan) for plan in await catalog.plans(connection, now)}
    return tuple(
        DatabaseRow(
            id=view.id,
            name=view.name,
            engine=view.engine.value,
            engine_name=words.engine_name(view.engine),
            plan_name=plan_names.get(view.plan, view.plan),
            status=words.status_view(view),
            cost_micros=charged.get(view.id, 0),
            running_price=burning[view.id],
            price=prices[view.id].price_micros_per_hour,
            storage_price=prices[view.id].storage_micros_per_hour,
            storage_bytes=view.storage_bytes,
            storage_limit_bytes=view.storage_limit_bytes,
            storage_measured=view.storage_measured,
        )
        for view in views
    )


async def _hours(connection: Connection, view: InstanceView, now: int) -> tuple[HourView, ...]:
    start = (now // SECONDS_PER_HOUR - HOURS_SHOWN + 1) * SECONDS_PER_HOUR
    used = await wallet.usage_by_hour(connection, view.id, from_at=start, until_at=now, now=now)
    dearest = max((hour.charge_micros for hour in used), default=0)
    return tuple(
        HourView(
            start_at=hour.period_start,
            seconds=hour.seconds,
            charge_micros=hour.charge_micros,
            posted=hour.posted,
            share=hour.charge_micros * 100 // dearest if dearest else 0,
        )
        for hour in reversed(used)
        if hour.seconds
    )


async def _names(customer: Customer, subjects: set[UUID]) -> Mapping[UUID, str]:
    if not subjects:
        return {}
    page = await instances.instances_of(reading(), customer.user.id, limit=DATABASES_A_PAGE)
    return {view.id: view.name for view in page.items if view.id in subjects}


def _choice(plan: PlanView, money: MoneyView | None, runway_seconds: int, coming: tuple[PriceView, ...]) -> PlanChoice:
    burn = plan.price_micros_per_hour + (money.burn_micros_per_hour if money else 0)
    lasts = None if money is None or not burn else max(money.available_micros, 0) * SECONDS_PER_HOUR // burn
    return PlanChoice(
        slug=plan.slug,
        engine=plan.engine.value,
        engine_name=words.engine_name(plan.engine),
        name=_short_name(plan),
        price=plan.price_micros_per_hour,
        storage_limit_bytes=plan.storage_limit_bytes,
        limits=plan.limits,
        storage_price=plan.storage_price_micros_per_gib_hour,
        coming=coming,
        lasts_seconds=lasts,
        affordable=lasts is None or lasts >= max(runway_seconds, 1),
    )


def _short_name(plan: PlanView) -> str:
    return plan.name.removeprefix(words.engine_name(plan.engine)).strip() or plan.name
