import asyncio
from collections.abc import Awaitable
from uuid import uuid4

import asyncpg
import pytest

from syneudp.kernel import clock
from syneudp.kernel.database import Connection, execute, reading, row, transact, value
from tests.servers import ControlDatabase

INSERT = "INSERT INTO idempotency_keys (owner_id, scope, key, digest) VALUES ($1, 'test', $2, $3)"
TOUCH = "UPDATE idempotency_keys SET target_id = $1 WHERE owner_id = $1 AND key = $2"


async def test_two_transactions_that_lock_each_other_out_both_finish(control: ControlDatabase) -> None:
    owner = uuid4()
    for key in ("a", "b"):
        await execute(reading(), INSERT, owner, key, b"0" * 32)
    attempts = 0

    def crossing(first: str, second: str) -> Awaitable[None]:
        async def work(tx: Connection) -> None:
            nonlocal attempts
            attempts += 1
            await execute(tx, TOUCH, owner, first)
            await asyncio.sleep(0.2)
            await execute(tx, TOUCH, owner, second)

        return transact(work)

    await asyncio.gather(crossing("a", "b"), crossing("b", "a"))
    assert attempts >= 3


async def test_a_failed_unit_of_work_leaves_nothing(control: ControlDatabase) -> None:
    owner = uuid4()

    async def work(tx: Connection) -> None:
        await execute(tx, INSERT, owner, "a", b"0" * 32)
        await execute(tx, INSERT, owner, "a", b"0" * 32)

    with pytest.raises(asyncpg.UniqueViolationError):
        await transact(work)
    assert await row(reading(), "SELECT 1 AS one FROM idempotency_keys WHERE owner_id = $1", owner) is None


async def test_the_clock_is_the_databases_and_can_be_held(control: ControlDatabase) -> None:
    told = await value(reading(), "SELECT floor(extract(epoch FROM clock_timestamp()))::bigint")
    assert abs(await clock.now(reading()) - told) <= 1
    with clock.frozen(1_700_000_000):
        assert await clock.now(reading()) == 1_700_000_000
    assert clock.rfc3339(1_700_000_000) == "2023-11-14T22:13:20Z"
    assert clock.epoch(clock.instant(1_700_000_000)) == 1_700_000_000


async def test_the_runtime_role_owns_nothing(control: ControlDatabase) -> None:
    owned = await value(reading(), "SELECT count(*) FROM pg_class WHERE relowner = current_user::regrole")
    assert owned == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await execute(reading(), "CREATE TABLE mine (a int)")
