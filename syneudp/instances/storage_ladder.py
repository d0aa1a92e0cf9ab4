"""The storage ladder, without input or output: warn at 80 %, curb growth at 100 %, let go below 95 %."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from syneudp.engines.contract import Engine
from syneudp.instances.values import EventKind, Ladder, Rung

NEAR_PERCENT: Final = 80
EASED_PERCENT: Final = 75
FULL_PERCENT: Final = 100
FREED_PERCENT: Final = 95
GRACE_SECONDS: Final[Mapping[Engine, int]] = MappingProxyType({Engine.POSTGRESQL: 600, Engine.MYSQL: 0})
ROOM_SECONDS: Final = 3600
ROOM_EVERY_SECONDS: Final = 86_400


def rung_of(before: Rung, *, used_bytes: int, limit_bytes: int) -> Rung:
    """Tell the rung for what is used; the way down begins 5 % lower than the way up, so that nothing flaps."""
    hundredfold = used_bytes * 100
    if hundredfold >= (FREED_PERCENT if before is Rung.FULL else FULL_PERCENT) * limit_bytes:
        return Rung.FULL
    if hundredfold >= (NEAR_PERCENT if before is Rung.CLEAR else EASED_PERCENT) * limit_bytes:
        return Rung.NEAR
    return Rung.CLEAR


def climb(
    before: Ladder, *, engine: Engine, used_bytes: int, limit_bytes: int, running: bool, now: int
) -> tuple[Ladder, tuple[EventKind, ...]]:
    """Decide where an instance stands after a measurement, and which steps led there, in order.

    PostgreSQL cannot refuse writes by size, so it is warned and suspended ten minutes later; MySQL refuses them at
    once. Whoever uses the time to grow by as much again as the plan allows is curbed at that moment. What does not run
    cannot grow, and is never suspended for it.
    """
    rung = rung_of(before.rung, used_bytes=used_bytes, limit_bytes=limit_bytes)
    if rung is not Rung.FULL:
        return Ladder(rung=rung, room_at=before.room_at), _steps_below(before.rung, rung)
    after = before
    steps: tuple[EventKind, ...] = ()
    if before.rung is not Rung.FULL:
        after = replace(before, rung=rung, curb_at=now + GRACE_SECONDS[engine], ceiling_bytes=used_bytes + limit_bytes)
        steps = (EventKind.STORAGE_FULL,)
    if not after.curbed and (running or engine is Engine.MYSQL) and _is_due(after, used_bytes=used_bytes, now=now):
        after = replace(after, curbed=True, curb_at=None, ceiling_bytes=None)
        steps = (*steps, EventKind.STORAGE_CURBED)
    return after, steps


def room_from(ladder: Ladder) -> int:
    """Tell from which instant on (epoch seconds) the owner may be given an hour to make room; 0 for at once."""
    return 0 if ladder.room_at is None else ladder.room_at + ROOM_EVERY_SECONDS


def give_room(before: Ladder, *, used_bytes: int, limit_bytes: int, now: int) -> Ladder | None:
    """Let a curbed instance run and grow for an hour, in which its owner can make room; None less than a day after.

    It may grow by as much again as the plan allows meanwhile, since rebuilding a table needs its size once more.
    """
    if now < room_from(before):
        return None
    return replace(
        before, curbed=False, curb_at=now + ROOM_SECONDS, ceiling_bytes=used_bytes + limit_bytes, room_at=now
    )


def _is_due(ladder: Ladder, *, used_bytes: int, now: int) -> bool:
    if ladder.curb_at is None or ladder.ceiling_bytes is None:
        return True
    return now >= ladder.curb_at or used_bytes > ladder.ceiling_bytes


def _steps_below(before: Rung, after: Rung) -> tuple[EventKind, ...]:
    if before is Rung.FULL:
        return (EventKind.STORAGE_FREED,)
    if before is after:
        return ()
    return (EventKind.STORAGE_NEAR if after is Rung.NEAR else EventKind.STORAGE_EASED,)
