import asyncio
import json
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import aiohttp
import aiomysql
import asyncpg
import pymysql
import pytest

from tests.compose.stack import LONG_RUNNING, ComposeStack, docker

pytestmark = pytest.mark.compose

PASSWORD = "correct horse battery staple"
RUNNING_WITHIN_SECONDS = 30
DRY_SOON_MICROS = 150
DRY_WITHIN_SECONDS = 120
SECOND_MICROS_MAX = 4


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeStack]:
    stack = ComposeStack(tmp_path_factory.mktemp("compose"))
    try:
        stack.start()
        yield stack
    finally:
        stack.remove()
        assert not stack.left()


def encrypted() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@asynccontextmanager
async def signed_in(stack: ComposeStack) -> AsyncIterator[aiohttp.ClientSession]:
    account = {"email": f"{uuid4().hex}@example.com", "password": PASSWORD}
    async with aiohttp.ClientSession() as auth, auth.post(f"{stack.auth}/signup", json=account) as answer:
        assert answer.status == 200, await answer.text()
        token = (await answer.json())["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(f"{stack.console}/api/v1/", headers=headers) as session:
        yield session


async def create(session: aiohttp.ClientSession, engine: str) -> dict[str, Any]:
    order = {"name": f"walk-{engine}", "engine": engine, "plan": f"{engine}-small"}
    async with session.post("instances", json=order) as answer:
        made: dict[str, Any] = await answer.json()
        assert answer.status in {201, 202}, made
    for _ in range(RUNNING_WITHIN_SECONDS):
        async with session.get(f"instances/{made['id']}") as answer:
            seen: dict[str, Any] = await answer.json()
        if seen["status"] == "running":
            break
        await asyncio.sleep(1)
    assert seen["status"] == "running", seen
    async with session.post(f"instances/{made['id']}/reveal") as answer:
        secret = await answer.json()
        assert answer.status == 200, secret
    return {**seen, "password": secret["password"]}


async def top_up(session: aiohttp.ClientSession, amount_micros: int) -> None:
    headers = {"Idempotency-Key": uuid4().hex}
    async with session.post("wallet/top-ups", json={"amount_micros": amount_micros}, headers=headers) as answer:
        assert answer.status == 201, await answer.text()


async def become(session: aiohttp.ClientSession, instance_id: str, status: str, *, seconds: int) -> None:
    async with asyncio.timeout(seconds):
        while True:
            async with session.get(f"instances/{instance_id}") as answer:
                if (await answer.json())["status"] == status:
                    return
            await asyncio.sleep(0.5)


async def log_in(made: dict[str, Any]) -> None:
    there = made["connection"]
    login = {"host": there["host"], "port": there["port"], "user": there["username"], "password": made["password"]}
    if made["engine"] == "postgresql":
        await (await asyncpg.connect(**login, database=there["database"], ssl=encrypted())).close()
    else:
        (await aiomysql.connect(**login, db=there["database"], ssl=encrypted())).close()


async def test_databases_are_cut_when_the_money_ends_and_come_back_with_a_top_up_until_they_are_deleted(
    stack: ComposeStack,
) -> None:
    async with signed_in(stack) as session:
        await top_up(session, DRY_SOON_MICROS)
        made = [await create(session, engine) for engine in ("postgresql", "mysql")]
        for each in made:
            await log_in(each)
        for each in made:
            await become(session, each["id"], "suspended", seconds=DRY_WITHIN_SECONDS)
        async with session.get("wallet") as answer:
            purse = await answer.json()
        assert 0 <= purse["balance_micros"] < SECOND_MICROS_MAX
        for each in made:
            with pytest.raises((asyncpg.InvalidAuthorizationSpecificationError, pymysql.err.OperationalError)):
                await log_in(each)
        await top_up(session, 1_000_000)
        for each in made:
            await become(session, each["id"], "running", seconds=RUNNING_WITHIN_SECONDS)
            await log_in(each)
            async with session.delete(f"instances/{each['id']}") as answer:
                assert answer.status in {200, 202}, await answer.text()
            await become(session, each["id"], "terminated", seconds=RUNNING_WITHIN_SECONDS)


async def test_a_customer_signs_up_tops_up_and_uses_a_database_of_each_engine_through_the_published_ports(
    stack: ComposeStack,
) -> None:
    async with signed_in(stack) as session:
        await top_up(session, 25_000_000)
        postgresql = await create(session, "postgresql")
        mysql = await create(session, "mysql")
        assert postgresql["connection"]["port"] == stack.ports["POSTGRESQL"]
        assert mysql["connection"]["port"] == stack.ports["MYSQL"]

        there = postgresql["connection"]
        connection = await asyncpg.connect(
            host=there["host"],
            port=there["port"],
            user=there["username"],
            password=postgresql["password"],
            database=there["database"],
            ssl=encrypted(),
        )
        await connection.execute("CREATE TABLE notes (note text)")
        await connection.execute("INSERT INTO notes VALUES ('kept')")
        assert await connection.fetchval("SELECT note FROM notes") == "kept"
        await connection.close()

        there = mysql["connection"]
        other = await aiomysql.connect(
            host=there["host"],
            port=there["port"],
            user=there["username"],
            password=mysql["password"],
            db=there["database"],
            ssl=encrypted(),
        )
        cursor = await other.cursor()
        await cursor.execute("CREATE TABLE notes (note varchar(20) PRIMARY KEY)")
        await cursor.execute("INSERT INTO notes VALUES ('kept')")
        await cursor.execute("SELECT note FROM notes")
        assert await cursor.fetchone() == ("kept",)
        other.close()

        async with session.get("instances") as answer:
            listed = await answer.text()
        assert "agent" not in listed
        for made in (postgresql, mysql):
            async with session.delete(f"instances/{made['id']}") as answer:
                assert answer.status in {200, 202}, await answer.text()

    audit = stack.compose("exec", "--no-TTY", "api", "syneudp", "ledger", "audit")
    assert audit.returncode == 0, audit.stdout


def test_the_agent_has_no_published_port_and_the_host_has_no_address_on_its_networks(stack: ComposeStack) -> None:
    agent: Any = stack.inspect("agent")
    assert not any(agent["NetworkSettings"]["Ports"].values())
    assert not agent["HostConfig"]["PortBindings"]
    assert set(agent["NetworkSettings"]["Networks"]) == {f"{stack.project}_service", f"{stack.project}_planes"}
    own = subprocess.run(["hostname", "--all-ip-addresses"], capture_output=True, text=True, check=True).stdout.split()
    for name in agent["NetworkSettings"]["Networks"]:
        network = json.loads(docker("network", "inspect", name))[0]
        assert network["Internal"]
        assert network["IPAM"]["Config"][0].get("Gateway") not in own


def test_the_agent_listens_on_the_network_between_the_planes_alone(stack: ComposeStack) -> None:
    read_listening = """
for line in open("/proc/net/tcp"):
    fields = line.split()
    if fields[3] == "0A" and fields[1].endswith(":1FA4"):
        print(fields[1].partition(":")[0])
"""
    listening = stack.run_python("agent", read_listening).stdout.split()
    planes = _networks(stack, "agent")[f"{stack.project}_planes"]["IPAddress"]
    assert listening == ["".join(f"{int(part):02X}" for part in reversed(planes.split(".")))]
    for service in ("postgresql", "mysql", "control-database", "auth"):
        assert f"{stack.project}_planes" not in _networks(stack, service)


def test_every_request_to_the_agent_needs_the_token(stack: ComposeStack) -> None:
    ask = """
import urllib.error, urllib.request
for headers in ({}, {"X-Agent-Token": "x" * 40}):
    try:
        urllib.request.urlopen(urllib.request.Request("http://agent.planes:8100/v1/health", headers=headers), timeout=5)
    except urllib.error.HTTPError as error:
        print(error.code)
"""
    assert stack.run_python("api", ask).stdout.split() == ["401", "401"]


def admin_logins(stack: ComposeStack) -> list[tuple[str, str]]:
    return [
        ("postgres", stack.secrets["POSTGRESQL_SUPERUSER_PASSWORD"]),
        ("syneudp_agent", stack.secrets["POSTGRESQL_AGENT_PASSWORD"]),
    ]


def mysql_admin_logins(stack: ComposeStack) -> list[tuple[str, str]]:
    return [
        ("root", stack.secrets["MYSQL_ROOT_PASSWORD"]),
        ("syneudp_agent", stack.secrets["MYSQL_AGENT_PASSWORD"]),
    ]


async def test_no_admin_login_works_through_the_published_ports(stack: ComposeStack) -> None:
    for user, password in admin_logins(stack):
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match=r"pg_hba\.conf rejects"):
            await asyncpg.connect(
                host="127.0.0.1",
                port=stack.ports["POSTGRESQL"],
                user=user,
                password=password,
                database="postgres",
                ssl=encrypted(),
            )
    for user, password in mysql_admin_logins(stack):
        with pytest.raises((pymysql.err.OperationalError, RuntimeError), match="not allowed|denied|1130|1045"):
            await aiomysql.connect(
                host="127.0.0.1", port=stack.ports["MYSQL"], user=user, password=password, ssl=encrypted()
            )


def test_no_admin_login_works_from_the_api_and_the_same_logins_work_from_the_agent(stack: ComposeStack) -> None:
    addresses = {
        service: [network["IPAddress"] for network in _networks(stack, service).values()]
        for service in ("postgresql", "mysql")
    }
    attempt = """
import asyncio, asyncpg, aiomysql, ssl, sys
context = ssl.create_default_context(); context.check_hostname = False; context.verify_mode = ssl.CERT_NONE
async def postgresql(host, user, password):
    connection = await asyncpg.connect(host=host, user=user, password=password, database="postgres", ssl=context, timeout=4)
    await connection.close()
async def mysql(host, user, password):
    connection = await aiomysql.connect(host=host, user=user, password=password, ssl=context, connect_timeout=4)
    connection.close()
async def main():
    for engine, host, user, password in ORDERS:
        try:
            await asyncio.wait_for({"postgresql": postgresql, "mysql": mysql}[engine](host, user, password), 6)
        except Exception as error:
            print("refused")
        else:
            print("let in")
asyncio.run(main())
"""
    logins = {"postgresql": admin_logins(stack), "mysql": mysql_admin_logins(stack)}
    orders = [
        (engine, host, user, password)
        for engine, hosts in addresses.items()
        for host in [engine, *hosts]
        for user, password in logins[engine]
    ]
    refused = stack.run_python("api", attempt.replace("ORDERS", repr(orders)))
    assert refused.stdout.split("\n")[:-1] == ["refused"] * len(orders), refused.stderr
    service = [
        (engine, network["IPAddress"], *logins[engine][0])
        for engine in addresses
        for name, network in _networks(stack, engine).items()
        if name.endswith("_service")
    ]
    let_in = stack.run_python("agent", attempt.replace("ORDERS", repr(service)))
    assert let_in.stdout.split("\n")[:-1] == ["let in"] * len(service), let_in.stderr


def _networks(stack: ComposeStack, service: str) -> dict[str, dict[str, str]]:
    found: Any = stack.inspect(service)
    networks: dict[str, dict[str, str]] = found["NetworkSettings"]["Networks"]
    return networks


@pytest.mark.parametrize("service", ["api", "billing", "auth"])
def test_no_admin_credential_is_in_the_control_planes_environment(stack: ComposeStack, service: str) -> None:
    environment = stack.compose("exec", "--no-TTY", service, "env").stdout
    for name in (
        "POSTGRESQL_SUPERUSER_PASSWORD",
        "POSTGRESQL_AGENT_PASSWORD",
        "MYSQL_ROOT_PASSWORD",
        "MYSQL_AGENT_PASSWORD",
    ):
        assert stack.secrets[name] not in environment
    assert stack.secrets["CONTROL_OWNER_PASSWORD"] not in environment
    assert stack.secrets["CONTROL_SUPERUSER_PASSWORD"] not in environment


def test_the_agent_knows_nothing_of_the_control_database(stack: ComposeStack) -> None:
    environment = stack.compose("exec", "--no-TTY", "agent", "env").stdout
    assert "SYNEUDP_DATABASE_URL" not in environment
    assert "SYNEUDP_SEALING_KEYS" not in environment
    ask = "import socket; socket.getaddrinfo('control-database', 5432)"
    assert stack.run_python("agent", ask).returncode != 0


def test_our_containers_run_without_root_and_stop_with_status_zero(stack: ComposeStack) -> None:
    for service in ("api", "billing", "agent", "auth"):
        assert stack.compose("exec", "--no-TTY", service, "id", "-u").stdout.strip() == "10001"
    stack.compose("stop", "--timeout", "20", "billing", seconds=60)
    stopped = stack.compose("ps", "--all", "--quiet", "billing").stdout.strip()
    assert json.loads(docker("inspect", stopped))[0]["State"]["ExitCode"] == 0
    stack.compose("start", "billing")


def test_every_service_is_up(stack: ComposeStack) -> None:
    for service in LONG_RUNNING:
        found: Any = stack.inspect(service)
        assert found["State"]["Running"], service
