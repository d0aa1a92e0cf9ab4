import pytest

from tests.bench.chaos import run_chaos

SECONDS = 18.0
KILLS_MIN = 3


@pytest.mark.timeout(600)
async def test_what_is_killed_at_random_agrees_in_the_end() -> None:
    tally = await run_chaos(seconds=SECONDS, seed=20261123, kills_min=KILLS_MIN)
    assert (tally.faults, tally.differences) == ([], [])
    assert tally.killed.total() >= KILLS_MIN
    assert tally.confirmed["create"]
