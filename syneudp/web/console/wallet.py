"""The wallet: what is in it, what runs it down, what moved, and putting money in."""

import re
from http import HTTPStatus

from quart import Blueprint, Response, request
from quart_schema import hide

from syneudp import instances, wallet
from syneudp.kernel.database import reading
from syneudp.kernel.errors import ProblemError
from syneudp.kernel.idempotency import IdempotencyMismatchError
from syneudp.kernel.identifiers import new_id
from syneudp.kernel.money import MAX_TOP_UP_MICROS, MICROS_PER_UNIT
from syneudp.wallet.payments import (
    SANDBOX,
    AmountNotPayableError,
    PaymentStatus,
    PaymentsUnavailableError,
)
from syneudp.web import spending_caps, top_ups
from syneudp.web.access import Access, access, current_customer
from syneudp.web.console import payments, stock
from syneudp.web.console.answers import current_figures, current_writer, page, see_other
from syneudp.web.console.databases import KEY_FIELD, form_key, shelf_shape
from syneudp.web.console.streams import Glimpse, stream
from syneudp.web.console.views import FieldFault, FormView
from syneudp.web.limits import CHANGING, READING, limited
from syneudp.web.once import once
from syneudp.web.services import current_services

PRESETS = tuple(units * MICROS_PER_UNIT for units in (5, 10, 25, 50, 100, 250))
AMOUNT = re.compile(r"([0-9]{1,5})(?:[.,]([0-9]{1,6}))?", re.ASCII)
UNAVAILABLE = "The payment provider cannot be reached just now, and nothing was charged. Try again in a minute."
NOT_PAYABLE = "This amount cannot be paid. Give it in whole cents, or the currency's smallest coin, and not too small."
AMOUNT_FIELD = "amount"
LIMIT_FIELD = "limit-amount"
LIMIT = re.compile(r"([0-9]{1,10})(?:[.,]([0-9]{1,6}))?", re.ASCII)
PRESET_FIELD = "preset"
CURSOR_LENGTH_MAX = 18


def add_routes(blueprint: Blueprint) -> None:
    """Add this noun's routes."""
    blueprint.get("/wallet")(show_wallet)
    blueprint.get("/wallet/stream")(stream_wallet)
    blueprint.post("/wallet/top-ups")(top_up)
    blueprint.post("/wallet/cap")(set_cap)
    blueprint.post("/wallet/cap/remove")(remove_cap)


@hide
@access(Access.SESSION)
@limited(READING)
async def show_wallet() -> Response:
    """Show the wallet and its postings."""
    return await _page(FormView())


@hide
@access(Access.SESSION)
@limited(READING)
async def stream_wallet() -> Response:
    """Tell the wallet as it changes."""
    customer, write = current_customer(), current_writer()

    async def look() -> Glimpse:
        rows, money, _ = await stock.shelf_of(customer)
        running = [row for row in rows if row.running_price]
        under_way = await payments.unsettled_of(customer)
        text = write("wallet/stream.html", money=money, running=running, payments=under_way)
        return Glimpse(shape=(shelf_shape(rows, money), under_way), text=text)

    return await stream(look)


@hide
@access(Access.SESSION)
@limited(CHANGING)
async def top_up() -> Response:
    """Put money in, or send the customer on to pay it; the same form sent twice is paid once."""
    sent = await request.form
    typed, preset = sent.get(AMOUNT_FIELD, "").strip(), sent.get(PRESET_FIELD, "")
    values = {AMOUNT_FIELD: typed} if typed else {PRESET_FIELD: preset}
    amount = read_amount(typed) if typed else _preset(preset)
    if amount is None:
        figures = current_figures()
        sentence = f"Enter an amount above zero and up to {figures.whole(MAX_TOP_UP_MICROS)}, such as 12.50."
        form = FormView(values=values, faults=(FieldFault(AMOUNT_FIELD, sentence),))
        return await _page(form, HTTPStatus.UNPROCESSABLE_ENTITY)
    wanted = once("POST /wallet/top-ups page", form_key(sent.get(KEY_FIELD, "")), amount)
    if wanted is None:
        raise ProblemError
    try:
        done = await top_ups.top_up(current_services(), current_customer(), amount_micros=amount, wanted=wanted)
    except (AmountNotPayableError, PaymentsUnavailableError, IdempotencyMismatchError) as fault:
        return await _page(_refused(values, fault), fault.status)
    if done.status is PaymentStatus.PAID:
        return see_other("/wallet", done="resumed-by-top-up" if done.resumed else "topped-up")
    return see_other(done.checkout_url or f"/wallet/top-ups/{done.id}")


@hide
@access(Access.SESSION)
@limited(CHANGING)
async def set_cap() -> Response:
    """Set or change what a month may cost at most."""
    typed = (await request.form).get(LIMIT_FIELD, "").strip()
    amount = read_limit(typed)
    if amount is None:
        sentence = f"Enter an amount above zero and up to {current_figures().whole(wallet.CAP_MICROS_MAX)}, such as 50."
        form = FormView(values={LIMIT_FIELD: typed}, faults=(FieldFault(LIMIT_FIELD, sentence),))
        return await _page(FormView(), HTTPStatus.UNPROCESSABLE_ENTITY, cap_form=form)
    done = await spending_caps.set_cap(current_services(), current_customer(), monthly_micros=amount)
    return see_other("/wallet", done="limit-reached" if done.stopped else "limit-set")


@hide
@access(Access.SESSION)
@limited(CHANGING)
async def remove_cap() -> Response:
    """Let a month cost whatever it costs again."""
    await spending_caps.set_cap(current_services(), current_customer(), monthly_micros=None)
    return see_other("/wallet", done="limit-removed")


def read_amount(text: str) -> int | None:
    """Read an amount as people write it, with a point or a comma, into micro-units; None where it is not one."""
    return _read(AMOUNT, text, MAX_TOP_UP_MICROS)


def read_limit(text: str) -> int | None:
    """Read a month's limit in the same way."""
    return _read(LIMIT, text, wallet.CAP_MICROS_MAX)


def _read(written: re.Pattern[str], text: str, most: int) -> int | None:
    found = written.fullmatch(text)
    if found is None:
        return None
    micros = int(found[1]) * MICROS_PER_UNIT + int((found[2] or "").ljust(6, "0"))
    return micros if 0 < micros <= most else None


def _preset(text: str) -> int | None:
    return next((preset for preset in PRESETS if str(preset) == text), None)


def _refused(values: dict[str, str], fault: ProblemError) -> FormView:
    if isinstance(fault, AmountNotPayableError):
        return FormView(values=values, faults=(FieldFault(AMOUNT_FIELD, NOT_PAYABLE),))
    return FormView(
        values=values, sentence=UNAVAILABLE if isinstance(fault, PaymentsUnavailableError) else fault.detail
    )


def _before() -> int | None:
    text = request.args.get("before", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= CURSOR_LENGTH_MAX else None


async def _page(form: FormView, status: int = HTTPStatus.OK, *, cap_form: FormView | None = None) -> Response:
    customer = current_customer()
    rows, money, _ = await stock.shelf_of(customer)
    postings, older = await stock.postings_of(customer, before=_before())
    return await page(
        "wallet/show.html",
        status=status,
        section="wallet",
        form=form,
        cap_form=cap_form or FormView(),
        money=money,
        running=[row for row in rows if row.running_price],
        postings=postings,
        older=older,
        kept=await instances.kept_data(
            reading(), customer.wallet.id, retention_seconds=current_services().retention_seconds
        ),
        statements=await wallet.statement_months(reading(), customer.wallet.id),
        key=str(new_id()),
        presets=PRESETS,
        sandbox=current_services().payments.name == SANDBOX,
        payments=await payments.unsettled_of(customer),
    )
