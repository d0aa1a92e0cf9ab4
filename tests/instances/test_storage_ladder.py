import pytest
from hypothesis import given
from hypothesis import strategies as st

from syneudp.engines.contract import Engine
from syneudp.instances import EventKind, Ladder, Rung
from syneudp.instances.storage_ladder import (
    GRACE_SECONDS,
    ROOM_EVERY_SECONDS,
    ROOM_SECONDS,
    climb,
    give_room,
    room_from,
    rung_of,
)

NOW = 1_900_000_000
LIMIT = 1000
PG, MY = Engine.POSTGRESQL, Engine.MYSQL


def step(
    before: Ladder, used: int, *, engine: Engine = PG, running: bool = True, now: int = NOW, limit: int = LIMIT
) -> tuple[Ladder, tuple[EventKind, ...]]:
    return climb(before, engine=engine, used_bytes=used, limit_bytes=limit, running=running, now=now)


@pytest.mark.parametrize(
    ("before", "used", "after"),
    [
        (Rung.CLEAR, 799, Rung.CLEAR),
        (Rung.CLEAR, 800, Rung.NEAR),
        (Rung.NEAR, 750, Rung.NEAR),
        (Rung.NEAR, 749, Rung.CLEAR),
        (Rung.NEAR, 999, Rung.NEAR),
        (Rung.CLEAR, 1000, Rung.FULL),
        (Rung.FULL, 950, Rung.FULL),
        (Rung.FULL, 949, Rung.NEAR),
        (Rung.FULL, 749, Rung.CLEAR),
    ],
)
def test_a_rung_is_reached_and_left_at_its_own_percentage(before: Rung, used: int, after: Rung) -> None:
    assert rung_of(before, used_bytes=used, limit_bytes=LIMIT) is after


def test_on_mysql_writes_are_refused_in_the_moment_it_is_full_and_given_back_below_95_percent() -> None:
    full, steps = step(Ladder(), 1000, engine=MY)
    assert (full.curbed, full.curb_at, steps) == (True, None, (EventKind.STORAGE_FULL, EventKind.STORAGE_CURBED))
    assert step(full, 5000, engine=MY) == (full, ())
    assert step(full, 950, engine=MY) == (full, ())
    freed, steps = step(full, 949, engine=MY)
    assert (freed, steps) == (Ladder(rung=Rung.NEAR), (EventKind.STORAGE_FREED,))


def test_on_postgresql_ten_minutes_pass_before_it_is_suspended() -> None:
    near, steps = step(Ladder(), 800)
    assert (near.rung, steps) == (Rung.NEAR, (EventKind.STORAGE_NEAR,))
    warned, steps = step(near, 1000)
    assert (warned.curbed, warned.curb_at, steps) == (False, NOW + 600, (EventKind.STORAGE_FULL,))
    assert step(warned, 1100, now=NOW + 599) == (warned, ())
    held, steps = step(warned, 1100, now=NOW + 600)
    assert (held.curbed, held.curb_at, steps) == (True, None, (EventKind.STORAGE_CURBED,))
    assert step(held, 1100, running=False, now=NOW + 9000) == (held, ())
    assert step(held, 1100, running=False, limit=4000, now=NOW + 9000) == (Ladder(), (EventKind.STORAGE_FREED,))


def test_growing_by_as_much_again_ends_the_grace_at_once() -> None:
    warned, _ = step(Ladder(), 1000)
    assert step(warned, 2000)[1] == ()
    assert step(warned, 2001)[1] == (EventKind.STORAGE_CURBED,)


def test_what_does_not_run_is_not_suspended_for_its_storage() -> None:
    warned, _ = step(Ladder(), 1000, running=False)
    assert step(warned, 1000, running=False, now=NOW + 9000) == (warned, ())
    assert step(warned, 1000, now=NOW + 9000)[1] == (EventKind.STORAGE_CURBED,)


@pytest.mark.parametrize("engine", list(Engine))
def test_an_owner_gets_an_hour_to_make_room_once_a_day(engine: Engine) -> None:
    warned, _ = step(Ladder(), 1200, engine=engine)
    curbed, _ = step(warned, 1200, engine=engine, now=NOW + GRACE_SECONDS[engine])
    assert room_from(curbed) == 0
    roomy = give_room(curbed, used_bytes=1200, limit_bytes=LIMIT, now=NOW)
    assert roomy is not None
    assert (roomy.curbed, roomy.curb_at, roomy.ceiling_bytes) == (False, NOW + ROOM_SECONDS, 2200)
    assert step(roomy, 2200, engine=engine, now=NOW + ROOM_SECONDS - 1) == (roomy, ())
    again, steps = step(roomy, 1200, engine=engine, now=NOW + ROOM_SECONDS)
    assert (again.curbed, steps) == (True, (EventKind.STORAGE_CURBED,))
    assert give_room(again, used_bytes=1200, limit_bytes=LIMIT, now=NOW + ROOM_EVERY_SECONDS - 1) is None
    assert give_room(again, used_bytes=1200, limit_bytes=LIMIT, now=NOW + ROOM_EVERY_SECONDS) is not None
    freed, _ = step(roomy, 100, engine=engine)
    assert room_from(freed) == NOW + ROOM_EVERY_SECONDS


@given(
    sizes=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 2000), st.booleans()), max_size=40),
    engine=st.sampled_from(list(Engine)),
)
def test_whatever_is_measured_the_ladder_stays_whole(sizes: list[tuple[int, int, bool]], engine: Engine) -> None:
    ladder, now = Ladder(), NOW
    for used, later, running in sizes:
        now += later
        before = ladder
        ladder, steps = step(before, used, engine=engine, running=running, now=now)
        assert (ladder.curb_at is None) == (ladder.ceiling_bytes is None)
        assert ladder.rung is Rung.FULL or (not ladder.curbed and ladder.curb_at is None)
        assert bool(steps) == (ladder != before)
        assert step(ladder, used, engine=engine, running=running, now=now) == (ladder, ())
        if used < 950:
            assert not ladder.curbed
