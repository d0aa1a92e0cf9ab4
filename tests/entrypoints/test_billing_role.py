import asyncio
import base64
import os
import signal
import subprocess
import sys

import pytest

from entrypoints.embedded import free_port
from syneudp.kernel.database import reading, value
from tests.billing.past import billing_environment, billing_roles, until
from tests.instances.agents import plain_environment
from tests.servers import ROOT, ControlDatabase


def start_with(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "entrypoints", "--role", "billing"],
        cwd=ROOT,
        env=plain_environment(environment),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_without_settings_it_refuses_and_lists_every_fault_at_once() -> None:
    ended = start_with({"SYNEUDP_RETENTION_DAYS": "0"})
    assert ended.returncode == 2
    for name in ("DATABASE_URL", "SEALING_KEYS", "AGENT_TOKEN", "PAYMENTS", "RETENTION_DAYS"):
        assert f"SYNEUDP_{name}" in ended.stderr


def test_the_sandbox_is_refused_outside_the_local_environment(control: ControlDatabase) -> None:
    ended = start_with({**billing_environment(control), "SYNEUDP_ENVIRONMENT": "production"})
    assert ended.returncode == 2
    assert "SYNEUDP_PAYMENTS" in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_runs_every_loop_and_ends_with_success_when_told_to(
    control: ControlDatabase, number: signal.Signals
) -> None:
    async def all_came_round() -> bool:
        return int(await value(reading(), "SELECT count(*) FROM billing_rounds")) == 16

    with billing_roles(control) as [role]:
        await until(all_came_round, seconds=30)
        role.signal(number)
        assert await asyncio.to_thread(role.stop) == 0
        said = role.said()
    assert '"role_started"' in said
    assert '"role_stopped"' in said
    assert "password" not in said.lower()
    assert os.environ.get("SYNEUDP_DATABASE_URL") is None


def test_a_database_out_of_reach_is_told_in_a_line(control: ControlDatabase) -> None:
    nowhere = f"postgresql://nobody:nothing@127.0.0.1:{free_port()}/nothing"
    ended = start_with({**billing_environment(control), "SYNEUDP_DATABASE_URL": nowhere})
    assert ended.returncode == 2
    assert '"role_refused"' in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


def test_a_declared_host_that_contradicts_a_known_one_is_a_fault_of_the_settings(control: ControlDatabase) -> None:
    def declaring(engine: str) -> dict[str, str]:
        told = f'[{{"name": "one", "engine": "{engine}", "agent_url": "http://127.0.0.1:9", "capacity": 1}}]'
        return {**billing_environment(control), "SYNEUDP_AGENT_HOSTS": told}

    seeded = subprocess.run(
        [sys.executable, "-m", "entrypoints", "seed"],
        cwd=ROOT,
        env=plain_environment(declaring("mysql")),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert seeded.returncode == 0, seeded.stderr
    ended = start_with(declaring("postgresql"))
    assert ended.returncode == 2
    assert "SYNEUDP_AGENT_HOSTS: a declared host's name is registered for another engine" in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_keys_that_cannot_open_what_the_database_holds_are_refused(control: ControlDatabase) -> None:
    own = billing_environment(control)
    async with asyncio.timeout(30):
        with billing_roles(control) as [role]:
            await until(lambda: value(reading(), "SELECT count(*) FROM sealing_canaries"), seconds=20)
            role.stop()
    other = start_with({**own, "SYNEUDP_SEALING_KEYS": "k1:" + base64.b64encode(bytes(32)).decode()})
    assert other.returncode == 2
    assert "SYNEUDP_SEALING_KEYS: its key k1" in other.stderr
    assert "Traceback" not in other.stderr
