import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import jwt
import pytest
import yaml

from entrypoints.compose_env import make_environment, make_signing_key
from syneudp.kernel.sealing import Keyring

ROOT = Path(__file__).parents[2]
REQUIRED = re.compile(r"\$\{([A-Z_]+):\?")
FILES = [ROOT / "docker-compose.yml", ROOT / "docker-compose.local-auth.yml"]


@pytest.fixture(scope="module")
def composed() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(FILES[0].read_text())
    return loaded


def make_env(path: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SYNEUDP_ENV_FILE": str(path)}
    command = [sys.executable, "-m", "entrypoints.compose_env"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_the_env_file_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    assert make_env(path).returncode == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_text()
    again = make_env(path)
    assert again.returncode == 0
    assert "left as it is" in again.stdout
    assert path.read_text() == before


def test_a_folder_that_is_not_there_is_told_in_a_sentence(tmp_path: Path) -> None:
    done = make_env(tmp_path / "missing" / ".env")
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_every_secret_the_compose_files_need_is_made_and_none_twice() -> None:
    needed = {name for path in FILES for name in REQUIRED.findall(path.read_text())}
    made = make_environment()
    assert needed <= set(made)
    secrets = [made[name] for name in needed]
    assert len(set(secrets)) == len(secrets)
    assert not {made[name] for name in needed} & {make_environment()[name] for name in needed}


def test_no_secret_stands_in_the_compose_files() -> None:
    for path in FILES:
        for line in path.read_text().splitlines():
            if re.search(r"(PASSWORD|SECRET|TOKEN|KEYS):", line):
                assert "${" in line, line


def test_the_signing_key_signs_what_its_public_half_verifies() -> None:
    (key,) = json.loads(make_signing_key())
    assert key["key_ops"] == ["sign", "verify"]
    token = jwt.encode({"sub": "someone"}, jwt.PyJWK(key), algorithm="ES256")
    public = jwt.PyJWK({name: told for name, told in key.items() if name not in {"d", "key_ops"}})
    assert jwt.decode(token, public, algorithms=["ES256"])["sub"] == "someone"


def test_the_sealing_keys_are_a_keyring() -> None:
    assert Keyring.parse(make_environment()["SYNEUDP_SEALING_KEYS"]).key_ids == ("local1",)


def test_the_agent_is_on_internal_networks_alone_and_publishes_nothing(composed: dict[str, Any]) -> None:
    agent = composed["services"]["agent"]
    assert "ports" not in agent
    assert all(composed["networks"][name]["internal"] for name in agent["networks"])


def test_only_the_console_auth_and_the_customers_engines_are_published(composed: dict[str, Any]) -> None:
    published = {name for name, service in composed["services"].items() if "ports" in service}
    assert published == {"api", "auth", "postgresql", "mysql"}


def test_the_images_are_those_the_design_names(composed: dict[str, Any]) -> None:
    images = {service["image"] for service in composed["services"].values()}
    assert images == {"syneudp", "postgres:17", "mysql:8.4", "supabase/gotrue:v2.186.0"}


@pytest.mark.parametrize("service", ["api", "billing", "auth", "migrate", "seed"])
def test_the_control_plane_holds_no_admin_credential(composed: dict[str, Any], service: str) -> None:
    told = json.dumps(composed["services"][service])
    for name in (
        "POSTGRESQL_SUPERUSER_PASSWORD",
        "POSTGRESQL_AGENT_PASSWORD",
        "MYSQL_ROOT_PASSWORD",
        "MYSQL_AGENT_PASSWORD",
    ):
        assert name not in told


def test_the_agent_never_sees_the_control_database(composed: dict[str, Any]) -> None:
    told = json.dumps(composed["services"]["agent"])
    assert "CONTROL_" not in told
    assert "SEALING" not in told
    assert "control" not in composed["services"]["agent"]["networks"]


def test_long_running_services_have_a_health_check(composed: dict[str, Any]) -> None:
    for name, service in composed["services"].items():
        assert ("healthcheck" in service) is (service.get("restart") == "unless-stopped"), name
