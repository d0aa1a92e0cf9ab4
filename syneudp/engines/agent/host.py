"""The engines of one host, and how long a call to one of them may take."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Final

from syneudp.engines.agent.driver import Driver
from syneudp.engines.agent.errors import EngineNotServedError, EngineUnavailableError
from syneudp.engines.agent.lanes import Lanes
from syneudp.engines.agent.metrics import AgentMetrics
from syneudp.engines.agent.served import ServedEngine
from syneudp.engines.agent.turns import Turns
from syneudp.engines.contract import Engine
from syneudp.kernel.errors import ProblemError

DEADLINES_SECONDS: Final = {
    "create": 30.0,
    "suspend": 15.0,
    "resume": 15.0,
    "rotate": 15.0,
    "terminate": 60.0,
    "report": 10.0,
    "reports": 30.0,
    "usage": 30.0,
    "host": 10.0,
    "pending": 10.0,
    "probe": 5.0,
    "redo_create": 30.0,
    "redo_suspend": 15.0,
    "redo_rotate": 15.0,
    "redo_terminate": 60.0,
}
READS: Final = frozenset({"report", "reports", "usage", "host", "pending"})
CUT_OFF_STATUS: Final = 499


class Host:
    """What the agent's handlers share: engines by name, who works on them in which order, and metrics.

    `failing` counts, by engine, the instances whose accepted state could not be brought about by the last try.
    """

    def __init__(self, engines: Iterable[ServedEngine]) -> None:
        self.engines = {served.engine: served for served in engines}
        self.failing = dict.fromkeys(self.engines, 0)
        self.lanes = {engine: Lanes() for engine in self.engines}
        self.turns = Turns()
        self.metrics = AgentMetrics()

    def served(self, engine: Engine) -> ServedEngine:
        """Find an engine by name. Raises EngineNotServedError."""
        if engine not in self.engines:
            raise EngineNotServedError
        return self.engines[engine]

    @asynccontextmanager
    async def calling(self, engine: Engine, call: str) -> AsyncIterator[Driver]:
        """Lend the engine's driver to one call, counted, and cut off at its deadline.

        A changing call that is cut off leaves its intent in the registry, to be redone. Raises EngineNotServedError,
        EngineUnavailableError and EngineBusyError.
        """
        began = time.monotonic()
        status = ProblemError.status
        try:
            driver = self.served(engine).driver
            async with (
                asyncio.timeout(DEADLINES_SECONDS[call]),
                self.lanes[engine].of(changes=call not in READS).place(),
            ):
                yield driver
            status = 200
        except asyncio.CancelledError:
            status = CUT_OFF_STATUS
            raise
        except TimeoutError:
            status = EngineUnavailableError.status
            raise EngineUnavailableError from None
        except ProblemError as problem:
            status = problem.status
            raise
        finally:
            self.metrics.calls.labels(engine.value, call, str(status)).inc()
            self.metrics.seconds.labels(engine.value, call).observe(time.monotonic() - began)
