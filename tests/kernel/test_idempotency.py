import asyncio
from uuid import UUID, uuid4

import pytest

from syneudp.kernel.database import Connection, reading, rows, transact
from syneudp.kernel.idempotency import IdempotencyMismatchError, Replay, bind_key, claim_key, request_digest
from tests.servers import ControlDatabase

SCOPE = "instances"


async def _act(owner: UUID, key: str, told: object, made: list[UUID]) -> UUID:
    async def work(tx: Connection) -> UUID:
        replay = await claim_key(tx, owner_id=owner, scope=SCOPE, key=key, digest=request_digest(told))
        if isinstance(replay, Replay):
            return replay.target_id
        target = uuid4()
        await asyncio.sleep(0.05)
        await bind_key(tx, owner_id=owner, scope=SCOPE, key=key, target_id=target)
        made.append(target)
        return target

    return await transact(work)


async def test_requests_at_once_with_one_key_act_once(control: ControlDatabase) -> None:
    owner, made = uuid4(), list[UUID]()
    targets = await asyncio.gather(*(_act(owner, "k", {"a": 1}, made) for _ in range(8)))
    assert set(targets) == set(made)
    assert len(made) == 1


async def test_the_same_key_with_another_request_is_refused(control: ControlDatabase) -> None:
    owner = uuid4()
    await _act(owner, "k", {"a": 1}, [])
    with pytest.raises(IdempotencyMismatchError):
        await _act(owner, "k", {"a": 2}, [])


async def test_keys_of_two_owners_do_not_meet(control: ControlDatabase) -> None:
    assert await _act(uuid4(), "k", {}, []) != await _act(uuid4(), "k", {}, [])


async def test_a_failed_act_leaves_its_key_free(control: ControlDatabase) -> None:
    owner = uuid4()

    async def fail(tx: Connection) -> None:
        await claim_key(tx, owner_id=owner, scope=SCOPE, key="k", digest=request_digest({}))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await transact(fail)
    assert await rows(reading(), "SELECT 1 FROM idempotency_keys WHERE owner_id = $1", owner) == []


def test_a_digest_does_not_depend_on_the_order_of_names() -> None:
    assert request_digest({"a": 1, "b": 2}) == request_digest({"b": 2, "a": 1})
