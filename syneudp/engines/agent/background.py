"""What the agent does to instances without being called: always for a while only, and always giving way to a call."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID

from syneudp.engines.agent.apply import end_outlived, redo
from syneudp.engines.agent.driver import Driver, Unfinished
from syneudp.engines.agent.errors import EngineBusyError, EngineUnavailableError
from syneudp.engines.agent.host import Host
from syneudp.engines.agent.turns import OvertakenError
from syneudp.engines.contract import Engine, State
from syneudp.kernel.logging import log

AT_ONCE: Final = 2
FIRST_PAUSE_SECONDS: Final = 10.0
LONGEST_PAUSE_SECONDS: Final = 300.0
REDO_CALLS: Final = {
    State.RUNNING: "redo_create",
    State.SUSPENDED: "redo_suspend",
    State.TERMINATED: "redo_terminate",
}
OLDER_THAN_ANY_CALL: Final = 0


@dataclass(frozen=True, slots=True)
class Failing:
    """How often in a row a generation could not be redone, and when (monotonic seconds) it is tried again."""

    generation: int
    failures: int
    due_at: float


class Background:
    """Finishes, AT_ONCE instances at a time, what was begun on one engine and is nobody's call any more.

    Each piece has the deadline of the call that it stands for, takes one of the engine's places like a call, and is
    cut off by a newer wish for its instance.
    """

    def __init__(self, host: Host, engine: Engine) -> None:
        self._host = host
        self._engine = engine
        self._failing: dict[UUID, Failing] = {}

    async def redo(self) -> None:
        """Carry out once what was accepted and not applied; nothing while the engine is away.

        What fails is tried again after 10 s, and then after twice as long each time, up to 300 s; `Host.failing` tells
        how many instances that are.
        """
        try:
            async with self._host.calling(self._engine, "pending") as driver:
                pending = await driver.pending()
        except (EngineUnavailableError, EngineBusyError):
            log.warning("engine_not_reached", engine=self._engine.value)
            return
        generations = {unfinished.instance_id: unfinished.generation for unfinished in pending}
        for instance_id, failing in list(self._failing.items()):
            if generations.get(instance_id) != failing.generation:
                self._forget(instance_id)
        await _each([partial(self._redo, unfinished) for unfinished in pending if self.is_due(unfinished.instance_id)])

    async def end_outlived(self) -> None:
        """End once every password that was kept beside a new one for a while that is over."""
        now = int(time.time())
        try:
            async with self._host.calling(self._engine, "pending") as driver:
                outlived = await driver.outlived(now)
        except (EngineUnavailableError, EngineBusyError):
            return
        await _each([partial(self._end_outlived, instance_id, now) for instance_id in outlived])

    async def _redo(self, unfinished: Unfinished) -> None:
        instance_id, generation = unfinished.instance_id, unfinished.generation
        try:
            async with self._working(instance_id, generation, REDO_CALLS[unfinished.state]) as driver:
                await redo(driver, unfinished)
        except OvertakenError:
            log.info("redo_overtaken", engine=self._engine.value, instance_id=str(instance_id))
        except (EngineUnavailableError, EngineBusyError):
            log.warning("redo_put_off", engine=self._engine.value, instance_id=str(instance_id))
            self._put_off(unfinished)
        except Exception:
            log.exception("redo_failed", engine=self._engine.value, instance_id=str(instance_id))
            self._put_off(unfinished)
        else:
            self._forget(instance_id)

    async def _end_outlived(self, instance_id: UUID, now: int) -> None:
        try:
            async with self._working(instance_id, OLDER_THAN_ANY_CALL, "redo_rotate") as driver:
                await end_outlived(driver, instance_id, now=now)
        except OvertakenError:
            log.info("password_end_overtaken", engine=self._engine.value, instance_id=str(instance_id))
        except (EngineUnavailableError, EngineBusyError):
            log.warning("password_end_put_off", engine=self._engine.value, instance_id=str(instance_id))

    @asynccontextmanager
    async def _working(self, instance_id: UUID, generation: int, call: str) -> AsyncIterator[Driver]:
        async with (
            self._host.turns.giving_way(self._engine, instance_id, generation=generation),
            self._host.calling(self._engine, call) as driver,
        ):
            yield driver

    def is_due(self, instance_id: UUID) -> bool:
        """Tell whether the next `redo` would try an instance, if it is unfinished."""
        failing = self._failing.get(instance_id)
        return failing is None or failing.due_at <= time.monotonic()

    def _put_off(self, unfinished: Unfinished) -> None:
        before = self._failing.get(unfinished.instance_id)
        failures = 1 if before is None else before.failures + 1
        pause_seconds = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** (failures - 1))
        due_at = time.monotonic() + pause_seconds
        self._failing[unfinished.instance_id] = Failing(unfinished.generation, failures, due_at)
        self._host.failing[self._engine] = len(self._failing)

    def _forget(self, instance_id: UUID) -> None:
        self._failing.pop(instance_id, None)
        self._host.failing[self._engine] = len(self._failing)


async def _each(pieces: Sequence[Callable[[], Awaitable[None]]]) -> None:
    places = asyncio.Semaphore(AT_ONCE)

    async def placed(piece: Callable[[], Awaitable[None]]) -> None:
        async with places:
            await piece()

    async with asyncio.TaskGroup() as working:
        for piece in pieces:
            working.create_task(placed(piece))
