import pytest

from tests.bench.chaos_books import run_chaos

SECONDS = 12.0
KILLS_MIN = 3


@pytest.mark.timeout(600)
async def test_the_books_are_right_after_two_api_and_two_billing_processes_were_killed_at_random() -> None:
    tally = await run_chaos(seconds=SECONDS, seed=20261126)
    assert tally.faults == []
    assert tally.killed.total() >= KILLS_MIN
    assert tally.payments.total() >= len(tally.payments) > 0
