"""Keeping the previous password for a while, through the API and the console, in front of a real MySQL."""

import secrets
from collections.abc import AsyncIterator

import aiomysql
import pymysql
import pytest
from quart import Quart

from entrypoints.embedded import MySQLFamilyServer
from syneudp.billing.watch_hosts import watch_hosts
from syneudp.engines.agent.driver import PrepareOrder
from syneudp.engines.agent.mysql import MySQLDriver, prepare
from syneudp.engines.contract import Engine
from tests.mysql_tenants import AGENT_HOST, tls_context
from tests.web.caller import Caller
from tests.web.console.browsing import Browser
from tests.web.stand import Stand, agent_in_front_of, register_agent

HOUR = 3600


@pytest.fixture
async def mysql_url(stand: Stand, mysql_server: MySQLFamilyServer) -> AsyncIterator[str]:
    admin_url = mysql_server.url(user="syneudp_web_agent", password=secrets.token_urlsafe(24))
    root_url = mysql_server.root_url()
    await prepare(
        PrepareOrder(superuser_url=root_url, admin_url=admin_url, agent_hosts=(AGENT_HOST,), require_tls=True)
    )
    driver = MySQLDriver(admin_url=admin_url, endpoint_host=mysql_server.host, endpoint_port=mysql_server.port)
    async with agent_in_front_of(stand, driver) as url:
        await register_agent(url, Engine.MYSQL)
        await watch_hosts(stand.services.instances.agents)
        yield url


async def let_in(server: MySQLFamilyServer, connection: dict[str, object], password: str) -> bool:
    try:
        opened = await aiomysql.connect(
            host=server.host,
            port=server.port,
            user=connection["username"],
            password=password,
            db=connection["database"],
            ssl=tls_context(server),
        )
    except pymysql.MySQLError:
        return False
    opened.close()
    return True


async def test_a_rotation_says_how_long_the_previous_password_is_kept(
    customer: Caller, mysql_url: str, mysql_server: MySQLFamilyServer
) -> None:
    await customer.top_up()
    created = await customer.create(engine="mysql")
    assert created.status == 201, created.text
    path, connection = f"/api/v1/instances/{created.body['id']}", created.body["connection"]
    rotated = await customer.post(f"{path}/rotate", {"keep_previous_seconds": HOUR}, key="r")
    assert rotated.status == 200, rotated.text
    assert await let_in(mysql_server, connection, connection["password"])
    assert await let_in(mysql_server, connection, rotated.body["password"])
    replayed = await customer.post(f"{path}/rotate", {"keep_previous_seconds": HOUR}, key="r")
    assert (replayed.status, replayed.body) == (200, rotated.body)
    other = await customer.post(f"{path}/rotate", {"keep_previous_seconds": 60}, key="r")
    assert (other.status, other.body["code"]) == (422, "idempotency_mismatch")
    events = (await customer.get(f"{path}/events")).body["items"]
    assert [event["kind"] for event in events[:3]] == ["previous_kept", "rotated", "rotate_requested"]
    at_once = await customer.post(f"{path}/rotate")
    assert at_once.status == 200
    assert not await let_in(mysql_server, connection, connection["password"])
    assert not await let_in(mysql_server, connection, rotated.body["password"])
    assert await let_in(mysql_server, connection, at_once.body["password"])
    assert (await customer.call("DELETE", path)).status == 200


@pytest.mark.parametrize("seconds", [-1, 7 * 86_400 + 1, "60", 1.5, True, None])
async def test_a_time_that_is_none_or_too_long_is_refused(
    customer: Caller, silent_agents: None, seconds: object
) -> None:
    await customer.top_up()
    path = f"/api/v1/instances/{(await customer.create()).body['id']}"
    refused = await customer.post(f"{path}/rotate", {"keep_previous_seconds": seconds})
    assert (refused.status, refused.body["errors"][0]["pointer"]) == (422, "/keep_previous_seconds")


async def test_postgresql_says_that_it_keeps_no_previous_password(customer: Caller, agent_url: str) -> None:
    await customer.top_up()
    path = f"/api/v1/instances/{(await customer.create()).body['id']}"
    refused = await customer.post(f"{path}/rotate", {"keep_previous_seconds": HOUR})
    assert (refused.status, refused.body["code"]) == (422, "previous_password_not_kept")
    assert (await customer.post(f"{path}/rotate", {"keep_previous_seconds": 0})).status == 200
    assert (await customer.post(f"{path}/rotate", {})).status == 200


async def test_the_console_offers_it_where_the_engine_can(app: Quart, mysql_url: str) -> None:
    browser = await Browser(app).sign_up()
    await browser.top_up()
    path = await browser.create(engine="mysql")
    dialog = await browser.get(f"{path}/rotate")
    assert "It works for 1 day more" in dialog.words
    assert "open connections end once more" in dialog.words
    kept = await browser.follow(await browser.post(f"{path}/rotate", {"keep_previous_seconds": "3600"}))
    assert "The old one works too" in kept.words
    assert "The previous password works beside it" in kept.words
    at_once = await browser.follow(await browser.post(f"{path}/rotate", {"keep_previous_seconds": "123"}))
    assert "the old one is refused" in at_once.words


async def test_the_console_offers_nothing_where_the_engine_cannot(app: Quart, agent_url: str) -> None:
    browser = await Browser(app).sign_up()
    await browser.top_up()
    path = await browser.create()
    dialog = await browser.get(f"{path}/rotate")
    assert "The present password stops working at once." in dialog.words
    assert "<select" not in dialog.text
