import asyncio

import pytest

from syneudp.engines.contract import Engine
from syneudp.engines.verifiers import check_verifier
from syneudp.instances.passwords import PasswordStock


@pytest.mark.parametrize("engine", list(Engine))
async def test_every_password_is_handed_out_once_with_its_own_verifiers(engine: Engine) -> None:
    stock = PasswordStock(kept_each=3)
    taken = [await stock.take(engine)]
    async with asyncio.timeout(30):
        while stock.count(engine) < 3:
            await asyncio.sleep(0.01)
    taken += [await stock.take(engine) for _ in range(5)]
    assert len({drafted.password for drafted in taken}) == 6
    for drafted in taken:
        for scheme, verifier in drafted.verifiers.items():
            check_verifier(scheme, verifier)
    assert len({verifier for drafted in taken for verifier in drafted.verifiers.values()}) == sum(
        len(drafted.verifiers) for drafted in taken
    )


async def test_engines_are_stocked_apart_and_no_repr_shows_a_password() -> None:
    stock = PasswordStock(kept_each=1)
    taken = [await stock.take(engine) for engine in Engine]
    assert [set(each.verifiers) & set(other.verifiers) for each, other in [taken]] == [set()]
    async with asyncio.timeout(30):
        while not all(stock.count(engine) for engine in Engine):
            await asyncio.sleep(0.01)
    assert all(drafted.password not in repr(drafted) for drafted in taken)
