"""What a customer sees when something behind the API is down."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from quart import Quart, Response, request

from entrypoints.embedded import PostgreSQLServer, free_port
from syneudp import instances
from syneudp.engines.contract import Engine
from syneudp.kernel.database import execute, reading, value
from syneudp.kernel.problems import install_problems
from syneudp.wallet.payments.stripe.provider import open_stripe
from syneudp.web.app import create_app
from tests.web.caller import Caller
from tests.web.stand import Stand, register_agent, running_agent, served


@pytest.fixture
async def agent_without_engine(stand: Stand) -> AsyncIterator[None]:
    app = Quart("agent-without-engine")
    install_problems(app)

    @app.route("/<path:_>", methods=["POST", "DELETE"])
    async def unavailable(_: str) -> Response:
        assert request.headers["X-Agent-Token"] == stand.variables["SYNEUDP_AGENT_TOKEN"]
        body = '{"code": "engine_unavailable", "status": 503}'
        return Response(body, status=503, content_type="application/problem+json")

    async with served(app, f"127.0.0.1:{free_port()}") as url:
        await register_agent(url, Engine.POSTGRESQL)
        yield


async def test_an_engine_that_is_down_leaves_nothing_half_done(customer: Caller, agent_without_engine: None) -> None:
    await customer.top_up()
    refused = await customer.create(key="k")
    assert (refused.status, refused.body["code"]) == (503, "engine_unavailable")
    assert (await customer.get("/api/v1/instances")).body["items"] == []
    again = await customer.create(key="k")
    assert (again.status, again.body["code"]) == (503, "engine_unavailable")
    wallet = (await customer.get("/api/v1/wallet")).body
    assert (wallet["accrued_micros"], wallet["burn_micros_per_hour"]) == (0, 0)


async def test_a_database_taken_on_while_the_agent_was_down_is_finished_and_charged_from_then(
    customer: Caller, stand: Stand, silent_agents: None, postgresql_server: PostgreSQLServer, admin_url: str
) -> None:
    await customer.top_up()
    taken = await customer.create(key="k")
    assert taken.status == 202
    path = f"/api/v1/instances/{taken.body['id']}"
    waiting = await customer.post(f"{path}/reveal")
    assert (waiting.status, waiting.body["code"]) == (409, "instance_not_ready")
    async with running_agent(stand, postgresql_server, admin_url) as url:
        await execute(reading(), "UPDATE hosts SET agent_url = $1 WHERE engine = 'postgresql'", url)
        pending = await instances.pending_deliveries(reading(), 2**40, 10)
        assert [str(each.instance_id) for each in pending] == [taken.body["id"]]
        assert await instances.deliver(stand.services.instances, pending[0].instance_id, timeout_seconds=20)
        replayed = await customer.create(key="k")
        assert (replayed.status, replayed.headers["Idempotency-Replayed"]) == (201, "true")
        assert replayed.body["connection"]["password"] == (await customer.post(f"{path}/reveal")).body["password"]
        first_second = await value(reading(), "SELECT min(from_at) FROM usage_segments")
        assert first_second >= (await value(reading(), "SELECT ready_at FROM instances"))
        await customer.call("DELETE", path)


async def test_money_and_secrets_wait_for_the_auth_server(customer: Caller, stand: Stand, agent_url: str) -> None:
    await customer.top_up()
    path = f"/api/v1/instances/{(await customer.create()).body['id']}"
    unreachable = f"http://127.0.0.1:{free_port()}"
    before, stand.services.auth._base = stand.services.auth._base, unreachable
    try:
        for answer in (
            await customer.post(f"{path}/reveal"),
            await customer.post(f"{path}/rotate"),
            await customer.call("DELETE", path),
            await customer.top_up(),
        ):
            assert (answer.status, answer.body["code"]) == (503, "auth_unavailable")
            assert unreachable.removeprefix("http://") not in answer.text
        assert (await customer.post(f"{path}/suspend")).status == 200
    finally:
        stand.services.auth._base = before
    assert (await customer.call("DELETE", path)).status == 200


async def test_without_a_provider_that_answers_no_money_is_taken(stand: Stand) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    async with open_stripe(
        secret_key="sk_test_0123456789", webhook_secrets=(), api_base=nowhere, checkout_origin=nowhere
    ) as provider:
        app = create_app(replace(stand.services, payments=provider))
        refused = await replace(await stand.newcomer(), app=app).top_up()
    assert (refused.status, refused.body["code"]) == (503, "payments_unavailable")
    assert nowhere.removeprefix("http://") not in refused.text


async def test_readiness_follows_the_control_database(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unreachable(*_: object) -> None:
        raise OSError("db.internal:5432 refused")

    monkeypatch.setattr("syneudp.web.api.probes.value", unreachable)
    client = stand.app.test_client()
    assert (await client.get("/livez")).status_code == 200
    told = await client.get("/readyz")
    assert (told.status_code, (await told.get_json(force=True))["code"]) == (503, "not_ready")
    assert "db.internal" not in await told.get_data(as_text=True)
