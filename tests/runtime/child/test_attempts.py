"""Frames that kill, starve or corrupt the child that reads them are tried three times and parked with the reason."""

from dataclasses import replace
from pathlib import Path
from uuid import UUID

from pictor.contracts.jobs import JobState
from pictor.contracts.modules import Module
from pictor.runtime.child.enclosure import Reach
from pictor.runtime.child.limits import Limits
from pictor.runtime.child.pool import ChildPool
from pictor.runtime.step import Step
from pictor.state import parked, runs
from tests.support.flow import Flow, serving_flow

SERVICE = "pictor.misbehaving.compute"
ENVIRONMENT = {"PYTHONPATH": str(Path(__file__).parents[2] / "support" / "children")}

POISON: dict[str, tuple[str, dict[str, object], float]] = {
    "crash:SIGSEGV": ("crash", {}, 20.0),
    "oom": ("allocate", {"gib": 4.0}, 20.0),
    "timeout": ("sleep", {"seconds": 600.0}, 0.5),
    "garbage": ("forge", {"text": "<html>"}, 20.0),
    "output-limit": ("rave", {"megabytes": 2048}, 20.0),
    "no-answer": ("leave", {"status": 0}, 20.0),
    "child-error": ("divide_by_zero", {}, 20.0),
}


async def test_every_way_to_fail_is_tried_three_times_and_parked_under_its_reason(flow: Flow, tmp_path: Path) -> None:
    jobs: dict[UUID, str] = {}

    async def act(step: Step) -> None:
        if step.order.job_id in jobs:
            function, arguments, timeout_s = POISON[jobs[step.order.job_id]]
            await step.runtime.children.call(f"{SERVICE}:{function}", arguments, timeout_s=timeout_s)
        else:
            await step.runtime.children.call(f"{SERVICE}:echo", {"word": "ok"}, timeout_s=20.0)

    flow.acts[Module.QUALITY] = act
    limits, reach = Limits(address_space=2 << 30), Reach((), (str(tmp_path),))
    async with ChildPool(2, limits=limits, environment=ENVIRONMENT, reach=reach) as children:
        flow.runtime = replace(flow.runtime, children=children)
        for reason in POISON:
            jobs[await flow.submit(itinerary=(Module.QUALITY,))] = reason
        async with serving_flow(flow):
            good = [await flow.submit(itinerary=(Module.QUALITY,)) for _ in range(5)]
            for job_id in good:
                assert await flow.ended(job_id, within_s=60) is JobState.COMPLETED
            for job_id, reason in jobs.items():
                assert await flow.ended(job_id, within_s=120) is JobState.FAILED, reason
            after = await flow.submit(itinerary=(Module.QUALITY,))
            assert await flow.ended(after, within_s=60) is JobState.COMPLETED
    letters, _ = await parked.page(flow.runtime.pool)
    assert {letter.job_id: letter.reason for letter in letters} == jobs
    for job_id, reason in jobs.items():
        assert flow.times(job_id, Module.QUALITY) == flow.runtime.settings.max_attempts == 3
        (run,) = await runs.timeline(flow.runtime.pool, job_id)
        assert run.reason == reason
        assert "An operator can put it back" in str(run.message)
