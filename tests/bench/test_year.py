import pytest

from tests.bench.year import run_year
from tests.servers import ControlDatabase

HOURS = 240
CUSTOMERS = 24


@pytest.mark.timeout(600)
async def test_ten_days_of_random_lives_cost_what_plain_integers_say(control: ControlDatabase) -> None:
    year = await run_year(control, hours=HOURS, customers=CUSTOMERS, shards=2, seasons=2, seed=20261124)
    assert year.differences == []
    assert year.done["hours closed"] == 2 * HOURS
    assert min(year.done[what] for what in ("ran dry", "frozen for debt", "late closes", "prices set")) > 0
    assert year.charges > HOURS
