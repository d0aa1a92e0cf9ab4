import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from entrypoints.embedded import PostgreSQLServer, free_port
from syneudp.engines.agent.postgresql import PostgreSQLDriver
from syneudp.engines.agent.spares import fill
from syneudp.engines.contract import State
from tests.engines.agent.postgresql.tenants import NewTenant, Tenant, admin_url, driver, new_tenant
from tests.entrypoints.agent_role import AgentRole, agent_environment, run_agent, running_agent

__all__ = ["admin_url", "driver", "new_tenant"]

TOKEN = "t" * 40


@pytest.fixture(scope="module")
async def role(admin_url: str, postgresql_server: PostgreSQLServer) -> AsyncIterator[AgentRole]:
    async with running_agent(
        SYNEUDP_POSTGRESQL_ADMIN_URL=admin_url,
        SYNEUDP_POSTGRESQL_ENDPOINT=f"{postgresql_server.host}:{postgresql_server.port}",
        SYNEUDP_AGENT_TOKEN_NEXT=TOKEN,
    ) as role:
        yield role


def body(tenant: Tenant, state: State, generation: int, **more: object) -> dict[str, object]:
    return {**tenant.desired(state, generation).model_dump(mode="json"), **more}


async def test_a_database_lives_its_whole_life_over_http(role: AgentRole, new_tenant: NewTenant) -> None:
    tenant = new_tenant()
    databases, one = "/v1/postgresql/databases", f"/v1/postgresql/databases/{tenant.instance_id}"
    creation = body(tenant, State.RUNNING, 1, instance_id=str(tenant.instance_id))
    status, created = await role.call("POST", databases, creation)
    assert status == 201
    assert created["endpoint"]["tls"] is True
    assert created["applied_generation"] == 1
    status, again = await role.call("POST", databases, creation)
    assert (status, again["database"]) == (200, created["database"])
    tenant.database, tenant.username = created["database"], created["username"]
    connection = await tenant.connect()
    await connection.execute("CREATE TABLE kept (n integer)")
    status, suspended = await role.call("POST", f"{one}/suspend", body(tenant, State.SUSPENDED, 2))
    assert (status, suspended["state"], suspended["sessions_ended"]) == (200, "suspended", 1)
    status, resumed = await role.call("POST", f"{one}/resume", body(tenant, State.RUNNING, 3))
    assert (status, resumed["state"]) == (200, "running")
    old = tenant.change_password()
    status, rotated = await role.call("POST", f"{one}/rotate", body(tenant, State.RUNNING, 4))
    assert (status, rotated["credential_version"]) == (200, 2)
    with pytest.raises(asyncpg.InvalidPasswordError):
        await tenant.connect(password=old)
    await (await tenant.connect()).close()
    status, report = await role.call("GET", one)
    assert (status, report["drift"], report["applied_generation"]) == (200, [], 4)
    status, usage = await role.call("GET", "/v1/postgresql/usage")
    assert str(tenant.instance_id) in {item["instance_id"] for item in usage["items"]}
    status, terminated = await role.call("DELETE", one, body(tenant, State.TERMINATED, 5))
    assert (status, terminated["state"]) == (200, "terminated")
    status, report = await role.call("GET", one)
    assert (status, report["state"], report["drift"]) == (200, "terminated", [])


async def test_host_health_and_metrics_tell_about_the_engine(role: AgentRole) -> None:
    status, host = await role.call("GET", "/v1/host")
    assert status == 200
    assert [(engine["engine"], engine["flavour"]) for engine in host["engines"]] == [("postgresql", "postgresql")]
    assert await role.call("GET", "/v1/health") == (
        200,
        {"status": "ok", "engines": {"postgresql": True}, "failing": {"postgresql": 0}},
    )
    status, text = await role.call("GET", "/v1/metrics")
    assert status == 200
    assert 'syneudp_agent_engine_up{engine="postgresql"} 1.0' in text


async def test_the_list_goes_page_by_page(role: AgentRole, new_tenant: NewTenant) -> None:
    tenants = [new_tenant() for _ in range(3)]
    for tenant in tenants:
        await tenant.want(State.SUSPENDED, may_create=True)
    found, cursor = [], ""
    while True:
        status, page = await role.call("GET", f"/v1/postgresql/databases?limit=2{cursor}")
        assert status == 200
        found += [item["instance_id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == sorted(found)
    assert {str(tenant.instance_id) for tenant in tenants} <= set(found)
    for tenant in tenants:
        await tenant.want(State.TERMINATED)


@pytest.mark.parametrize("path", ["/v1/health", "/v1/metrics", "/v1/host", "/v1/postgresql/databases", "/nowhere", "/"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS", "BREW"])
async def test_a_missing_and_a_wrong_token_get_the_same_answer_everywhere(
    role: AgentRole, method: str, path: str
) -> None:
    answers = []
    for headers in ({}, {"X-Agent-Token": "wrong"}, {"X-Agent-Token": role.token[:-1]}, {"X-Agent-Token": "é" * 40}):
        async with role.session.request(method, role.url + path, headers=headers, data=b"x" * 100_000) as response:
            problem = await response.json()
            assert response.content_type == "application/problem+json"
            problem.pop("request_id")
            answers.append((response.status, problem))
    assert all(answer == answers[0] for answer in answers)
    assert answers[0][0] == 401
    assert answers[0][1]["code"] == "agent_token_invalid"


async def test_two_tokens_in_one_request_are_none_and_the_next_token_is_accepted(role: AgentRole) -> None:
    async with role.session.get(
        role.url + "/v1/health", headers=[("X-Agent-Token", role.token), ("X-Agent-Token", role.token)]
    ) as response:
        assert response.status == 401
    status, _ = await role.call("GET", "/v1/health", headers={"X-Agent-Token": TOKEN})
    assert status == 200


async def test_a_websocket_needs_the_token_too(role: AgentRole) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await role.session.ws_connect(role.url + "/v1/health")
    assert refused.value.status == 401


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"instance_id": "no-uuid"}, "/instance_id"),
        ({"generation": 0}, "/generation"),
        ({"generation": "1"}, "/generation"),
        ({"state": "terminated"}, "/state"),
        ({"state": "asleep"}, "/state"),
        ({"limits": {"max_connections": 0, "temp_bytes": 1}}, "/limits/max_connections"),
        ({"limits": {"max_connections": 1, "temp_bytes": -1}}, "/limits/temp_bytes"),
        ({"verifiers": {"SCRAM-SHA-256": "password"}}, "/verifiers/SCRAM-SHA-256"),
        ({"verifiers": {"SCRAM-SHA-256": "SCRAM-SHA-256$4096:a'b$c:d"}}, "/verifiers/SCRAM-SHA-256"),
        ({"verifiers": {"mysql_native_password": "*" + "A" * 40}}, "/verifiers"),
        ({"verifiers": {}}, "/verifiers"),
    ],
)
async def test_bad_input_is_told_with_its_place_and_never_repeated(
    role: AgentRole, new_tenant: NewTenant, change: dict[str, object], pointer: str
) -> None:
    tenant = new_tenant()
    creation = body(tenant, State.RUNNING, 1, instance_id=str(tenant.instance_id)) | change
    status, problem = await role.call("POST", "/v1/postgresql/databases", creation)
    assert status == 422
    assert pointer in [fault["pointer"] for fault in problem["errors"]]
    status, _ = await role.call("GET", f"/v1/postgresql/databases/{tenant.instance_id}")
    assert status == 404


async def test_what_is_no_json_or_too_much_or_unknown_is_refused(role: AgentRole, new_tenant: NewTenant) -> None:
    tenant = new_tenant()
    creation = body(tenant, State.RUNNING, 1, instance_id=str(tenant.instance_id))
    path, token = "/v1/postgresql/databases", {"X-Agent-Token": role.token}

    async def code_of(**options: Any) -> tuple[int, str]:
        async with role.session.post(role.url + path, **options) as response:
            return response.status, (await response.json())["code"]

    json_type = {"Content-Type": "application/json"} | token
    assert await code_of(data=b"{", headers=json_type) == (400, "malformed_request")
    assert await code_of(data=b"\xff\xfe", headers=json_type) == (400, "malformed_request")
    assert await code_of(data=b"[" * 10_000, headers=json_type) == (400, "malformed_request")
    assert await code_of(data=b" " * 20_000, headers=json_type) == (413, "request_too_large")
    assert (await code_of(data=b"{}", headers=token))[0] == 415
    assert await code_of(json=creation | {"surprise": 1}, headers=token) == (422, "invalid_request")
    assert (await role.call("POST", "/v1/mysql/databases", creation))[1]["code"] == "engine_not_served"
    assert (await role.call("POST", "/v1/oracle/databases", creation))[1]["code"] == "engine_not_served"
    one = f"{path}/{tenant.instance_id}"
    status, problem = await role.call("POST", f"{one}/resume", body(tenant, State.RUNNING, 1))
    assert (status, problem["code"]) == (404, "database_unknown")
    status, problem = await role.call("POST", f"{path}/{{{tenant.instance_id}}}/resume", body(tenant, State.RUNNING, 1))
    assert (status, problem["code"]) == (422, "invalid_request")
    for query in ("limit=0", "limit=1001", "limit=x", "cursor=x"):
        assert (await role.call("GET", f"{path}?{query}"))[0] == 422


async def test_a_stale_generation_is_answered_with_what_is_applied(role: AgentRole, new_tenant: NewTenant) -> None:
    tenant = new_tenant()
    await tenant.want(State.RUNNING, generation=7, may_create=True)
    one = f"/v1/postgresql/databases/{tenant.instance_id}"
    status, problem = await role.call("POST", f"{one}/suspend", body(tenant, State.SUSPENDED, 6))
    assert (status, problem["code"]) == (409, "generation_stale")
    assert problem["applied"]["applied_generation"] == 7
    assert problem["applied"]["state"] == "running"
    await tenant.want(State.TERMINATED, generation=8)


async def test_a_killed_agent_leaves_nothing_half_done_after_its_restart(
    admin_url: str, postgresql_server: PostgreSQLServer, new_tenant: NewTenant, driver: PostgreSQLDriver
) -> None:
    tenants = [new_tenant() for _ in range(4)]
    variables = {
        "SYNEUDP_POSTGRESQL_ADMIN_URL": admin_url,
        "SYNEUDP_POSTGRESQL_ENDPOINT": f"{postgresql_server.host}:{postgresql_server.port}",
    }
    async with running_agent(**variables) as role:
        calls = [
            asyncio.create_task(
                role.call(
                    "POST",
                    "/v1/postgresql/databases",
                    body(tenant, State.RUNNING, 1, instance_id=str(tenant.instance_id)),
                )
            )
            for tenant in tenants
        ]
        while not await driver.pending():
            await asyncio.sleep(0.002)
        await role.kill()
        await asyncio.gather(*calls, return_exceptions=True)
    async with running_agent(**variables), asyncio.timeout(20):
        while await driver.pending():
            await asyncio.sleep(0.02)
    for tenant in tenants:
        report = await driver.report(tenant.instance_id)
        if report is None:
            continue
        assert (report.applied_generation, report.drift) == (1, [])
        tenant.database, tenant.username = report.database, report.username
        await (await tenant.connect()).close()
        await tenant.want(State.TERMINATED, generation=2)
    assert await driver.unknown_databases() == []


async def test_sigterm_finishes_the_call_in_flight_and_ends_with_success(
    admin_url: str, postgresql_server: PostgreSQLServer, new_tenant: NewTenant
) -> None:
    tenant = new_tenant()
    async with running_agent(
        SYNEUDP_POSTGRESQL_ADMIN_URL=admin_url,
        SYNEUDP_POSTGRESQL_ENDPOINT=f"{postgresql_server.host}:{postgresql_server.port}",
    ) as role:
        call = asyncio.create_task(
            role.call(
                "POST", "/v1/postgresql/databases", body(tenant, State.RUNNING, 1, instance_id=str(tenant.instance_id))
            )
        )
        await asyncio.sleep(0.02)
        role.process.send_signal(signal.SIGTERM)
        status, _ = await call
        assert status == 201
        assert await asyncio.wait_for(role.process.wait(), 20) == 0
    await tenant.want(State.TERMINATED, generation=2)


async def test_an_engine_out_of_reach_is_503_and_nothing_else(new_tenant: NewTenant) -> None:
    port = free_port()
    async with running_agent(
        until="answering",
        SYNEUDP_POSTGRESQL_ADMIN_URL=f"postgresql://a:b@127.0.0.1:{port}/",
        SYNEUDP_POSTGRESQL_ENDPOINT=f"127.0.0.1:{port}",
    ) as role:
        tenant = new_tenant()
        creation = body(tenant, State.RUNNING, 1, instance_id=str(tenant.instance_id))
        for method, path, content in [
            ("POST", "/v1/postgresql/databases", creation),
            ("GET", "/v1/postgresql/usage", None),
            ("GET", "/v1/health", None),
        ]:
            status, problem = await role.call(method, path, content)
            assert (status, problem["code"]) == (503, "engine_unavailable")
            assert str(port) not in str(problem)
        assert (await role.call("GET", "/v1/metrics"))[0] == 200


@pytest.mark.parametrize(
    "bind",
    [
        "0.0.0.0:8100",
        "[::]:8100",
        "[::ffff:0.0.0.0]:8100",
        "[::ffff:8.8.8.8]:8100",
        "0:8100",
        "169.254.1.1:8100",
        "[fe80::1]:8100",
        "8.8.8.8:8100",
        "100.64.0.1:8100",
        "224.0.0.1:8100",
        "example.invalid:8100",
        "127.0.0.1",
        ":8100",
        "*:8100",
        "127.0.0.1:99999",
        "unix:/tmp/agent",
        "fd://0",
    ],
)
async def test_an_address_that_is_not_internal_is_refused_before_anything_opens(bind: str) -> None:
    status, said = await run_agent(
        agent_environment(
            SYNEUDP_AGENT_BIND=bind,
            SYNEUDP_AGENT_TOKEN=TOKEN,
            SYNEUDP_POSTGRESQL_ADMIN_URL="postgresql://a:b@127.0.0.1:1/",
            SYNEUDP_POSTGRESQL_ENDPOINT="127.0.0.1:1",
        )
    )
    assert status == 2
    assert "SYNEUDP_AGENT_BIND" in said
    assert "Traceback" not in said


async def test_every_fault_in_the_settings_is_told_at_once() -> None:
    status, said = await run_agent(
        agent_environment(
            SYNEUDP_AGENT_BIND="0.0.0.0:1",
            SYNEUDP_AGENT_TOKEN="short",
            SYNEUDP_AGENT_TOKEN_NEXT="tiny",
            SYNEUDP_POSTGRESQL_ADMIN_URL="http://x",
            SYNEUDP_MYSQL_ENDPOINT="nowhere",
        )
    )
    assert status == 2
    for name in ("AGENT_BIND", "AGENT_TOKEN", "AGENT_TOKEN_NEXT", "POSTGRESQL_ADMIN_URL", "MYSQL_ENDPOINT"):
        assert f"SYNEUDP_{name}:" in said
    assert "short" not in said


async def test_an_unprepared_engine_ends_the_agent_with_what_is_missing(postgresql_server: PostgreSQLServer) -> None:
    connection = await asyncpg.connect(postgresql_server.superuser_url())
    with contextlib.suppress(asyncpg.DuplicateObjectError):
        await connection.execute("CREATE ROLE unprepared LOGIN PASSWORD 'unprepared'")
    await connection.close()
    status, said = await run_agent(
        agent_environment(
            SYNEUDP_AGENT_BIND=f"127.0.0.1:{free_port()}",
            SYNEUDP_AGENT_TOKEN=TOKEN,
            SYNEUDP_POSTGRESQL_ADMIN_URL=postgresql_server.url(
                user="unprepared", password="unprepared", database="postgres"
            ),
            SYNEUDP_POSTGRESQL_ENDPOINT="127.0.0.1:1",
        )
    )
    assert status == 2
    assert "the engine is not prepared" in said


async def test_a_warm_pool_is_filled_by_itself_and_refilled_after_a_creation(
    admin_url: str, postgresql_server: PostgreSQLServer, new_tenant: NewTenant, driver: PostgreSQLDriver
) -> None:
    async with running_agent(
        SYNEUDP_POSTGRESQL_ADMIN_URL=admin_url,
        SYNEUDP_POSTGRESQL_ENDPOINT=f"{postgresql_server.host}:{postgresql_server.port}",
        SYNEUDP_WARM_POOL="2",
    ) as role:

        async def wait_for_spares() -> None:
            async with asyncio.timeout(30):
                while (await role.call("GET", "/v1/host"))[1]["engines"][0]["spares"] != 2:
                    await asyncio.sleep(0.05)

        await wait_for_spares()
        tenant = new_tenant()
        creation = body(tenant, State.RUNNING, 1, instance_id=str(tenant.instance_id))
        assert (await role.call("POST", "/v1/postgresql/databases", creation))[0] == 201
        await wait_for_spares()
        _, text = await role.call("GET", "/v1/metrics")
        assert 'syneudp_agent_creations_total{engine="postgresql",from_spare="true"} 1.0' in text
        assert 'syneudp_agent_spares{engine="postgresql"} 2.0' in text
    await fill(driver, size=0)
    await tenant.want(State.TERMINATED, generation=2)


async def test_a_token_written_to_its_file_is_accepted_without_a_restart_and_goes_with_it(
    admin_url: str, postgresql_server: PostgreSQLServer, tmp_path: Path
) -> None:
    file, following = tmp_path / "token", "n" * 40
    file.write_text("", "utf-8")
    async with running_agent(
        SYNEUDP_POSTGRESQL_ADMIN_URL=admin_url,
        SYNEUDP_POSTGRESQL_ENDPOINT=f"{postgresql_server.host}:{postgresql_server.port}",
        SYNEUDP_AGENT_TOKEN_NEXT_FILE=str(file),
    ) as role:
        for content, expected in ((following, 200), ("", 401)):
            file.write_text(content, "utf-8")
            async with asyncio.timeout(30):
                while (await role.call("GET", "/v1/health", headers={"X-Agent-Token": following}))[0] != expected:
                    await asyncio.sleep(0.2)
            assert (await role.call("GET", "/v1/health"))[0] == 200
