from collections.abc import AsyncIterator

import pytest

from tests.servers import ControlDatabase
from tests.wallet.customers import HOUR, assert_books_hold, begin_shards_at

FIRST_HOUR = 700_000


@pytest.fixture
async def books(control: ControlDatabase) -> AsyncIterator[int]:
    await begin_shards_at(control, FIRST_HOUR)
    yield FIRST_HOUR * HOUR
    await assert_books_hold()
