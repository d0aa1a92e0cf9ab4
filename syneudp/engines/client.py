"""The control plane's side of the agent's wire: one session, a total timeout, no address in any error."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Literal, Self, TypeVar
from uuid import UUID

import aiohttp
import stamina
from pydantic import BaseModel, ValidationError

from syneudp.engines.contract import (
    PAGE_LIMIT_MAX,
    Applied,
    CreateDatabase,
    DatabaseReport,
    DatabaseReports,
    Desired,
    Engine,
    HostReport,
    UsageReport,
)
from syneudp.kernel.logging import log

AgentVerb = Literal["create", "suspend", "resume", "rotate", "terminate"]
Answer = TypeVar("Answer", bound=BaseModel)

READ_TIMEOUT_SECONDS: Final = 20.0
READ_ATTEMPTS: Final = 3
CONNECTIONS_PER_HOST: Final = 32
HTTP_BAD_REQUEST: Final = 400
HTTP_CONFLICT: Final = 409
HTTP_SERVER_ERROR: Final = 500
STALE_CODE: Final = "generation_stale"
SET_UP_STATUSES: Final = frozenset({401, 403, 405, 408, 421, 425, 429})


class AgentError(Exception):
    """An agent's call did not end in success; no text of it carries an address or a token."""


class AgentUnavailableError(AgentError):
    """No answer that says anything about the instance: timeout, refused connection, 5xx, a refused token.

    `code` is the agent's own where it gave one (`engine_unavailable` when its engine is down), else empty. Whether
    the call had an effect is unknown, unless `never_sent` says that no connection came about; `engines` tells which
    engines answered, where the agent said so.
    """

    def __init__(
        self, code: str = "", *, never_sent: bool = False, engines: Mapping[Engine, bool] | None = None
    ) -> None:
        self.code = code
        self.never_sent = never_sent
        self.engines = dict(engines or {})
        super().__init__(f"the agent is unavailable ({code or 'no answer'})")

    @property
    def engine_is_down(self) -> bool:
        """Tell whether the agent itself answered that its engine cannot be reached."""
        return self.code == "engine_unavailable"


class AgentRefusedError(AgentError):
    """The agent will not do it however often it is asked (4xx)."""

    def __init__(self, status: int, code: str) -> None:
        self.status = status
        self.code = code
        super().__init__(f"the agent refused with {status} {code}")


class GenerationStaleError(AgentError):
    """The agent accepted a newer generation than the one sent; `applied` is its report, where it gave one."""

    def __init__(self, applied: DatabaseReport | None) -> None:
        self.applied = applied
        super().__init__("the agent knows a newer generation")


class AgentClient:
    """Calls agents over HTTP with the shared token. An async context manager around one session."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers={"X-Agent-Token": self._token},
            connector=aiohttp.TCPConnector(limit=0, limit_per_host=CONNECTIONS_PER_HOST),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def apply(
        self,
        *,
        agent_url: str,
        engine: Engine,
        verb: AgentVerb,
        instance_id: UUID,
        desired: Desired,
        timeout_seconds: float,
    ) -> Applied:
        """Send an instance's whole desired state once and answer what the engine is in.

        Never repeated here: a repetition must read the desired state again. Raises AgentUnavailableError,
        AgentRefusedError, GenerationStaleError.
        """
        content = desired.model_dump(mode="json")
        path = f"/v1/{engine.value}/databases"
        method = "POST"
        if verb == "create":
            content = CreateDatabase(instance_id=instance_id, **desired.model_dump()).model_dump(mode="json")
        elif verb == "terminate":
            method, path = "DELETE", f"{path}/{instance_id}"
        else:
            path = f"{path}/{instance_id}/{verb}"
        body = await self._call(method, agent_url, path, timeout_seconds=timeout_seconds, content=content)
        return _parsed(Applied, body)

    async def reports(
        self, *, agent_url: str, engine: Engine, cursor: str | None = None, limit: int = PAGE_LIMIT_MAX
    ) -> DatabaseReports:
        """Read one page of registry and engine compared, ordered by instance id. Raises AgentError."""
        query = {"limit": str(limit), **({} if cursor is None else {"cursor": cursor})}
        return _parsed(DatabaseReports, await self._read(agent_url, f"/v1/{engine.value}/databases", query))

    async def usage(self, *, agent_url: str, engine: Engine) -> UsageReport:
        """Read what every instance of an engine uses now. Raises AgentError."""
        return _parsed(UsageReport, await self._read(agent_url, f"/v1/{engine.value}/usage", {}))

    async def host(self, *, agent_url: str) -> HostReport:
        """Read which engines the agent serves. Raises AgentError."""
        return _parsed(HostReport, await self._read(agent_url, "/v1/host", {}))

    async def health(self, *, agent_url: str, timeout_seconds: float) -> dict[Engine, bool]:
        """Ask once which of its engines the agent reaches right now. Raises AgentError where the agent is away."""
        try:
            body = await self._call("GET", agent_url, "/v1/health", timeout_seconds=timeout_seconds)
        except AgentUnavailableError as unavailable:
            if not unavailable.engines:
                raise
            return unavailable.engines
        return _engines(_object(body).get("engines"))

    async def _read(self, agent_url: str, path: str, query: dict[str, str]) -> bytes:
        attempts = stamina.retry_context(on=AgentUnavailableError, attempts=READ_ATTEMPTS, wait_initial=0.1, timeout=60)
        async for attempt in attempts:
            with attempt:
                return await self._call("GET", agent_url, path, timeout_seconds=READ_TIMEOUT_SECONDS, query=query)
        raise AgentUnavailableError

    async def _call(
        self,
        method: str,
        agent_url: str,
        path: str,
        *,
        timeout_seconds: float,
        content: dict[str, Any] | None = None,
        query: dict[str, str] | None = None,
    ) -> bytes:
        if self._session is None:
            raise RuntimeError("the agent client is not open")
        async with (
            _without_address(),
            self._session.request(
                method,
                agent_url.rstrip("/") + path,
                json=content,
                params=query,
                timeout=aiohttp.ClientTimeout(total=timeout_seconds),
                allow_redirects=False,
            ) as response,
        ):
            body = await response.read()
            status = response.status
        if status >= HTTP_BAD_REQUEST:
            raise _refusal(status, body)
        return body


@asynccontextmanager
async def _without_address() -> AsyncIterator[None]:
    try:
        yield
    except (aiohttp.ClientError, TimeoutError, OSError) as failure:
        log.debug("agent_call_failed", failure=type(failure).__name__)
        raise AgentUnavailableError(never_sent=isinstance(failure, aiohttp.ClientConnectorError)) from None


def _refusal(status: int, body: bytes) -> AgentError:
    problem = _object(body)
    code = str(problem.get("code", ""))[:64]
    if status >= HTTP_SERVER_ERROR:
        return AgentUnavailableError(code, engines=_engines(problem.get("engines")))
    if status in SET_UP_STATUSES:
        log.error("agent_refuses_this_control_plane", status=status, code=code)
        return AgentUnavailableError(code)
    if status == HTTP_CONFLICT and code == STALE_CODE:
        return GenerationStaleError(_report(problem.get("applied")))
    return AgentRefusedError(status, code or "refused")


def _object(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _engines(told: object) -> dict[Engine, bool]:
    answering = told if isinstance(told, dict) else {}
    return {engine: answering[engine.value] is True for engine in Engine if engine.value in answering}


def _report(told: object) -> DatabaseReport | None:
    try:
        return DatabaseReport.model_validate(told)
    except ValidationError:
        return None


def _parsed(model: type[Answer], body: bytes) -> Answer:
    try:
        return model.model_validate_json(body)
    except ValidationError:
        log.error("agent_answer_unreadable", expected=model.__name__)
        raise AgentUnavailableError("answer_unreadable") from None
