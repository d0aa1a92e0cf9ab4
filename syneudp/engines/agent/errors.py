"""The agent's refusals."""

from collections.abc import Sequence

from syneudp.engines.contract import DatabaseReport
from syneudp.kernel.errors import ProblemError


class AgentTokenInvalidError(ProblemError):
    """The X-Agent-Token header is missing or wrong; the answer is the same for both."""

    status = 401
    code = "agent_token_invalid"
    title = "Agent token invalid"
    sentence = "This request carries no valid agent token."


class PeerRefusedError(ProblemError):
    """The peer's address lies outside the internal ranges."""

    status = 403
    code = "peer_refused"
    title = "Peer refused"
    sentence = "The agent answers internal addresses only."


class EngineNotServedError(ProblemError):
    """The host serves no engine of that name."""

    status = 404
    code = "engine_not_served"
    title = "Engine not served"
    sentence = "This host does not serve that engine."


class DatabaseUnknownError(ProblemError):
    """A verb other than create or delete named an instance this host never heard of."""

    status = 404
    code = "database_unknown"
    title = "Database unknown"
    sentence = "This host has no such database."


class DatabaseMissingError(ProblemError):
    """The registry knows the database as made, but the engine has lost it or its user."""

    status = 409
    code = "database_missing"
    title = "Database missing"
    sentence = "The engine has lost this database or its user; an operator must decide."


class DatabaseTerminatedError(ProblemError):
    """A tombstone cannot be raised."""

    status = 409
    code = "database_terminated"
    title = "Database terminated"
    sentence = "This database was terminated and cannot come back."


class GenerationStaleError(ProblemError):
    """An older generation than the accepted one was sent; `applied` in the answer is the instance's report."""

    status = 409
    code = "generation_stale"
    title = "Generation stale"
    sentence = "A newer desired state was already accepted."

    def __init__(self, applied: DatabaseReport | None = None) -> None:
        """Carry the report, when there is one, as the problem's extension `applied`."""
        super().__init__(extensions={} if applied is None else {"applied": applied.model_dump(mode="json")})


class GenerationConflictError(ProblemError):
    """The accepted generation was sent again with another state or credential version."""

    status = 409
    code = "generation_conflict"
    title = "Generation conflict"
    sentence = "This generation was already accepted with another desired state."


class EngineUnavailableError(ProblemError):
    """The engine cannot be reached, or did not finish before the call's deadline."""

    status = 503
    code = "engine_unavailable"
    title = "Engine unavailable"
    sentence = "The engine does not answer; try again."


class FencedError(EngineUnavailableError):
    """Somebody who did not share this lock wrote a newer generation meanwhile: the registry row decides."""


class EngineBusyError(ProblemError):
    """More calls wait for the engine than it may keep waiting."""

    status = 503
    code = "engine_busy"
    title = "Engine busy"
    sentence = "Too many calls wait for this engine; try again."

    def __init__(self) -> None:
        """Ask for a pause of a second."""
        super().__init__(headers={"Retry-After": "1"})


class HostRefusedError(ProblemError):
    """The Host header names something the agent is not (RFC 9110, 421)."""

    status = 421
    code = "host_refused"
    title = "Misdirected request"
    sentence = "This agent is not the host that the request names."


class EngineUnsupportedError(Exception):
    """The server is of a flavour or version the agent does not support. Ends the agent at start."""


class EngineUnpreparedError(Exception):
    """The server lacks effects of `syneudp engines prepare`. Ends the agent at start."""

    def __init__(self, faults: Sequence[str]) -> None:
        """Keep every fault; the text lists them all."""
        super().__init__("the engine is not prepared: " + "; ".join(faults))
        self.faults = tuple(faults)


class EngineLoginRefusedError(EngineUnpreparedError):
    """The server refuses the agent's login: it was never prepared, or it is just restarting or being restored."""

    def __init__(self) -> None:
        """Say what may lack."""
        super().__init__(["the server has no registry database, or refuses the agent's login or its network"])
