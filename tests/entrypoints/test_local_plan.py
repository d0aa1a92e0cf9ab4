import json
import subprocess
from pathlib import Path

import pytest

from entrypoints.local_plan import LocalPlan, Ports, read_offset, state_folder
from entrypoints.local_state import Secrets
from entrypoints.local_terminal import LaunchError

PROGRAMS = ("migrate", "seed", "prepare", "agent", "local-auth", "billing", "api")


def plan(folder: Path, **environment: str) -> LocalPlan:
    return LocalPlan(state=folder, keep=Secrets(folder), environment=environment)


def test_an_offset_shifts_every_port() -> None:
    usual, shifted = Ports.shifted(0), Ports.shifted(1000)
    assert (usual.api, usual.agent, usual.auth) == (8000, 8100, 9999)
    assert shifted == Ports(
        api=usual.api + 1000,
        agent=usual.agent + 1000,
        auth=usual.auth + 1000,
        control=usual.control + 1000,
        postgresql=usual.postgresql + 1000,
        mysql=usual.mysql + 1000,
    )


@pytest.mark.parametrize("offset", ["-1", "1e3", "many", "60000", "١"])
def test_an_offset_that_leads_nowhere_is_refused(offset: str) -> None:
    with pytest.raises(LaunchError, match="PORT_OFFSET"):
        read_offset({"PORT_OFFSET": offset})


def test_the_state_folder_may_be_chosen(tmp_path: Path) -> None:
    assert state_folder({"SYNEUDP_STATE": str(tmp_path)}) == tmp_path
    assert state_folder({}).name == ".syneudp"


def test_each_program_gets_the_credentials_it_needs_and_no_others(tmp_path: Path) -> None:
    paper = plan(tmp_path)
    environments = {program: paper.variables(program) for program in PROGRAMS}
    admins = {"SYNEUDP_POSTGRESQL_ADMIN_URL", "SYNEUDP_MYSQL_ADMIN_URL"}
    superusers = {"SYNEUDP_POSTGRESQL_SUPERUSER_URL", "SYNEUDP_MYSQL_SUPERUSER_URL"}
    assert {program for program, told in environments.items() if admins & set(told)} == {"agent", "prepare"}
    assert {program for program, told in environments.items() if superusers & set(told)} == {"prepare"}
    assert {program for program, told in environments.items() if "SYNEUDP_MIGRATION_DATABASE_URL" in told} == {
        "migrate"
    }
    assert "SYNEUDP_DATABASE_URL" not in environments["agent"]
    assert environments["local-auth"]["SYNEUDP_SEALING_KEYS"] != environments["api"]["SYNEUDP_SEALING_KEYS"]


def test_whatever_the_launcher_was_given_is_handed_on(tmp_path: Path) -> None:
    paper = plan(tmp_path, SYNEUDP_MINIMUM_RUNWAY_SECONDS="20", HOME="/home/x", SECRET_OF_SOMETHING="kept back")
    for program in PROGRAMS:
        told = paper.variables(program)
        assert told["SYNEUDP_MINIMUM_RUNWAY_SECONDS"] == "20"
        assert told["HOME"] == "/home/x"
        assert "SECRET_OF_SOMETHING" not in told


def test_what_stripe_needs_reaches_who_takes_money_alone(tmp_path: Path) -> None:
    paper = plan(tmp_path, STRIPE_SECRET_KEY="sk_test_0", STRIPE_WEBHOOK_SECRET_FILE="/run/secret")
    holders = {name for name in PROGRAMS if "STRIPE_SECRET_KEY" in paper.variables(name)}
    assert holders == {"api", "billing"}
    assert {name for name in PROGRAMS if "STRIPE_WEBHOOK_SECRET_FILE" in paper.variables(name)} == {"api"}


def test_a_given_variable_replaces_the_launchers_own_also_as_a_file(tmp_path: Path) -> None:
    paper = plan(tmp_path, SYNEUDP_AGENT_TOKEN_FILE="/run/token", SYNEUDP_SEALING_KEYS="other1:key")
    api = paper.variables("api")
    assert api["SYNEUDP_AGENT_TOKEN_FILE"] == "/run/token"
    assert "SYNEUDP_AGENT_TOKEN" not in api
    assert api["SYNEUDP_SEALING_KEYS"] == "other1:key"
    assert paper.variables("local-auth")["SYNEUDP_SEALING_KEYS"] != "other1:key"


def test_a_given_admin_credential_reaches_the_agent_alone(tmp_path: Path) -> None:
    paper = plan(tmp_path, SYNEUDP_POSTGRESQL_ADMIN_URL="postgresql://a:b@127.0.0.1/postgres")
    given = {program for program in PROGRAMS if "a:b@" in str(paper.variables(program))}
    assert given == {"agent", "prepare"}


def test_a_moved_agent_is_found_by_the_control_plane(tmp_path: Path) -> None:
    hosts = json.loads(plan(tmp_path, SYNEUDP_AGENT_BIND="127.0.0.1:8200").variables("api")["SYNEUDP_AGENT_HOSTS"])
    assert {host["agent_url"] for host in hosts} == {"http://127.0.0.1:8200"}


def test_the_operators_variables_can_be_read_by_a_shell(tmp_path: Path) -> None:
    paper = plan(tmp_path)
    (tmp_path / "operator.env").write_text(paper.operator_variables())
    script = f'. {tmp_path}/operator.env; printf %s "$SYNEUDP_DATABASE_URL"'
    told = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert told == paper.variables("api")["SYNEUDP_DATABASE_URL"]
