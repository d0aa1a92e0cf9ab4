"""`/wallet`: what the customer has, what it is burning, and how money comes in."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StrictInt
from quart import Blueprint
from quart_schema import validate_headers, validate_querystring, validate_request, validate_response

from syneudp import wallet
from syneudp.kernel import clock
from syneudp.kernel.database import reading
from syneudp.kernel.money import MAX_TOP_UP_MICROS
from syneudp.ledger import Reason
from syneudp.wallet.payments import PaymentStatus
from syneudp.web import spending_caps, top_ups
from syneudp.web.access import Access, access, current_customer
from syneudp.web.api.requests import replay_headers
from syneudp.web.api.values import (
    Asked,
    Instant,
    KeyHeaders,
    Micros,
    PageQuery,
    Told,
    read_number_cursor,
    write_number_cursor,
    written,
    written_if,
)
from syneudp.web.errors import IdempotencyKeyRequiredError
from syneudp.web.limits import CHANGING, READING, limited
from syneudp.web.once import once
from syneudp.web.services import current_services

Status = int
Headers = dict[str, str]


class Wallet(Told):
    """A wallet now.

    `depletes_at` is the second its money ends at the present burn, or null while nothing burns or the monthly cap ends
    what runs before.
    """

    currency: str
    balance_micros: Micros
    accrued_micros: Micros
    available_micros: Micros
    burn_micros_per_hour: Micros
    depletes_at: Instant | None
    debt_micros: Micros = Field(
        description="What the customer owes, after a payment was taken back; above zero nothing runs, and money that"
        " comes in pays it first."
    )
    monthly_cap_micros: Micros | None = Field(description="The most that a month (UTC) may cost; null: no cap.")
    spent_this_month_micros: Micros = Field(description="What was used since the month began (UTC), posted or not.")
    cap_reached_at: Instant | None = Field(
        description="When the cap ends what runs at the present burn, or when it did in this month; null while it"
        " leaves room."
    )


class WalletChange(Asked):
    """What is to change about the wallet."""

    monthly_cap_micros: Annotated[StrictInt, Field(ge=1, le=wallet.CAP_MICROS_MAX)] | None = Field(
        description="The most that a calendar month (UTC) may cost; null takes the cap away."
    )


class TopUpWanted(Asked):
    """Money to be put in."""

    amount_micros: Annotated[StrictInt, Field(ge=1, le=MAX_TOP_UP_MICROS)]


class TopUp(Told):
    """Money that was credited, or where to pay it; databases stopped for want of it come back by themselves."""

    id: UUID
    amount_micros: Micros
    currency: str
    status: Literal["pending", "processing", "credited", "failed", "expired"]
    checkout_url: str | None = Field(description="Where the customer pays while the status is `pending`, else null.")


class Transaction(Told):
    """One posting to the wallet; money in is positive."""

    id: UUID
    reason: Reason
    amount_micros: Micros
    balance_after_micros: Micros
    effective_at: Instant
    created_at: Instant
    subject_id: UUID | None = Field(description="The database or top-up that the posting is about.")


class TransactionList(Told):
    """Postings, newest first."""

    items: list[Transaction]
    next_cursor: str | None


def add_routes(blueprint: Blueprint) -> None:
    """Add this noun's routes."""
    blueprint.get("/wallet")(show_wallet)
    blueprint.patch("/wallet")(change_wallet)
    blueprint.post("/wallet/top-ups")(top_up)
    blueprint.get("/wallet/transactions")(list_transactions)


@access(Access.CUSTOMER)
@limited(READING)
@validate_response(Wallet)
async def show_wallet() -> Wallet:
    """Show the wallet."""
    return await _wallet()


@access(Access.CUSTOMER)
@limited(CHANGING)
@validate_request(WalletChange)
@validate_response(Wallet)
async def change_wallet(data: WalletChange) -> Wallet:
    """Set, change or remove the most that a calendar month may cost.

    What no longer fits under it stops at once and is not charged further; what it now has room for runs again. At the
    beginning of the next month everything that it stopped runs again by itself.
    """
    await spending_caps.set_cap(current_services(), current_customer(), monthly_micros=data.monthly_cap_micros)
    return await _wallet()


async def _wallet() -> Wallet:
    connection = reading()
    overview = await wallet.overview(connection, current_customer().wallet.id, await clock.now(connection))
    return Wallet(
        currency=overview.currency,
        balance_micros=overview.balance_micros,
        accrued_micros=overview.accrued_micros,
        available_micros=overview.available_micros,
        burn_micros_per_hour=overview.burn_micros_per_hour,
        depletes_at=written_if(overview.depletes_at),
        debt_micros=overview.debt_micros,
        monthly_cap_micros=overview.monthly_cap_micros,
        spent_this_month_micros=overview.spent_this_month_micros,
        cap_reached_at=written_if(overview.cap_reached_at),
    )


@access(Access.CUSTOMER)
@limited(CHANGING)
@validate_headers(KeyHeaders)
@validate_request(TopUpWanted)
@validate_response(TopUp, 201)
async def top_up(data: TopUpWanted, headers: KeyHeaders) -> tuple[TopUp, Status, Headers]:
    """Put money into the wallet, by the checkout page that is answered, or at once in the local environment.

    The same key gives the same checkout page, and later what became of it.
    """
    wanted = once("POST /wallet/top-ups", headers.idempotency_key, data.model_dump())
    if wanted is None:
        raise IdempotencyKeyRequiredError
    customer = current_customer()
    done = await top_ups.top_up(current_services(), customer, amount_micros=data.amount_micros, wanted=wanted)
    told = TopUp(
        id=done.id,
        amount_micros=done.amount_micros,
        currency=customer.wallet.currency,
        status="credited" if done.status is PaymentStatus.PAID else done.status.value,
        checkout_url=done.checkout_url,
    )
    return told, 201, replay_headers(replayed=done.replayed)


@access(Access.CUSTOMER)
@limited(READING)
@validate_querystring(PageQuery)
@validate_response(TransactionList)
async def list_transactions(query_args: PageQuery) -> TransactionList:
    """List the wallet's postings, newest first."""
    page = await wallet.transactions(
        reading(),
        current_customer().wallet.id,
        limit=query_args.limit,
        cursor=read_number_cursor(query_args.cursor),
    )
    items = [
        Transaction(
            id=line.id,
            reason=line.reason,
            amount_micros=line.amount_micros,
            balance_after_micros=line.balance_after_micros,
            effective_at=written(line.effective_at),
            created_at=written(line.created_at),
            subject_id=line.subject_id,
        )
        for line in page.items
    ]
    return TransactionList(items=items, next_cursor=write_number_cursor(page.next_cursor))
