"""The development launcher behind ``make up``: the whole platform on loopback, each part a process of its own."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Final

import aiohttp
import asyncpg

from entrypoints.embedded import EmbeddedEngineError
from entrypoints.local_engines import LocalEngines
from entrypoints.local_leftovers import Census, children_of
from entrypoints.local_plan import LocalPlan, launcher_environment, state_folder
from entrypoints.local_processes import RoleProcess, python_command, run_once
from entrypoints.local_state import Secrets, locked, make_private_folder, make_state_folder, write_private
from entrypoints.local_terminal import LaunchError, say, step

ROLE_READY_WITHIN_SECONDS: Final = 60.0
PROBE_SECONDS: Final = 2.0
FAILED_STATUS: Final = 1

Probe = Callable[[], Awaitable[bool]]


def refuse_busy_ports(plan: LocalPlan) -> None:
    """Raise LaunchError, naming the port and what wanted it, where something else listens on one."""
    for name, (host, port) in plan.listeners().items():
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                raise LaunchError(
                    f"Port {port} on {host}, wanted for {name}, cannot be used: {error.strerror}. "
                    "Stop what listens there, or shift all ports, as in: PORT_OFFSET=1000 make up"
                ) from error


async def answers(url: str, *, headers: dict[str, str] | None = None) -> bool:
    """Say whether a GET is answered with 200 within two seconds."""
    timeout = aiohttp.ClientTimeout(total=PROBE_SECONDS)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url, headers=headers) as answer:
            return answer.status == HTTPStatus.OK
    except (aiohttp.ClientError, TimeoutError):
        return False


async def is_connected(superuser_url: str, application_name: str) -> bool:
    """Say whether a program of that name holds a connection to the control database."""
    try:
        connection = await asyncpg.connect(superuser_url, timeout=PROBE_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError):
        return False
    try:
        sql = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = $1)"
        return bool(await connection.fetchval(sql, application_name))
    finally:
        await connection.close()


class LocalStack:
    """Everything one launcher runs, in the order it is started; it is stopped in the reverse order."""

    def __init__(self, plan: LocalPlan, engines: LocalEngines, census: Census) -> None:
        self._plan = plan
        self._engines = engines
        self._census = census
        self._logs = plan.state / "logs"
        self._roles: list[RoleProcess] = []

    @property
    def mysql_title(self) -> str:
        """Name the server behind the engine `mysql`."""
        return self._engines.mysql_title

    async def start(self) -> None:
        """Start everything and wait until all of it is ready; raises LaunchError or EmbeddedEngineError."""
        make_private_folder(self._logs)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._start_control_plane_ground())
            group.create_task(self._start_service_plane_ground())
        async with step("Starting auth, agent, billing and api", "auth, agent, billing and api"):
            token = {"X-Agent-Token": self._plan.agent_token}
            control = self._engines.control.superuser_url()
            agent = f"http://{self._plan.agent_bind}/v1/health"
            probes: dict[str, Probe] = {
                "local-auth": partial(answers, f"{self._plan.auth_url}/health"),
                "agent": partial(answers, agent, headers=token),
                "billing": partial(is_connected, control, "syneudp-billing"),
                "api": partial(answers, f"http://{self._plan.api_bind}/readyz"),
            }
            async with asyncio.TaskGroup() as group:
                for name, ready in probes.items():
                    role = self._role(name, ready)
                    self._roles.append(role)
                    group.create_task(role.start(patience_seconds=ROLE_READY_WITHIN_SECONDS))
        self._record()

    async def keep_up(self) -> None:
        """Keep the roles up for good; raises LaunchError where a server ends or a role refuses its settings."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._engines.watch())
            for role in self._roles:
                group.create_task(role.keep_up(started=self._record))

    async def stop(self) -> None:
        """Stop the roles, the api first, and then the servers."""
        for role in reversed(self._roles):
            await role.stop()
        await self._engines.stop()
        self._census.clear()

    def _record(self) -> None:
        self._census.record(children_of(os.getpid()))

    async def _start_control_plane_ground(self) -> None:
        await self._engines.start_control()
        self._record()
        async with step("Migrating the control database", "Control database migrated"):
            await self._command("migrate", "migrate")
        async with step("Seeding plans and hosts", "Plans and hosts"):
            await self._command("seed", "seed")

    async def _start_service_plane_ground(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._engines.start_postgresql())
            group.create_task(self._engines.start_mysql())
        self._record()
        async with step("Preparing the engines", "Engines prepared"):
            await self._command("prepare", "engines", "prepare")

    async def _command(self, program: str, *arguments: str) -> None:
        log = self._logs / f"{program}.log"
        name = "syneudp " + " ".join(arguments)
        await run_once(name, python_command(*arguments), self._plan.variables(program), log)

    def _role(self, name: str, ready: Probe) -> RoleProcess:
        arguments = ["local-auth"] if name == "local-auth" else ["--role", name]
        return RoleProcess(
            name=f"The {name} process",
            arguments=python_command(*arguments),
            environment=self._plan.variables(name),
            log=self._logs / f"{name}.log",
            ready=ready,
        )


def welcome(plan: LocalPlan, *, mysql_title: str, took_seconds: float) -> None:
    """Say where everything is and how to sign in."""
    ports = plan.ports
    say("")
    say(f"SyneUDP is up ({took_seconds:.1f} s).")
    say(f"  Console     {plan.api_url}")
    say("  Sign in     create an account there: any e-mail address, any password; no mail is sent")
    say(f"  API         {plan.api_url}/docs")
    say(f"  Databases   PostgreSQL 127.0.0.1:{ports.postgresql}, {mysql_title} 127.0.0.1:{ports.mysql}")
    say(f"  Logs        {_short(plan.state / 'logs')}")
    say(f"  Operator    . {_short(plan.state / 'operator.env')}; .venv/bin/syneudp ledger audit")
    say(f"Ctrl-C stops everything; the data stays in {_short(plan.state)}.")


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def first_sentence(errors: BaseExceptionGroup) -> str | None:
    """Return the sentence of the first fault meant for a person in a group of errors, or None."""
    for error in errors.exceptions:
        if isinstance(error, BaseExceptionGroup):
            inner = first_sentence(error)
            if inner is not None:
                return inner
        elif isinstance(error, LaunchError | EmbeddedEngineError):
            return str(error)
    return None


async def _launch(stack: LocalStack, plan: LocalPlan, began: float) -> None:
    await stack.start()
    write_private(plan.state / "operator.env", plan.operator_variables())
    welcome(plan, mysql_title=stack.mysql_title, took_seconds=time.monotonic() - began)
    await stack.keep_up()


async def _until_stopped(launch: asyncio.Task[None], stopping: asyncio.Event) -> None:
    asked = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait([launch, asked], return_when=asyncio.FIRST_COMPLETED)
        if launch.done():
            launch.result()
            return
        say("")
        say("Stopping everything.")
        launch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await launch
    finally:
        asked.cancel()


async def _hold(stopping: asyncio.Event) -> None:
    began = time.monotonic()
    environment = launcher_environment()
    state = state_folder(environment)
    make_state_folder(state)
    with locked(state):
        plan = LocalPlan(state=state, keep=Secrets(state), environment=environment)
        census = Census(state)
        await census.outlive()
        refuse_busy_ports(plan)
        say("Starting SyneUDP on this machine.")
        stack = LocalStack(plan, LocalEngines(plan, environment), census)
        launch = asyncio.create_task(_launch(stack, plan, began))
        try:
            await _until_stopped(launch, stopping)
        finally:
            await stack.stop()
            say("Everything has stopped.")


async def run(stopping: asyncio.Event) -> None:
    """Start the stack, keep it up until told to stop, and stop all of it.

    Ends the process with status 1 and one plain sentence where the stack cannot start or cannot go on.
    """
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, stopping.set)
    try:
        await _hold(stopping)
    except (LaunchError, EmbeddedEngineError) as error:
        say(str(error))
        sys.exit(FAILED_STATUS)
    except BaseExceptionGroup as errors:
        sentence = first_sentence(errors)
        if sentence is None:
            raise
        say(sentence)
        sys.exit(FAILED_STATUS)
