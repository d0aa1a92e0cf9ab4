"""Who gives way to whom among the calls of one agent: a suspend under way gives way to whatever is newer.

A suspend ends when no session is left, and a session may take its time to end (a long rollback, a stopped process).
What the control plane wants by then must not wait for that, so the older call is cut off where it stands and told that
it is stale; its lock goes with it, and the newer call carries on from whatever the engine is in.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from syneudp.engines.contract import Desired, Engine, State

GIVING_WAY: Final = frozenset({State.SUSPENDED})


class OvertakenError(Exception):
    """A newer desired state arrived while this one was being applied."""


@dataclass(eq=False, slots=True)
class Turn:
    """One call under way."""

    generation: int
    gives_way: bool
    task: "asyncio.Task[object]"
    overtaken: bool = False

    def give_way(self) -> None:
        """Cut the call off, once."""
        if not self.overtaken:
            self.overtaken = True
            self.task.cancel()


class Turns:
    """The changing calls of one agent, by engine and instance."""

    def __init__(self) -> None:
        self._under_way: dict[tuple[Engine, UUID], list[Turn]] = {}

    @asynccontextmanager
    async def taking(self, engine: Engine, instance_id: UUID, desired: Desired) -> AsyncIterator[None]:
        """Let older calls that give way do so, and raise OvertakenError where this one has to."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a turn is taken inside a task")
        turn = Turn(generation=desired.generation, gives_way=desired.state in GIVING_WAY, task=task)
        others = self._under_way.setdefault((engine, instance_id), [])
        if turn.gives_way and any(other.generation > turn.generation for other in others):
            raise OvertakenError
        for other in others:
            if other.gives_way and other.generation < turn.generation:
                other.give_way()
        others.append(turn)
        try:
            yield
        except asyncio.CancelledError:
            if turn.overtaken and task.uncancel() == 0:
                raise OvertakenError from None
            raise
        finally:
            others.remove(turn)
            if not others:
                self._under_way.pop((engine, instance_id), None)
