import asyncio
from contextlib import AsyncExitStack

import pytest

from syneudp.engines.agent.errors import EngineBusyError
from syneudp.engines.agent.lanes import Lane, Lanes


async def test_a_full_lane_keeps_a_few_waiting_and_refuses_the_next() -> None:
    lane = Lane(1, waiting_max=1)
    async with AsyncExitStack() as working:
        await working.enter_async_context(lane.place())
        waiting = asyncio.create_task(pass_through(lane))
        await asyncio.sleep(0)
        with pytest.raises(EngineBusyError) as refusal:
            await pass_through(lane)
        assert (refusal.value.status, refusal.value.headers) == (503, {"Retry-After": "1"})
    await waiting
    await pass_through(lane)


async def test_whoever_stops_waiting_leaves_the_place_to_others() -> None:
    lane = Lane(1, waiting_max=1)
    async with lane.place():
        impatient = asyncio.create_task(pass_through(lane))
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.gather(impatient, return_exceptions=True)
        patient = asyncio.create_task(pass_through(lane))
        await asyncio.sleep(0)
    await patient


async def test_reads_never_keep_a_change_waiting() -> None:
    lanes = Lanes()
    async with AsyncExitStack() as working:
        for _ in range(3):
            await working.enter_async_context(lanes.of(changes=False).place())
        await asyncio.wait_for(pass_through(lanes.of(changes=True)), 10)


async def pass_through(lane: Lane) -> None:
    async with lane.place():
        pass
