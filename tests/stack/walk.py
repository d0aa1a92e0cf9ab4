"""The whole main job through the API and the pages, with everything that was said kept."""

import asyncio
import secrets
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import asyncpg

from syneudp.kernel import clock
from tests.e2e import clients
from tests.e2e.customer import Facts
from tests.stack.inside import LOOPBACK, Inside
from tests.stack.visitor import Answer, Visitor, facts_of, visiting

PLENTY_MICROS = 5_000_000
SECONDS_TO_LIVE = 9
PATIENCE_SECONDS = 40.0
TEN_KILOBYTES = 10_240
ECHO = "never-echoed-4711"
PUBLIC_PATHS = (
    "/",
    "/sign-in",
    "/sign-up",
    "/docs",
    "/openapi.json",
    "/livez",
    "/readyz",
    "/nothing",
    "/api/v1/nothing",
)


@dataclass
class Walk:
    answers: list[Answer] = field(default_factory=list)
    passwords: set[str] = field(default_factory=set)
    kept_alive: dict[str, str] = field(default_factory=dict)
    refused: list[Answer] = field(default_factory=list)

    def learn(self, told: dict[str, Any]) -> str:
        password = str(told["password"])
        self.passwords.add(password)
        return password


async def walk(inside: Inside) -> Walk:
    kept = Walk()
    async with visiting(inside, kept.answers) as rich, visiting(inside, kept.answers) as poor:
        kept.passwords |= {rich.password, poor.password}
        for path in PUBLIC_PATHS:
            await rich.page("GET", path)
        depleting = asyncio.create_task(run_dry(kept, poor))
        await rich.top_up(PLENTY_MICROS)
        await program_walk(kept, rich)
        await browser_walk(kept, rich)
        await send_nonsense(kept, rich)
        await depleting
        await look_at_everything(rich)
    await knock_at_the_agent(inside)
    return kept


async def program_walk(kept: Walk, visitor: Visitor) -> None:
    made = await visitor.create("orders", key="first")
    assert made.status == HTTPStatus.CREATED, made.text
    again = await visitor.create("orders", key="first")
    assert (again.status, again.told["id"]) == (HTTPStatus.CREATED, made.told["id"])
    old = kept.learn(made.told["connection"])
    path = f"/api/v1/instances/{made.told['id']}"
    uri = str(made.told["connection"]["uri"])
    await use_postgresql(uri)
    shown = await visitor.call("POST", f"{path}/reveal", revealing=True)
    assert shown.told["password"] == old
    rotated = await visitor.call("POST", f"{path}/rotate", revealing=True)
    assert kept.learn(rotated.told) != old
    for verb in ("suspend", "suspend", "resume", "resume"):
        assert (await visitor.call("POST", f"{path}/{verb}")).status == HTTPStatus.OK
    await visitor.call("PATCH", path, {"name": "orders-again"})
    await use_postgresql(str(rotated.told["uri"]))
    kept.kept_alive[made.told["id"]] = str(rotated.told["password"])
    spare = await visitor.create("spare", "mysql")
    kept.kept_alive[spare.told["id"]] = kept.learn(spare.told["connection"])
    short = await visitor.create("short", "mysql")
    kept.learn(short.told["connection"])
    assert (await visitor.call("DELETE", f"/api/v1/instances/{short.told['id']}")).status == HTTPStatus.OK


async def use_postgresql(uri: str) -> None:
    connection = await asyncpg.connect(uri, timeout=10)
    await connection.execute("CREATE TABLE IF NOT EXISTS kept (word text)")
    await connection.close()


async def browser_walk(kept: Walk, visitor: Visitor) -> None:
    await visitor.page("POST", "/wallet/top-ups", form={"amount": "1.50", "key": secrets.token_hex(8)})
    await visitor.page("POST", "/wallet/top-ups", form={"amount": f"-{ECHO}", "key": secrets.token_hex(8)})
    form = {"engine": "mysql", "mysql-plan": "mysql-small", "name": "shop", "key": secrets.token_hex(8)}
    made = await visitor.page("POST", "/databases", form=form)
    assert made.status == HTTPStatus.SEE_OTHER, made.text
    path = f"/databases/{(await visitor.instances())['shop']['id']}"
    await visitor.page("GET", f"{path}/making")
    before = kept_facts(kept, await visitor.page("POST", f"{path}/reveal", revealing=True))
    (await clients.mysql(before)).close()
    await visitor.page("POST", f"{path}/rotate")
    after = kept_facts(kept, await visitor.page("POST", f"{path}/reveal", revealing=True))
    assert after.password != before.password
    for verb in ("suspend", "resume"):
        assert (await visitor.page("POST", f"{path}/{verb}")).status == HTTPStatus.SEE_OTHER
    for page in ("", "/suspend", "/rotate", "/delete"):
        assert (await visitor.page("GET", f"{path}{page}")).status == HTTPStatus.OK
    await visitor.first_of_stream(f"{path}/stream")
    await visitor.page("POST", f"{path}/delete", form={"typed": ECHO})
    assert (await visitor.page("POST", f"{path}/delete", form={"typed": "shop"})).status == HTTPStatus.SEE_OTHER


def kept_facts(kept: Walk, page: Answer) -> Facts:
    told = facts_of(page)
    kept.learn(told)
    names = ("host", "database", "user", "password", "uri")
    return Facts(port=int(told["port"]), **{name: told[name] for name in names})


async def run_dry(kept: Walk, visitor: Visitor) -> None:
    plans = (await visitor.call("GET", "/api/v1/plans")).told["items"]
    [price] = [plan["price_micros_per_hour"] for plan in plans if plan["slug"] == "postgresql-small"]
    await visitor.top_up(price * SECONDS_TO_LIVE // 3600 + 1)
    made = await visitor.create("dry")
    assert made.status == HTTPStatus.CREATED, made.text
    kept.learn(made.told["connection"])
    assert (await visitor.create("dearer")).status == HTTPStatus.PAYMENT_REQUIRED
    await until_status(visitor, "dry", "suspended")
    with_nothing = (await visitor.call("GET", "/api/v1/wallet")).told
    assert 0 <= with_nothing["balance_micros"] <= price // 3600 + 1
    path = f"/api/v1/instances/{made.told['id']}"
    assert (await visitor.call("POST", f"{path}/resume")).status in {HTTPStatus.OK, HTTPStatus.PAYMENT_REQUIRED}
    await visitor.page("GET", f"/databases/{made.told['id']}")
    await visitor.page("GET", "/wallet")
    await visitor.top_up(PLENTY_MICROS)
    await until_status(visitor, "dry", "running")
    await look_at_everything(visitor)
    assert (await visitor.call("DELETE", path)).status in {HTTPStatus.OK, HTTPStatus.ACCEPTED}


async def until_status(visitor: Visitor, name: str, status: str) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await visitor.instances())[name]["status"] != status:
            await asyncio.sleep(0.4)


async def send_nonsense(kept: Walk, visitor: Visitor) -> None:
    instance, top_up = "/api/v1/instances", "/api/v1/wallet/top-ups"
    wanted = {"name": "fine", "engine": "postgresql", "plan": "postgresql-small"}
    json_type = {"Content-Type": "application/json"}
    for amount in (-1, 0, 10**30, 1.5, "5", None, True):
        kept.refused.append(await visitor.call("POST", top_up, {"amount_micros": amount}, key=secrets.token_hex(8)))
    kept.refused.append(await visitor.call("POST", top_up, {"amount_micros": 1}))
    for name in (f"'\"{ECHO}", f"\U0001f600{ECHO}", ECHO * (TEN_KILOBYTES // len(ECHO)), "", None, 7):
        kept.refused.append(await visitor.call("POST", instance, wanted | {"name": name}))
    kept.refused.append(await visitor.call("POST", instance, wanted | {ECHO: 1}))
    kept.refused.append(await visitor.call("POST", instance, wanted | {"engine": ECHO}))
    kept.refused.append(await visitor.call("POST", instance, wanted | {"plan": ECHO}))
    kept.refused.append(await visitor.call("POST", instance, raw={"data": f"{{{ECHO}", "headers": json_type}))
    kept.refused.append(
        await visitor.call("POST", instance, raw={"data": ECHO, "headers": {"Content-Type": "text/plain"}})
    )
    kept.refused.append(await visitor.call("GET", f"{instance}/{ECHO}"))
    kept.refused.append(await visitor.call("PUT", instance, wanted))


async def look_at_everything(visitor: Visitor) -> None:
    month = clock.instant(int(time.time())).strftime("%Y-%m")
    for path in (
        "me",
        "plans",
        "instances",
        "wallet",
        "wallet/transactions",
        "wallet/alerts",
        f"wallet/statements/{month}",
        "webhook-endpoints",
    ):
        assert (await visitor.call("GET", f"/api/v1/{path}")).status == HTTPStatus.OK
    for path in ("/databases", "/databases/new", "/wallet", f"/wallet/statements/{month}", "/alerts", "/webhooks"):
        assert (await visitor.page("GET", path)).status == HTTPStatus.OK
    for path in ("/databases/stream", "/wallet/stream"):
        await visitor.first_of_stream(path)
    for item in (await visitor.instances()).values():
        for path in ("", "/usage", "/events", "/metrics"):
            assert (await visitor.call("GET", f"/api/v1/instances/{item['id']}{path}")).status == HTTPStatus.OK


async def knock_at_the_agent(inside: Inside) -> None:
    async with visiting(inside) as nobody:
        address = f"http://{LOOPBACK}:{inside.ports.agent}/v1/postgresql/databases"
        for headers in ({}, {"X-Agent-Token": "wrong" * 10}):
            refused = await nobody.call("POST", address, raw={"json": {}, "headers": headers})
            assert (refused.status, refused.told["code"]) == (HTTPStatus.UNAUTHORIZED, "agent_token_invalid")
