"""Stripe as a real HTTP peer on loopback: localstripe keeps intents, charges and refunds, and this keeps the rest.

localstripe 1.15 knows no Checkout Sessions, no Disputes, no idempotency keys, no receipts and hardly any event, so these
are written here in the shape of Stripe's API reference; everything else is handed on to localstripe.
"""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import stripe
from aiohttp import web

from entrypoints.embedded import free_port

SECRET_KEY = "sk_test_peer0123456789"
WEBHOOK_SECRET = "whsec_peer0123456789abcdef"
GOOD_CARD = "4242424242424242"
DECLINED_CARD = "4000000000000341"
HALF_HOUR = 1800
DAY = 86_400
Object = dict[str, Any]


@dataclass
class StripePeer:
    upstream: str
    http: aiohttp.ClientSession
    origin: str = ""
    checkout_origin: str = "http://checkout.test"
    sessions: dict[str, Object] = field(default_factory=dict)
    disputes: dict[str, Object] = field(default_factory=dict)
    answered: dict[str, tuple[Object, Object]] = field(default_factory=dict)
    events: list[Object] = field(default_factory=list)
    undone_refunds: dict[str, str] = field(default_factory=dict)
    receipts: bool = True
    down: bool = False
    lose_next_answer: bool = False
    asked: list[str] = field(default_factory=list)

    async def pay(self, checkout_url: str, *, card: str = GOOD_CARD) -> list[Object]:
        session = self._session_at(checkout_url)
        intent = await self._confirmed(session, {"type": "card", **_card(card)})
        if intent is None:
            return []
        session.update(payment_intent=intent["id"], status="complete", payment_status="paid", url=None)
        return [self.tell("checkout.session.completed", session), self.tell("payment_intent.succeeded", intent)]

    async def pay_by_debit(self, checkout_url: str, *, iban: str) -> tuple[list[Object], str]:
        session = self._session_at(checkout_url)
        intent = await self._confirmed(session, {"type": "sepa_debit", "sepa_debit[iban]": iban})
        assert intent is not None
        session.update(payment_intent=intent["id"], status="complete", payment_status="unpaid", url=None)
        return [self.tell("checkout.session.completed", session)], str(intent["id"])

    async def settle_debit(self, intent_id: str, *, arrives: bool) -> list[Object]:
        wanted = "succeeded" if arrives else "requires_payment_method"
        async with asyncio.timeout(20):
            while (intent := await self.intent(intent_id))["status"] != wanted:
                await asyncio.sleep(0.05)
        session = next(each for each in self.sessions.values() if each["payment_intent"] == intent_id)
        if not arrives:
            return [self.tell("checkout.session.async_payment_failed", session)]
        session["payment_status"] = "paid"
        return [
            self.tell("payment_intent.succeeded", intent),
            self.tell("checkout.session.async_payment_succeeded", session),
        ]

    def expire(self, checkout_url: str) -> list[Object]:
        session = self._session_at(checkout_url)
        session.update(status="expired", url=None)
        return [self.tell("checkout.session.expired", session)]

    async def refund(self, intent_id: str, amount: int | None = None) -> tuple[list[Object], str]:
        told = {"payment_intent": intent_id} | ({} if amount is None else {"amount": str(amount)})
        refund = await self.call("POST", "/v1/refunds", told)
        refund["payment_intent"] = intent_id
        charge = (await self.intent(intent_id))["latest_charge"]
        return [self.tell("refund.created", refund), self.tell("charge.refunded", charge)], str(refund["id"])

    async def fail_refund(self, intent_id: str, refund_id: str) -> list[Object]:
        self.undone_refunds[refund_id] = "failed"
        refund = {**await self.call("GET", f"/v1/refunds/{refund_id}"), "payment_intent": intent_id, "status": "failed"}
        return [self.tell("refund.updated", refund), self.tell("refund.failed", refund)]

    def dispute(self, intent_id: str, amount: int, *, status: str = "needs_response") -> tuple[list[Object], str]:
        dispute: Object = {
            "id": f"du_{secrets.token_hex(8)}",
            "object": "dispute",
            "amount": amount,
            "currency": "eur",
            "payment_intent": intent_id,
            "status": status,
            "livemode": False,
            "metadata": {},
        }
        self.disputes[dispute["id"]] = dispute
        events = [self.tell("charge.dispute.created", dispute)]
        if not status.startswith("warning"):
            events.append(self.tell("charge.dispute.funds_withdrawn", dispute))
        return events, str(dispute["id"])

    def close_dispute(self, dispute_id: str, status: str) -> list[Object]:
        dispute = self.disputes[dispute_id]
        dispute["status"] = status
        events = [self.tell("charge.dispute.closed", dispute)]
        if status == "won":
            events.append(self.tell("charge.dispute.funds_reinstated", dispute))
        return events

    def tell(self, kind: str, told: Object, *, livemode: bool = False) -> Object:
        event = {
            "id": f"evt_{secrets.token_hex(8)}",
            "object": "event",
            "type": kind,
            "created": int(time.time()),
            "livemode": livemode,
            "data": {"object": json.loads(json.dumps(told))},
        }
        self.events.append(event)
        return event

    async def intent(self, intent_id: str) -> Object:
        told: Object = await self.call("GET", f"/v1/payment_intents/{intent_id}")
        return self._enriched(told)

    async def call(self, method: str, path: str, data: dict[str, str] | None = None) -> Object:
        headers = {"Authorization": f"Bearer {SECRET_KEY}"}
        async with self.http.request(method, f"{self.upstream}{path}", data=data, headers=headers) as answer:
            told: Object = await answer.json()
            assert answer.status == 200, (path, told)
            return told

    async def answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        self.asked.append(f"{request.method} {path}")
        if path.startswith("/c/pay/"):
            return self._checkout_page(path.rpartition("/")[2])
        if self.down:
            return _refusal(503, "api_error")
        if request.headers.get("Authorization") != f"Bearer {SECRET_KEY}":
            return _refusal(401, "invalid_request_error")
        if (request.method, path) == ("POST", "/v1/checkout/sessions"):
            return await self._open_session(request)
        if path.startswith("/v1/checkout/sessions/"):
            return await self._show_session(path.rpartition("/")[2])
        if path == "/v1/disputes":
            wanted = request.query["payment_intent"]
            return _listed(path, [each for each in self.disputes.values() if each["payment_intent"] == wanted])
        if path == "/v1/events":
            since = int(request.query.get("created[gte]", "0"))
            return _listed(path, [each for each in reversed(self.events) if each["created"] >= since])
        return await self._hand_on(request)

    async def _open_session(self, request: web.Request) -> web.StreamResponse:
        told = {name: str(text) for name, text in (await request.post()).items()}
        key = request.headers["Idempotency-Key"]
        if key in self.answered and self.answered[key][0] != told:
            return _refusal(400, "idempotency_error")
        if key not in self.answered:
            amount = int(told["line_items[0][price_data][unit_amount]"])
            expires_at = int(told["expires_at"])
            if amount < 50:
                return _refusal(400, "invalid_request_error", code="amount_too_small")
            if not time.time() + HALF_HOUR <= expires_at <= time.time() + DAY:
                return _refusal(400, "invalid_request_error", code="parameter_invalid_integer")
            session_id = f"cs_test_{secrets.token_hex(12)}"
            session = {
                "id": session_id,
                "object": "checkout.session",
                "amount_total": amount,
                "currency": told["line_items[0][price_data][currency]"],
                "mode": told["mode"],
                "status": "open",
                "payment_status": "unpaid",
                "payment_intent": None,
                "livemode": False,
                "expires_at": expires_at,
                "metadata": _metadata(told, "metadata"),
                "intent_metadata": _metadata(told, "payment_intent_data[metadata]"),
                "success_url": told["success_url"],
                "cancel_url": told["cancel_url"],
                "url": f"{self.checkout_origin}/c/pay/{session_id}",
            }
            self.sessions[session_id] = session
            self.answered[key] = (told, dict(session))
        if self.lose_next_answer:
            self.lose_next_answer = False
            assert request.transport is not None
            request.transport.close()
        return web.json_response(self.answered[key][1])

    def _checkout_page(self, session_id: str) -> web.StreamResponse:
        session = self.sessions.get(session_id, {"cancel_url": "", "success_url": ""})
        page = f'<a href="{session["cancel_url"]}">Back</a> <a href="{session["success_url"]}">Done</a>'
        return web.Response(text=f"<!doctype html><title>Checkout</title>{page}", content_type="text/html")

    async def _show_session(self, session_id: str) -> web.StreamResponse:
        session = self.sessions.get(session_id)
        if session is None:
            return _refusal(404, "invalid_request_error", code="resource_missing")
        intent = session["payment_intent"]
        return web.json_response({**session, "payment_intent": await self.intent(intent) if intent else None})

    async def _hand_on(self, request: web.Request) -> web.StreamResponse:
        headers = {"Authorization": request.headers["Authorization"]}
        query = {name: text for name, text in request.query.items() if name != "limit"}
        async with self.http.request(
            request.method, f"{self.upstream}{request.path}", params=query, data=await request.read(), headers=headers
        ) as answer:
            if answer.status == 404:
                return _refusal(404, "invalid_request_error", code="resource_missing")
            told = await answer.json()
        if told.get("object") == "payment_intent":
            told = self._enriched(told)
        if told.get("object") == "list":
            for each in told["data"]:
                each["status"] = self.undone_refunds.get(each["id"], each["status"])
        return web.json_response(told, status=answer.status)

    async def _confirmed(self, session: Object, method: dict[str, str]) -> Object | None:
        made = await self.call("POST", "/v1/payment_methods", method)
        wanted = {
            "amount": str(session["amount_total"]),
            "currency": session["currency"],
            "payment_method": made["id"],
            "confirm": "true",
            **{f"metadata[{name}]": text for name, text in session["intent_metadata"].items()},
        }
        headers = {"Authorization": f"Bearer {SECRET_KEY}"}
        async with self.http.post(f"{self.upstream}/v1/payment_intents", data=wanted, headers=headers) as answer:
            told: Object = await answer.json()
            return self._enriched(told) if answer.status == 200 else None

    def _enriched(self, intent: Object) -> Object:
        paid = intent["status"] == "succeeded"
        charge = intent.get("latest_charge")
        if isinstance(charge, dict) and self.receipts:
            charge = {**charge, "receipt_url": f"http://receipts.test/{charge['id']}"}
        return {**intent, "amount_received": intent["amount"] if paid else 0, "latest_charge": charge}

    def _session_at(self, checkout_url: str) -> Object:
        return self.sessions[checkout_url.rpartition("/")[2]]


def signed(event: Object, *, secret: str = WEBHOOK_SECRET, at: int | None = None) -> tuple[bytes, str]:
    text = json.dumps(event)
    return text.encode(), stripe.WebhookSignature.generate_signature_header(text, secret, at)


@asynccontextmanager
async def running_peer(upstream: str) -> AsyncIterator[StripePeer]:
    async with aiohttp.ClientSession() as http:
        peer = StripePeer(upstream=upstream, http=http)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", peer.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        port = free_port()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        peer.origin = f"http://127.0.0.1:{port}"
        try:
            yield peer
        finally:
            await runner.cleanup()


def _refusal(status: int, kind: str, *, code: str | None = None) -> web.Response:
    error = {"type": kind, "message": f"told by {SECRET_KEY} of the peer", **({} if code is None else {"code": code})}
    return web.json_response({"error": error}, status=status, headers={"Stripe-Should-Retry": "false"})


def _listed(path: str, found: list[Object]) -> web.Response:
    return web.json_response({"object": "list", "data": found, "has_more": False, "url": path})


def _metadata(told: dict[str, str], name: str) -> dict[str, str]:
    return {key[len(name) + 1 : -1]: text for key, text in told.items() if key.startswith(f"{name}[")}


def _card(number: str) -> dict[str, str]:
    return {"card[number]": number, "card[exp_month]": "12", "card[exp_year]": "2040", "card[cvc]": "123"}
