import asyncio
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from entrypoints.embedded import PostgreSQLServer
from syneudp.engines.agent.driver import REGISTRY_DATABASE, PrepareOrder
from syneudp.engines.agent.errors import EngineUnpreparedError
from syneudp.engines.agent.postgresql import PostgreSQLDriver, prepare
from tests.entrypoints.agent_role import agent_environment
from tests.servers import ROOT, running_postgresql


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQLServer]:
    with running_postgresql() as server:
        yield server


@pytest.fixture
def order(server: PostgreSQLServer) -> PrepareOrder:
    return PrepareOrder(
        superuser_url=server.superuser_url(),
        admin_url=server.url(user="some agent", password=secrets.token_urlsafe(24), database="postgres"),
        agent_hosts=(),
        require_tls=True,
    )


def driver_of(order: PrepareOrder) -> PostgreSQLDriver:
    return PostgreSQLDriver(admin_url=order.admin_url, endpoint_host="127.0.0.1", endpoint_port=1)


async def test_a_server_nobody_prepared_is_refused(order: PrepareOrder) -> None:
    with pytest.raises(EngineUnpreparedError):
        await driver_of(order).open()


async def test_preparing_again_changes_nothing_but_the_password(order: PrepareOrder) -> None:
    await prepare(order)
    await prepare(order)
    driver = driver_of(order)
    facts = await driver.open()
    assert (facts.flavour, facts.tls) == ("postgresql", True)
    assert driver.endpoint.tls
    await driver.close()


async def test_two_preparations_at_once_do_not_meet(order: PrepareOrder) -> None:
    await asyncio.gather(*(prepare(order) for _ in range(3)))


@pytest.mark.parametrize(
    ("tamper", "repair", "told"),
    [
        ("GRANT CONNECT ON DATABASE template1 TO PUBLIC", "", "database template1 is open to PUBLIC"),
        ("GRANT CONNECT ON DATABASE postgres TO PUBLIC", "", "database postgres is open to PUBLIC"),
        (f"GRANT CONNECT ON DATABASE {REGISTRY_DATABASE} TO PUBLIC", "", "database syneudpagent is open to PUBLIC"),
        ('ALTER ROLE "some agent" NOCREATEDB', "", "may not create databases"),
        ('ALTER ROLE "some agent" SUPERUSER', 'ALTER ROLE "some agent" NOSUPERUSER', "has superuser"),
        ('REVOKE pg_signal_backend FROM "some agent"', "", "lacks pg_signal_backend"),
        ('REVOKE SET ON PARAMETER temp_file_limit FROM "some agent"', "", "may not set temp_file_limit"),
        (
            "ALTER DATABASE syneudptemplate1 ALLOW_CONNECTIONS true",
            "ALTER DATABASE syneudptemplate1 ALLOW_CONNECTIONS false",
            "copied from is missing",
        ),
    ],
)
async def test_a_missing_effect_is_told_at_start_and_mended_by_preparing_again(
    order: PrepareOrder, tamper: str, repair: str, told: str
) -> None:
    await prepare(order)
    superuser = await asyncpg.connect(order.superuser_url)
    await superuser.execute(tamper)
    with pytest.raises(EngineUnpreparedError, match=told):
        await driver_of(order).open()
    if repair:
        await superuser.execute(repair)
    await superuser.close()
    await prepare(order)
    driver = driver_of(order)
    await driver.open()
    await driver.close()


async def test_the_superusers_own_login_is_no_agent(server: PostgreSQLServer) -> None:
    url = server.superuser_url()
    with pytest.raises(EngineUnpreparedError, match="superuser"):
        await prepare(PrepareOrder(superuser_url=url, admin_url=url, agent_hosts=(), require_tls=True))


async def test_a_rule_without_a_password_is_refused(order: PrepareOrder, server: PostgreSQLServer) -> None:
    superuser = await asyncpg.connect(order.superuser_url)
    hba = Path(await superuser.fetchval("SHOW hba_file"))
    kept = hba.read_text(encoding="utf-8")
    try:
        hba.write_text(kept + "host all all 127.0.0.9/32 trust\n", encoding="utf-8")
        with pytest.raises(EngineUnpreparedError, match=r"pg_hba\.conf"):
            await prepare(order)
    finally:
        hba.write_text(kept, encoding="utf-8")
        await superuser.close()


async def test_a_server_without_tls_or_with_prepared_transactions_is_refused() -> None:
    with running_postgresql(settings={"ssl": "off", "max_prepared_transactions": "1"}) as server:
        hba = Path(server.certificate).parent / "data" / "pg_hba.conf"
        hba.write_text(hba.read_text(encoding="utf-8").replace("hostssl", "host"), encoding="utf-8")
        server.stop()
        server.start()
        superuser_url = server.superuser_url().replace("sslmode=require", "sslmode=disable")
        with pytest.raises(EngineUnpreparedError) as refused:
            await prepare(
                PrepareOrder(
                    superuser_url=superuser_url,
                    admin_url=server.url(user="agent", password="x" * 32, database="postgres"),
                    agent_hosts=(),
                    require_tls=True,
                )
            )
    assert set(refused.value.faults) == {"the server does not speak TLS", "max_prepared_transactions is not 0"}


async def test_the_command_prepares_and_says_so(order: PrepareOrder) -> None:
    status, said = await run_prepare(
        SYNEUDP_POSTGRESQL_SUPERUSER_URL=order.superuser_url, SYNEUDP_POSTGRESQL_ADMIN_URL=order.admin_url
    )
    assert (status, said) == (0, "postgresql: prepared\n")


async def test_the_command_tells_what_it_needs_and_what_failed(order: PrepareOrder) -> None:
    status, said = await run_prepare()
    assert status == 2
    assert "SYNEUDP_POSTGRESQL_SUPERUSER_URL" in said
    wrong = order.superuser_url.replace("postgres:", "postgres:x")
    status, said = await run_prepare(
        SYNEUDP_POSTGRESQL_SUPERUSER_URL=wrong, SYNEUDP_POSTGRESQL_ADMIN_URL=order.admin_url
    )
    assert status == 1
    assert "postgresql: the server does not answer" in said
    assert "Traceback" not in said


async def run_prepare(**variables: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "entrypoints",
        "engines",
        "prepare",
        env=agent_environment(**variables),
        cwd=ROOT,
        stderr=asyncio.subprocess.STDOUT,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    return process.returncode, out.decode()
