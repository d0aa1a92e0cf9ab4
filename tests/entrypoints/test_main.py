import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from entrypoints.__main__ import main

ROOT = Path(__file__).parents[2]


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {
        name: told for name, told in os.environ.items() if not name.startswith(("SYNEUDP_", "SUPABASE_", "STRIPE_"))
    }
    return subprocess.run(
        [sys.executable, "-m", "entrypoints", *arguments],
        cwd=ROOT,
        env={**kept, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def loaded_by(module: str) -> set[str]:
    source = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split())


def test_without_a_role_the_help_is_shown_and_the_status_is_2() -> None:
    told = CliRunner(env={"SYNEUDP_ROLE": ""}).invoke(main, [])
    assert told.exit_code == 2
    assert "--role" in told.output


@pytest.mark.parametrize(
    "command", ["migrate", "seed", "engines", "hosts", "ledger", "wallet", "billing", "local", "local-auth"]
)
def test_every_operator_command_is_listed(command: str) -> None:
    assert command in CliRunner().invoke(main, ["--help"]).output


def test_an_unknown_role_is_refused() -> None:
    assert CliRunner().invoke(main, ["--role", "root"]).exit_code == 2


def test_a_role_and_a_command_together_are_refused() -> None:
    told = CliRunner().invoke(main, ["--role", "api", "migrate"])
    assert told.exit_code == 2
    assert "not both" in told.output


@pytest.mark.parametrize(
    ("arguments", "variables", "needed"),
    [
        (["--role", "api"], {}, ["SYNEUDP_DATABASE_URL", "SYNEUDP_SEALING_KEYS", "SYNEUDP_PUBLIC_URL"]),
        ([], {"SYNEUDP_ROLE": "billing"}, ["SYNEUDP_DATABASE_URL", "SYNEUDP_SEALING_KEYS", "SYNEUDP_AGENT_TOKEN"]),
        (["--role", "agent"], {"SYNEUDP_ROLE": "api"}, ["SYNEUDP_AGENT_BIND", "SYNEUDP_AGENT_TOKEN"]),
        (["migrate"], {"SYNEUDP_ROLE": "api"}, ["SYNEUDP_MIGRATION_DATABASE_URL"]),
        (["seed"], {"SYNEUDP_CURRENCY": "gold"}, ["SYNEUDP_DATABASE_URL", "SYNEUDP_CURRENCY"]),
        (["ledger", "audit"], {}, ["SYNEUDP_DATABASE_URL"]),
        (["hosts", "list"], {}, ["SYNEUDP_DATABASE_URL"]),
        (["hosts", "inspect", "one"], {}, ["SYNEUDP_DATABASE_URL", "SYNEUDP_AGENT_TOKEN"]),
        (["billing", "status"], {}, ["SYNEUDP_DATABASE_URL"]),
        (["local-auth"], {}, ["SYNEUDP_AUTH_BIND", "SYNEUDP_DATABASE_URL"]),
    ],
)
def test_every_fault_of_the_settings_is_told_at_once_without_a_traceback(
    arguments: list[str], variables: dict[str, str], needed: list[str]
) -> None:
    done = run(*arguments, **variables)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert all(name in done.stderr for name in needed), done.stderr


@pytest.mark.parametrize("bind", ["0.0.0.0:8100", "[::]:8100"])
def test_the_agent_refuses_an_address_that_is_not_internal(bind: str) -> None:
    admin = "postgresql://syneudp_agent:secret@127.0.0.1:1/postgres"
    done = run(
        "--role",
        "agent",
        SYNEUDP_AGENT_BIND=bind,
        SYNEUDP_AGENT_TOKEN="t" * 40,
        SYNEUDP_POSTGRESQL_ADMIN_URL=admin,
        SYNEUDP_POSTGRESQL_ENDPOINT="127.0.0.1:1",
    )
    assert done.returncode == 2
    assert "SYNEUDP_AGENT_BIND" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_control_plane_never_loads_the_agent_and_the_agent_never_loads_the_control_plane() -> None:
    command = loaded_by("entrypoints.__main__")
    assert not {name for name in command if name.startswith(("syneudp.engines", "syneudp.web", "syneudp.billing"))}
    for role in ("entrypoints.api", "entrypoints.billing"):
        loaded = loaded_by(role)
        assert not {name for name in loaded if name.startswith(("syneudp.engines.agent", "aiomysql", "pymysql"))}
    agent = loaded_by("entrypoints.agent")
    rooms = ("identity", "ledger", "catalog", "wallet", "instances", "billing", "commands", "web", "kernel.database")
    assert not {name for name in agent if name.startswith(tuple(f"syneudp.{room}" for room in rooms))}
