"""The compose stack of one test run: its own project name, ports and secrets, gone without a trace afterwards."""

import json
import os
import subprocess
from pathlib import Path
from typing import Final

from entrypoints.compose_env import make_environment
from entrypoints.embedded import free_port

ROOT: Final = Path(__file__).parents[2]
FILES: Final = ("docker-compose.yml", "docker-compose.local-auth.yml")
BUILD_SECONDS: Final = 900
START_SECONDS: Final = 240
LONG_RUNNING: Final = ("agent", "api", "auth", "billing", "control-database", "mysql", "postgresql")
RUNWAY_SECONDS = 20


class ComposeStack:
    def __init__(self, folder: Path) -> None:
        self.project = f"syneudp-test-{os.getpid()}"
        self.secrets = make_environment()
        self.ports = {name: free_port() for name in ("CONSOLE", "AUTH", "POSTGRESQL", "MYSQL")}
        self.console = f"http://127.0.0.1:{self.ports['CONSOLE']}"
        self.auth = f"http://127.0.0.1:{self.ports['AUTH']}"
        self._env_file = folder / "compose.env"
        self._env_file.touch(mode=0o600)
        told = {
            **self.secrets,
            **{f"SYNEUDP_{name}_PORT": str(port) for name, port in self.ports.items()},
            "SYNEUDP_PUBLIC_URL": self.console,
            "SUPABASE_AUTH_PUBLIC_URL": self.auth,
            "SYNEUDP_MINIMUM_RUNWAY_SECONDS": str(RUNWAY_SECONDS),
        }
        self._env_file.write_text("".join(f"{name}='{text}'\n" for name, text in told.items()), encoding="utf-8")

    def compose(self, *arguments: str, seconds: float = 120, check: bool = True) -> subprocess.CompletedProcess[str]:
        files = [part for name in FILES for part in ("--file", str(ROOT / name))]
        command = ["docker", "compose", "--project-name", self.project, "--env-file", str(self._env_file), *files]
        done = subprocess.run(
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            env={**os.environ, **builder()},
        )
        assert not check or done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}\n{self.logs()}"
        return done

    def logs(self) -> str:
        files = [part for name in FILES for part in ("--file", str(ROOT / name))]
        command = ["docker", "compose", "--project-name", self.project, "--env-file", str(self._env_file), *files]
        done = subprocess.run(
            [*command, "logs", "--no-color", "--tail", "30"], capture_output=True, text=True, timeout=60, check=False
        )
        return done.stdout

    def start(self) -> None:
        self.compose("build", "--quiet", "api", seconds=BUILD_SECONDS)
        self.compose(
            "up", "--detach", "--no-build", "--wait", "--wait-timeout", str(START_SECONDS), seconds=BUILD_SECONDS
        )

    def remove(self) -> None:
        self.compose("down", "--volumes", "--timeout", "10", "--remove-orphans", seconds=180)

    def run_python(self, service: str, source: str) -> subprocess.CompletedProcess[str]:
        return self.compose("exec", "--no-TTY", service, "python", "-c", source, check=False)

    def inspect(self, service: str) -> dict[str, object]:
        container = self.compose("ps", "--quiet", service).stdout.strip()
        told = docker("inspect", container)
        found: dict[str, object] = json.loads(told)[0]
        return found

    def left(self) -> str:
        label = f"label=com.docker.compose.project={self.project}"
        return docker("ps", "--all", "--quiet", "--filter", label) + docker(
            "volume", "ls", "--quiet", "--filter", label
        )


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def builder() -> dict[str, str]:
    has_buildx = subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False).returncode == 0
    return {} if has_buildx else {"DOCKER_BUILDKIT": "0"}
