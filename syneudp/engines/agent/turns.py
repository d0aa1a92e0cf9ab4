"""Who gives way to whom among the calls of one agent: a suspend under way gives way to whatever is newer.

A suspend ends when no session is left, and a session may take its time to end (a long rollback, a stopped process).
What the control plane wants by then must not wait for that, so the older call is cut off where it stands and told that
it is stale; its lock goes with it, and the newer call carries on from whatever the engine is in. What the agent does
without being called gives way the same, whatever it is.
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
    """One call, or one piece of background work, under way."""

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
    """Who changes which instance of one agent just now, by engine and instance."""

    def __init__(self) -> None:
        self._under_way: dict[tuple[Engine, UUID], list[Turn]] = {}

    @asynccontextmanager
    async def taking(self, engine: Engine, instance_id: UUID, desired: Desired) -> AsyncIterator[None]:
        """Let older calls that give way do so, and raise OvertakenError where this one has to."""
        turn = _turn(desired.generation, gives_way=desired.state in GIVING_WAY)
        others = self._under_way.get((engine, instance_id), [])
        if turn.gives_way and any(other.generation > turn.generation for other in others):
            raise OvertakenError
        for other in others:
            if other.gives_way and other.generation < turn.generation:
                other.give_way()
        async with self._held(engine, instance_id, turn):
            yield

    @asynccontextmanager
    async def giving_way(self, engine: Engine, instance_id: UUID, *, generation: int) -> AsyncIterator[None]:
        """Work on an instance unasked until a newer call comes; OvertakenError then, and where any call is there."""
        if (engine, instance_id) in self._under_way:
            raise OvertakenError
        async with self._held(engine, instance_id, _turn(generation, gives_way=True)):
            yield

    @asynccontextmanager
    async def _held(self, engine: Engine, instance_id: UUID, turn: Turn) -> AsyncIterator[None]:
        turns = self._under_way.setdefault((engine, instance_id), [])
        turns.append(turn)
        try:
            yield
        except asyncio.CancelledError:
            if turn.overtaken and turn.task.uncancel() == 0:
                raise OvertakenError from None
            raise
        finally:
            turns.remove(turn)
            if not turns:
                self._under_way.pop((engine, instance_id), None)


def _turn(generation: int, *, gives_way: bool) -> Turn:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a turn is taken inside a task")
    return Turn(generation=generation, gives_way=gives_way, task=task)
