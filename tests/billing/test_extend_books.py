import asyncpg

from syneudp.billing.extend_books import extend_books
from syneudp.kernel.database import reading, value
from tests.servers import ControlDatabase

LAST_MADE = (
    "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'entries'::regclass"
    " AND inhrelid::regclass::text = 'entries_' || to_char(now() AT TIME ZONE 'UTC' + interval '12 months', 'YYYY_MM')"
)


async def test_the_months_ahead_are_made_once_where_they_are_missing(control: ControlDatabase) -> None:
    name = str(await value(reading(), LAST_MADE))
    owner = await asyncpg.connect(control.owner_url)
    try:
        await owner.execute(f"DROP TABLE {name}")
    finally:
        await owner.close()
    assert await value(reading(), LAST_MADE) is None
    assert await extend_books() == 1
    assert await value(reading(), LAST_MADE) == name
    assert await extend_books() == 0
