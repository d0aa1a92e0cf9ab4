"""What an operator does with a customer's wallet, each act with a reason in the audit trail."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from syneudp import identity, instances, ledger, wallet
from syneudp.commands.hosts import OPERATOR_LENGTH_MAX, Operator
from syneudp.identity import Act, User
from syneudp.kernel import clock
from syneudp.kernel.clock import rfc3339
from syneudp.kernel.database import Connection, reading, transact
from syneudp.kernel.errors import ProblemError
from syneudp.kernel.identifiers import new_id
from syneudp.kernel.money import MICROS_PER_UNIT, format_micros
from syneudp.ledger import AccountKind, Reason
from syneudp.wallet import Credit, Debit, LockedWallet, TopUpView, TransactionView, WalletOverview, WalletRecord

AMOUNT: Final = re.compile(r"(-?)([0-9]{1,10})(?:\.([0-9]{1,6}))?", re.ASCII)
BAD_AMOUNT: Final = "An amount is a number of currency units with up to six decimals, such as 12.50."
BAD_INSTANT: Final = "An instant is written as in RFC 3339, such as 2026-11-24T10:00:00Z."
BAD_KEY: Final = "A key is 1 to 200 printable characters."
NO_CUSTOMER: Final = "There is no customer of that id or address with a wallet."
SEVERAL: Final = "Several customers used that address; name one by its id: {}."
NO_TOP_UP: Final = "That wallet has no top-up of that id; `wallet show` lists them."
KEY: Final = re.compile(r"[ -~]{1,200}", re.ASCII)
LISTED: Final = 10


class WalletRefusedError(Exception):
    """What an operator asked for cannot be done; says why in one sentence."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a wallet held at an instant: as written by then, and as counted by then, late corrections included."""

    at: int
    written_micros: int
    effective_micros: int


@dataclass(frozen=True, slots=True)
class Shown:
    """A customer's wallet at an instant, with its newest top-ups and postings."""

    user: User
    record: WalletRecord
    overview: WalletOverview
    held: Held | None
    top_ups: tuple[TopUpView, ...]
    postings: tuple[TransactionView, ...]


@dataclass(frozen=True, slots=True)
class Acted:
    """What an act moved, in micro-units; `replayed` says that the same key had moved it before."""

    record: WalletRecord
    transfer_id: UUID
    amount_micros: int
    debt_micros: int
    replayed: bool


async def show(customer: str, *, at: str | None) -> Shown:
    """Read a wallet as it is, and what it held at an instant (RFC 3339) if one is given. Raises WalletRefusedError."""
    connection = reading()
    record = await find(connection, customer)
    user = await identity.user_of(connection, record.user_id)
    if user is None:
        raise WalletRefusedError(NO_CUSTOMER)
    page = await wallet.transactions(connection, record.id, limit=LISTED, cursor=None)
    return Shown(
        user=user,
        record=record,
        overview=await wallet.overview(connection, record.id, await clock.now(connection)),
        held=None if at is None else await _held(connection, record, _instant(at)),
        top_ups=tuple(await wallet.top_ups(connection, record.id, limit=LISTED)),
        postings=page.items,
    )


async def credit(
    customer: str, amount: str, operator: Operator, *, key: str | None, runway_seconds: int, verb: str = "credit"
) -> Acted:
    """Give money to a wallet, pay its debt from it, and bring back what it covers. Raises WalletRefusedError."""
    micros = micros_of(amount)
    adjusting = verb == "adjust"

    async def give(tx: Connection, locked: LockedWallet, told: str) -> Acted:
        done: Credit = await wallet.credit(
            tx,
            locked,
            key=told,
            amount_micros=micros,
            reason=Reason.ADJUSTMENT if adjusting else Reason.CREDIT,
            counter=AccountKind.ADJUSTMENTS if adjusting else AccountKind.CREDITS,
        )
        await instances.resume_covered(tx, locked, runway_seconds=runway_seconds)
        left = await wallet.debt(tx, locked.wallet.id)
        return Acted(locked.wallet, done.transfer_id, micros, left, done.replayed)

    return await _act(customer, operator, f"{verb} {amount}", key, give)


async def refund(customer: str, amount: str, top_up_id: UUID, operator: Operator, *, key: str | None) -> Acted:
    """Take back so much of a top-up that was paid back outside of any provider. Raises WalletRefusedError."""
    micros = micros_of(amount)

    async def take(tx: Connection, locked: LockedWallet, told: str) -> Acted:
        found = await wallet.top_ups(tx, locked.wallet.id, top_up_id=top_up_id)
        if not found:
            raise WalletRefusedError(NO_TOP_UP)
        done = await _debit(tx, locked, told, micros, Reason.REFUND, AccountKind.REFUNDS, found[0])
        return Acted(locked.wallet, done.transfer_id, micros, done.debt_micros, done.replayed)

    return await _act(customer, operator, f"refund {amount} of {top_up_id}", key, take)


async def adjust(customer: str, amount: str, operator: Operator, *, key: str | None, runway_seconds: int) -> Acted:
    """Correct a wallet up, or down by an amount with a minus sign. Raises WalletRefusedError."""
    if not amount.startswith("-"):
        return await credit(customer, amount, operator, key=key, runway_seconds=runway_seconds, verb="adjust")
    micros = -micros_of(amount)

    async def take(tx: Connection, locked: LockedWallet, told: str) -> Acted:
        done = await _debit(tx, locked, told, micros, Reason.ADJUSTMENT, AccountKind.ADJUSTMENTS, None)
        return Acted(locked.wallet, done.transfer_id, -micros, done.debt_micros, done.replayed)

    return await _act(customer, operator, f"adjust {amount}", key, take)


async def find(connection: Connection, customer: str) -> WalletRecord:
    """Find a wallet by its id, its customer's id or the address they sign in with. Raises WalletRefusedError."""
    try:
        if "@" not in customer:
            return await wallet.wallet_by_id(connection, UUID(customer))
        users = await identity.users_by_email(connection, customer)
        if len(users) > 1:
            raise WalletRefusedError(SEVERAL.format(", ".join(str(user.id) for user in users)))
        if users:
            return await wallet.wallet_by_id(connection, users[0].id)
    except (ValueError, wallet.WalletNotFoundError):
        raise WalletRefusedError(NO_CUSTOMER) from None
    raise WalletRefusedError(NO_CUSTOMER)


def micros_of(amount: str) -> int:
    """Read an amount of currency units into micro-units. Raises WalletRefusedError."""
    found = AMOUNT.fullmatch(amount)
    if found is None:
        raise WalletRefusedError(BAD_AMOUNT)
    micros = int(found[2]) * MICROS_PER_UNIT + int((found[3] or "").ljust(6, "0"))
    return -micros if found[1] else micros


def acted_line(done: Acted) -> str:
    """Write what was done as a sentence for a terminal."""
    if done.replayed:
        return f"That was done before, as transfer {done.transfer_id}; nothing was moved again."
    amount = format_micros(abs(done.amount_micros), decimals=6)
    owes = f" It owes {format_micros(done.debt_micros, decimals=6)} and is frozen." if done.debt_micros else ""
    return f"{amount} {done.record.currency} moved by transfer {done.transfer_id}.{owes}"


def acted_values(done: Acted) -> dict[str, Any]:
    """Write what was done as plain values for a program."""
    return {
        "wallet_id": str(done.record.id),
        "transfer_id": str(done.transfer_id),
        "amount_micros": done.amount_micros,
        "debt_micros": done.debt_micros,
        "currency": done.record.currency,
        "replayed": done.replayed,
    }


async def _debit(
    tx: Connection,
    locked: LockedWallet,
    key: str,
    micros: int,
    reason: Reason,
    counter: AccountKind,
    top_up: TopUpView | None,
) -> Debit:
    done = await wallet.debit(
        tx,
        locked,
        reason=reason,
        key=key,
        amount_micros=micros,
        counter=counter,
        subject_id=None if top_up is None else top_up.id,
        reverses_id=None if top_up is None else top_up.transfer_id,
    )
    await instances.freeze_indebted(tx, locked)
    return done


async def _act(
    customer: str,
    operator: Operator,
    told: str,
    key: str | None,
    work: Callable[[Connection, LockedWallet, str], Awaitable[Acted]],
) -> Acted:
    if key is not None and not KEY.fullmatch(key):
        raise WalletRefusedError(BAD_KEY)
    once = f"operator:{key or new_id()}"

    async def whole(tx: Connection) -> Acted:
        record = await find(tx, customer)
        done = await work(tx, await instances.lock_wallet(tx, record.id), once)
        if not done.replayed:
            await _record(tx, operator, record, f"{told} {record.currency}")
        return done

    try:
        return await transact(whole)
    except ProblemError as problem:
        raise WalletRefusedError(problem.detail) from None


async def _record(tx: Connection, operator: Operator, record: WalletRecord, told: str) -> None:
    await identity.record_audit(
        tx,
        user_id=record.user_id,
        actor=f"operator:{operator.name[:OPERATOR_LENGTH_MAX]}",
        act=Act.OPERATOR,
        subject=f"wallet:{record.id} {told}",
        address="",
        user_agent="syneudp wallet",
        reason=operator.reason,
    )


async def _held(connection: Connection, record: WalletRecord, at: int) -> Held:
    try:
        return Held(
            at=at,
            written_micros=await ledger.balance_at(connection, record.account_id, at),
            effective_micros=await ledger.effective_balance_at(connection, record.account_id, at),
        )
    except ledger.BooksCutError as problem:
        raise WalletRefusedError(problem.detail) from None


def _instant(told: str) -> int:
    try:
        return clock.epoch(datetime.fromisoformat(told))
    except ValueError:
        raise WalletRefusedError(BAD_INSTANT) from None


def shown_lines(shown: Shown) -> list[str]:
    """Write a wallet as lines for a terminal."""
    view, currency = shown.overview, shown.overview.currency
    ends = "at no time in sight" if view.depletes_at is None else f"at {rfc3339(view.depletes_at)}"
    accrued, available = _six(view.accrued_micros), _six(view.available_micros)
    lines = [
        f"Customer {shown.user.email}, {shown.user.id}; wallet {shown.record.id}, shard {shown.record.shard}.",
        f"Balance {_six(view.balance_micros)} {currency}, accrued {accrued}, available {available}.",
        f"Burn {_six(view.burn_micros_per_hour)} an hour; the money ends {ends}.",
        f"Spent this month {_six(view.spent_this_month_micros)}.",
    ]
    if view.monthly_cap_micros is not None:
        reached = "leaves room" if view.cap_reached_at is None else f"is reached at {rfc3339(view.cap_reached_at)}"
        lines.append(f"The monthly cap of {_six(view.monthly_cap_micros)} {reached}.")
    if view.debt_micros:
        lines.append(f"It owes {_six(view.debt_micros)} and is frozen until that is paid.")
    if shown.held is not None:
        lines.append(
            f"At {rfc3339(shown.held.at)} it held {_six(shown.held.written_micros)} as written by then and"
            f" {_six(shown.held.effective_micros)} as counted by then."
        )
    lines += [
        f"Top-up {each.id} at {rfc3339(each.created_at)} by {each.provider}: {_six(each.amount_micros)},"
        f" {_six(each.refundable_micros)} not taken back."
        for each in shown.top_ups
    ]
    lines += [
        f"Posting {each.sequence} at {rfc3339(each.effective_at)}: {each.reason} {_six(each.amount_micros)},"
        f" balance {_six(each.balance_after_micros)}."
        for each in shown.postings
    ]
    return lines


def shown_values(shown: Shown) -> dict[str, Any]:
    """Write a wallet as plain values for a program."""
    view = shown.overview
    return {
        "user_id": str(shown.user.id),
        "email": shown.user.email,
        "wallet_id": str(shown.record.id),
        "currency": view.currency,
        "balance_micros": view.balance_micros,
        "accrued_micros": view.accrued_micros,
        "available_micros": view.available_micros,
        "burn_micros_per_hour": view.burn_micros_per_hour,
        "depletes_at": None if view.depletes_at is None else rfc3339(view.depletes_at),
        "debt_micros": view.debt_micros,
        "monthly_cap_micros": view.monthly_cap_micros,
        "spent_this_month_micros": view.spent_this_month_micros,
        "cap_reached_at": None if view.cap_reached_at is None else rfc3339(view.cap_reached_at),
        "held": None
        if shown.held is None
        else {
            "at": rfc3339(shown.held.at),
            "written_micros": shown.held.written_micros,
            "effective_micros": shown.held.effective_micros,
        },
        "top_ups": [
            {
                "id": str(each.id),
                "provider": each.provider,
                "payment_id": each.payment_id,
                "amount_micros": each.amount_micros,
                "refundable_micros": each.refundable_micros,
                "created_at": rfc3339(each.created_at),
            }
            for each in shown.top_ups
        ],
        "postings": [
            {
                "transfer_id": str(each.id),
                "sequence": each.sequence,
                "reason": each.reason.value,
                "amount_micros": each.amount_micros,
                "balance_after_micros": each.balance_after_micros,
                "effective_at": rfc3339(each.effective_at),
            }
            for each in shown.postings
        ],
    }


def _six(micros: int) -> str:
    return format_micros(micros, decimals=6)
