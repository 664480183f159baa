"""How many orders of one module a process works on at a time."""

import asyncio
from dataclasses import replace

import pytest

from pictor.contracts.jobs import JobState
from pictor.contracts.modules import Module
from pictor.runtime.child.pool import ChildPool
from pictor.runtime.step import Step
from tests.support.flow import Flow, serving_flow


@pytest.mark.parametrize("children", [1, 2])
async def test_as_many_frames_of_one_module_are_worked_on_as_there_are_children(flow: Flow, children: int) -> None:
    flow.runtime = replace(flow.runtime, children=ChildPool(children))
    running = most = 0

    async def work(_step: Step) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.2)
        running -= 1

    flow.acts[Module.QUALITY] = work
    jobs = [await flow.submit(itinerary=(Module.QUALITY,)) for _ in range(6)]
    async with serving_flow(flow):
        assert [await flow.ended(job) for job in jobs] == [JobState.COMPLETED] * 6
    assert most == children
    assert all(flow.times(job, Module.QUALITY) == 1 for job in jobs)
