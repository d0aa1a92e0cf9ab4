"""The api role's application with Stripe as its provider, and what tests do with it."""

import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from syneudp import ledger, wallet
from syneudp.kernel.database import reading, rows, transact, value
from syneudp.wallet import payments
from syneudp.wallet.payments import Payment
from tests.payments.stripe_peer import SECRET_KEY, WEBHOOK_SECRET, Object, StripePeer, signed
from tests.servers import ControlDatabase
from tests.web.caller import Answer, Caller, answered
from tests.web.stand import Stand, running_stand

UNIT = 1_000_000
NEXT_SECRET = "whsec_next0123456789abcdef"


@dataclass(frozen=True)
class Till:
    stand: Stand
    peer: StripePeer

    async def send(self, body: bytes, signature: str | None) -> Answer:
        headers = {"Content-Type": "application/json"}
        if signature is not None:
            headers["Stripe-Signature"] = signature
        return await answered(self.stand.app, "POST", "/api/v1/webhooks/stripe", data=body, headers=headers)

    async def deliver(self, events: Iterable[Object]) -> list[int]:
        return [(await self.send(*signed(event))).status for event in events]

    async def wish(self, caller: Caller, units: int = 20, *, key: str | None = None) -> Answer:
        return await caller.post(
            "/api/v1/wallet/top-ups", {"amount_micros": units * UNIT}, key=key or secrets.token_urlsafe(8)
        )

    async def paid(self, caller: Caller, units: int = 20) -> tuple[Payment, str]:
        wished = await self.wish(caller, units)
        assert await self.deliver(await self.peer.pay(wished.body["checkout_url"])) == [200, 200]
        payment = await payments.payment_of(reading(), wished.body["id"])
        assert payment.payment_id is not None
        return payment, payment.payment_id

    async def purse(self, caller: Caller) -> tuple[int, int]:
        told = (await caller.get("/api/v1/wallet")).body
        return told["balance_micros"], told["debt_micros"]


async def postings() -> list[tuple[str, int]]:
    found = await rows(
        reading(),
        "SELECT t.reason, e.amount_micros FROM transfers t JOIN entries e ON e.transfer_id = t.id"
        " JOIN accounts a ON a.id = e.account_id WHERE a.kind IN ('wallet', 'debt') ORDER BY t.id, e.leg",
    )
    return [(each["reason"], each["amount_micros"]) for each in found]


async def clearing() -> int:
    return int(
        await value(reading(), "SELECT coalesce(sum(balance_micros), 0) FROM accounts WHERE kind = 'clearing'") or 0
    )


async def assert_books_hold() -> None:
    assert await transact(ledger.audit) + await transact(wallet.audit) == []


@asynccontextmanager
async def opened_till(control: ControlDatabase, peer: StripePeer) -> AsyncIterator[Till]:
    variables = {
        "SYNEUDP_PAYMENTS": "stripe",
        "STRIPE_SECRET_KEY": SECRET_KEY,
        "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "STRIPE_WEBHOOK_SECRET_NEXT": NEXT_SECRET,
        "STRIPE_API_BASE": peer.origin,
        "STRIPE_CHECKOUT_ORIGIN": peer.checkout_origin,
    }
    async with running_stand(control, **variables) as stand:
        yield Till(stand=stand, peer=peer)
        await assert_books_hold()
